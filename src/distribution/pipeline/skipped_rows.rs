//! Rows of the table that are no alerts, known by the prefixes of their keys (`science_db.skip_rows`).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::science_db::RowPrefixes;

/// The prefixes, and how many rows had one of them. Reader threads share it.
#[derive(Debug)]
pub(super) struct SkippedRows {
    prefixes: RowPrefixes,
    count: AtomicU64,
}

impl SkippedRows {
    pub fn new(prefixes: &RowPrefixes) -> Self {
        Self { prefixes: prefixes.clone(), count: AtomicU64::new(0) }
    }

    /// Whether to skip the row with this key. Counts it, and logs the first.
    pub fn skip(&self, row_key: &[u8]) -> bool {
        let Some(prefix) = self.prefixes.of(row_key) else { return false };
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            log::info!(
                "row `{}` is no alert and is skipped (science_db.skip_rows: \"{prefix}\"); further skipped rows are only counted",
                row_key.escape_ascii()
            );
        }
        true
    }

    /// How many rows were skipped. A row that is read again after an aborted transaction counts again.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_whose_keys_begin_with_a_prefix_are_skipped_and_counted() {
        let prefixes = RowPrefixes(vec!["schema_".to_owned(), "test".to_owned()]);
        let skipped = SkippedRows::new(&prefixes);
        for (key, expected) in [
            (&b"schema_0.7_0.3"[..], true),
            (b"test", true),
            (b"ZTF18schema_", false),
            (b"schema", false),
            (b"", false),
        ] {
            assert_eq!(skipped.skip(key), expected, "{}", key.escape_ascii());
        }
        assert_eq!(skipped.count(), 2);
        assert!(!SkippedRows::new(&RowPrefixes::default()).skip(b"schema_0.7_0.3"));
    }
}

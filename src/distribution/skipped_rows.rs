//! Rows of the table that are no alerts, by how their keys begin.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::RowPrefixes;

/// Which rows are skipped, and how many were. Shared by the readers.
#[derive(Debug)]
pub struct SkippedRows {
    prefixes: RowPrefixes,
    count: AtomicU64,
}

impl SkippedRows {
    /// Skips the rows whose keys begin with one of `prefixes`.
    pub fn new(prefixes: &RowPrefixes) -> Self {
        Self { prefixes: prefixes.clone(), count: AtomicU64::new(0) }
    }

    /// Whether the row is no alert.
    pub fn contains(&self, row_key: &[u8]) -> bool {
        self.prefixes.of(row_key).is_some()
    }

    /// Counts one skipped row. The log names the first.
    pub fn note(&self, row_key: &[u8]) {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            log::info!(
                "row `{}` is no alert and is skipped (science_db.skip_rows: \"{}\"); further such rows are only counted",
                row_key.escape_ascii(),
                self.prefixes.of(row_key).unwrap_or_default()
            );
        }
    }

    /// Rows skipped so far. A row that is read again after an aborted transaction counts again.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_begin_with_a_prefix_are_skipped() {
        let prefixes = RowPrefixes(vec!["schema_".to_owned(), "test".to_owned()]);
        let skipped = SkippedRows::new(&prefixes);
        for (key, expected) in [
            (&b"schema_0.7_0.3"[..], true),
            (b"test", true),
            (b"ZTF18schema_", false),
            (b"schema", false),
            (b"", false),
        ] {
            assert_eq!(skipped.contains(key), expected, "{}", key.escape_ascii());
        }
        assert!(!SkippedRows::new(&RowPrefixes::default()).contains(b"schema_0.7_0.3"));
        skipped.note(b"schema_0.7_0.3");
        skipped.note(b"schema_0.8_0.3");
        assert_eq!(skipped.count(), 2);
    }
}

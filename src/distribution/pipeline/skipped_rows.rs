//! Rows of the table that are no alerts, known by the prefixes of their keys (`science_db.skip_rows`).

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ledger::AlertId;
use crate::science_db::RowPrefixes;
use crate::timestamp::Timestamp;

/// Most rows that are remembered, so that they count once. A table has few: one for each version of its writer.
const MAX_REMEMBERED: usize = 10_000;

/// The prefixes, and how many rows had one of them. Reader threads share it.
#[derive(Debug)]
pub(super) struct SkippedRows {
    prefixes: RowPrefixes,
    count: AtomicU64,
    counted: Mutex<HashSet<AlertId>>,
}

impl SkippedRows {
    pub fn new(prefixes: &RowPrefixes) -> Self {
        Self { prefixes: prefixes.clone(), count: AtomicU64::new(0), counted: Mutex::default() }
    }

    /// Whether to skip the row with this key and trigger timestamp. Counts it, once however often it is read, and logs the first.
    pub fn skip(&self, row_key: &[u8], timestamp: Timestamp) -> bool {
        let Some(prefix) = self.prefixes.of(row_key) else { return false };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() < MAX_REMEMBERED && !counted.insert(AlertId::new(row_key, timestamp)) {
            return true;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            log::info!(
                "row `{}` is no alert and is skipped (science_db.skip_rows: \"{prefix}\"); further skipped rows are only counted",
                row_key.escape_ascii()
            );
        }
        true
    }

    /// How many rows were skipped.
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
            assert_eq!(skipped.skip(key, Timestamp::EPOCH), expected, "{}", key.escape_ascii());
        }
        assert_eq!(skipped.count(), 2);
        let later = Timestamp::from_millis(1);
        assert!(
            skipped.skip(b"test", Timestamp::EPOCH) && skipped.skip(b"test", later) && skipped.skip(b"test", later)
        );
        assert_eq!(skipped.count(), 3, "a version of a row counts once");
        assert!(!SkippedRows::new(&RowPrefixes::default()).skip(b"schema_0.7_0.3", later));
    }
}

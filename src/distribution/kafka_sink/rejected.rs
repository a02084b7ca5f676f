//! The copy of a rejected alert for the rejected topic.

use crate::distribution::headers::TIMESTAMP_HEADER;
use crate::ledger::LedgerEntry;

/// The longest reason and row key, bytes. A traceback may have any length and a row key of HBase 32 kB, and the copy has to fit into any topic.
const MAX_REASON_BYTES: usize = 8 << 10;
const MAX_ROW_KEY_BYTES: usize = 4 << 10;

/// Which alert is rejected, on which stream, and why.
pub(super) struct RejectedCopy<'a> {
    row_key: &'a [u8],
    timestamp: String,
    stream: &'a str,
    topic: &'a str,
    reason: &'a str,
    value: Vec<u8>,
}

impl<'a> RejectedCopy<'a> {
    pub fn new(row_key: &'a [u8], entry: LedgerEntry, (stream, topic): (&'a str, &'a str), reason: &'a str) -> Self {
        let row_key = &row_key[..row_key.len().min(MAX_ROW_KEY_BYTES)];
        let end = (0..=reason.len().min(MAX_REASON_BYTES)).rev().find(|end| reason.is_char_boundary(*end));
        let reason = &reason[..end.unwrap_or_default()];
        let value = serde_json::json!({
            "rowKey": String::from_utf8_lossy(row_key),
            "timestamp": entry.timestamp,
            "stream": stream,
            "topic": topic,
            "reason": reason,
        });
        Self {
            row_key,
            timestamp: entry.timestamp.to_string(),
            stream,
            topic,
            reason,
            value: value.to_string().into_bytes(),
        }
    }

    pub fn row_key(&self) -> &[u8] {
        self.row_key
    }

    pub fn value(&self) -> &[u8] {
        &self.value
    }

    pub fn headers(&self) -> [(&str, &[u8]); 5] {
        [
            ("fink-reason", self.reason.as_bytes()),
            ("fink-stream", self.stream.as_bytes()),
            ("fink-topic", self.topic.as_bytes()),
            ("fink-row-key", self.row_key),
            (TIMESTAMP_HEADER, self.timestamp.as_bytes()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_copy_fits_into_a_topic_whatever_the_row_key_and_the_reason() {
        let (key, reason) = (vec![0xff; 32 << 10], "é".repeat(1 << 20));
        let copy = RejectedCopy::new(&key, LedgerEntry::new(&key, Timestamp::from_millis(5)), ("s", "t"), &reason);
        let headers: usize = copy.headers().iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(copy.row_key().len() + copy.value().len() + headers < 64 << 10);
        assert!(std::str::from_utf8(copy.headers()[0].1).is_ok());
    }
}

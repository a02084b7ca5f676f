//! The headers of messages; docs/formats.md is the reference.

/// When the alert was written to the science database: the timestamp of its trigger cell, ms since 1970, in decimal digits.
pub const TIMESTAMP_HEADER: &str = "fink-timestamp";
/// Which alert it is: [`AlertId::to_hex`](crate::ledger::AlertId::to_hex).
pub const ALERT_HEADER: &str = "fink-alert";
/// Which producer wrote a message without a transaction: the transactional id of its distribution.
pub const WRITER_HEADER: &str = "fink-writer";

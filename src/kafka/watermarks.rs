//! The watermarks of partitions.

/// The offsets that bound the records of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// the offset of the oldest retained record
    pub low: i64,
    /// the last stable offset, where `read_committed` consumers stop: the first record of the oldest open transaction, else `high`
    pub last_stable: i64,
    /// the offset after the last replicated record
    pub high: i64,
}

impl Watermarks {
    /// Whether an open transaction holds back records.
    pub fn has_open_transaction(&self) -> bool {
        self.last_stable < self.high
    }
}

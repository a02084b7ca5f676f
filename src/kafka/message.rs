//! Consumed messages.

/// A consumed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// its topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// its offset
    pub offset: i64,
    /// ms since 1970
    pub timestamp: Option<i64>,
    /// the key
    pub key: Option<Vec<u8>>,
    /// the value
    pub value: Option<Vec<u8>>,
    /// names and values, in order
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

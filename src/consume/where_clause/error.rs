//! What is wrong with a condition.

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--where, at character {at}: {reason}")]
pub struct ConditionError {
    /// the character, counted from 1
    at: usize,
    /// in words
    reason: String,
}

impl ConditionError {
    /// An error at a character, counted from 0.
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at: at + 1, reason: reason.into() }
    }
}

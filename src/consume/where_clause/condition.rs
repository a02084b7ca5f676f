//! A condition that was read, but not yet compared with a schema.

use super::error::ConditionError;
use super::lexer;
use super::parser::{self, Expression};

/// Longest condition, bytes.
const MAX_BYTES: usize = 10_000;

/// A condition that was read, but not yet compared with a schema.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    pub(super) expression: Expression,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong, and at which character.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_BYTES {
            return Err(ConditionError::new(0, format!("the condition is longer than {MAX_BYTES} bytes")));
        }
        let tokens = lexer::tokens(text)?;
        Ok(Self { text: text.to_owned(), expression: parser::parse(&tokens)? })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

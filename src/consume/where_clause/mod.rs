//! `--where 'magpsf < 18 and drb > 0.9'`: a condition on an alert's fields.
//!
//! ```text
//! condition  = and { "or" and }            and = not { "and" not }            not = ["not"] test
//! test       = sum [ ("<" | "<=" | "=" | "!=" | ">" | ">=") sum
//!                  | ["not"] "in" "(" sum { "," sum } ")"  |  ["not"] "between" sum "and" sum  |  "is" ["not"] "null" ]
//! sum        = product { ("+" | "-") product }      product = factor { ("*" | "/") factor }
//! factor     = number | 'text' | true | false | field | "-" factor | "(" condition ")"
//! ```
//! Fields are named as in [`fields`](super::fields). As in SQL, a comparison with null is neither true nor false, and an alert is kept where
//! the condition is true; NaN is equal to nothing, and neither above nor below anything.

mod bind;
mod lexer;
mod parser;
mod value;

pub use bind::BoundCondition;

use parser::Expression;

/// Longest condition, bytes.
const MAX_BYTES: usize = 10_000;

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--where, at character {at}: {reason}")]
pub struct ConditionError {
    /// the character, counted from 1
    pub at: usize,
    /// in words
    pub reason: String,
}

impl ConditionError {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at: at + 1, reason: reason.into() }
    }
}

/// A condition that was read, but not yet compared with a schema.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    expression: Expression,
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

#[cfg(test)]
mod tests;

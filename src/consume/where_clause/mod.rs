//! `--where 'magpsf < 18 and drb > 0.9'`: a condition on an alert's fields.
//!
//! ```text
//! condition  = and { "or" and }            and = not { "and" not }            not = ["not"] test
//! test       = sum [ ("<" | "<=" | "=" | "!=" | ">" | ">=") sum
//!                  | ["not"] "in" "(" sum { "," sum } ")"  |  ["not"] "between" sum "and" sum  |  "is" ["not"] "null" ]
//! sum        = product { ("+" | "-") product }      product = factor { ("*" | "/") factor }
//! factor     = number | 'text' | true | false | field | "-" factor | "(" condition ")"
//! ```
//! Fields are named as in `fields`. As in SQL, a comparison with null is neither true nor false, and an alert is kept where
//! the condition is true; NaN is equal to nothing, and neither above nor below anything.

mod bind;
mod condition;
mod error;
mod lexer;
mod parser;
mod value;

pub use bind::BoundCondition;
pub use condition::Condition;

#[cfg(test)]
mod tests;

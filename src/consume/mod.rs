//! The reader's end: alerts from Kafka to a terminal, to a pipe or to files.
//!
//! [`messages`](crate::messages) reads and decodes messages, [`selection`] keeps the alerts that the user asks for, an output prints or saves
//! them, and [`poll_loop`] drives all of it and commits the offsets of what is printed or safe on the disk.

pub mod error;
pub mod fields;
pub mod finkctl;
pub mod ndjson;
pub mod notices;
pub mod observation;
pub mod outcome;
pub mod output;
pub mod poll_loop;
pub mod printer;
pub mod save;
pub mod selection;
pub mod table;
pub mod where_clause;

pub use error::ConsumeError;

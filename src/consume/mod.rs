//! The reader's end: alerts from Kafka to a terminal, to a pipe or to files.
//!
//! [`decode`] finds the schema and the framing of a message, [`selection`] keeps the alerts that the user asks for, an output prints or saves
//! them, and [`session`] drives all of it and commits the offsets of what is printed or safe on the disk.

pub mod decode;
pub mod error;
pub mod fields;
pub mod finkctl;
pub mod lag_watch;
pub mod ndjson;
pub mod notices;
pub mod observation;
pub mod outage;
pub mod outcome;
pub mod output;
pub mod positions;
pub mod printer;
pub mod registry;
pub mod save;
pub mod schemas;
pub mod selection;
pub mod session;
pub mod start;
pub mod table;
pub mod where_clause;

pub use error::ConsumeError;

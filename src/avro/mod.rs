//! Avro itself: schemas as a flat list of nodes, and reading and checking data in place.
//!
//! A base room that knows nothing of alerts or tables. The crate `apache-avro` stays the judge in tests, and the way to read a datum
//! of one schema as another; what stands here is what needs neither a tree of values nor an allocation per field.

mod bounds;
mod canonical;
pub mod container;
mod default;
mod json;
mod name;
mod parse;
mod reader;
mod schema;
mod skip;
mod write;

pub use bounds::{LONGEST_NAME, LONGEST_SCHEMA, MOST_LEVELS, MOST_NODES};
pub use name::{is_name, namespace_of};
pub use reader::{Malformed, Reader};
#[cfg(test)]
pub(crate) use schema::visits;
pub use schema::{Choice, Field, Kind, Node, NodeId, Schema, SchemaError, same_data};
pub use skip::Skipper;
pub use write::{put_bytes, put_long};

#[cfg(test)]
mod tests;

//! Avro itself: schemas as a flat list of nodes, and reading and checking data in place.
//!
//! A base room that knows nothing of alerts or tables. The crate `apache-avro` stays the judge in tests, and the way to read a datum
//! of one schema as another; what stands here is what needs neither a tree of values nor an allocation per field.

mod canonical;
pub mod container;
mod default;
mod json;
mod limits;
mod name;
mod parse;
mod reader;
mod schema;
mod skip;
mod write;

pub use limits::{MAX_NAME_BYTES, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MAX_SCHEMA_NODES};
pub use name::{is_name, namespace_of};
pub use reader::{Malformed, Reader};
#[cfg(test)]
pub(crate) use schema::visits;
pub use schema::{Field, Kind, Node, NodeId, OptionalUnion, Schema, SchemaError, same_encoding};
pub use skip::Skipper;
pub use write::{write_bytes, write_long};

#[cfg(test)]
mod tests;

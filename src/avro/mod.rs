//! Avro: schemas as a flat list of nodes, and data that are read, checked and written in place.
//!
//! It needs neither a tree of values nor an allocation for each field. The crate `apache-avro` remains the reference in tests, and does
//! schema resolution and compression.

mod canonical;
pub mod container;
pub mod container_reader;
mod default;
mod json;
mod limits;
mod merge;
mod name;
mod parse;
mod reader;
mod resolve;
mod schema;
mod skip;
mod write;

pub(crate) use canonical::SINGLE_OBJECT;
pub(crate) use limits::MAX_NAME_BYTES;
pub(crate) use limits::MAX_SCHEMA_DEPTH;
#[cfg(test)]
pub(crate) use limits::MAX_SCHEMA_NODES;
pub use merge::MergeError;
pub(crate) use merge::same_but_order;
pub(crate) use name::{is_name, namespace_of};
pub use parse::WrittenSchema;
pub use reader::{Malformed, Reader};
pub use resolve::{Resolution, ResolutionError};
#[cfg(test)]
pub(crate) use schema::visits;
pub use schema::{Field, Kind, Node, NodeId, Schema, SchemaError};
pub(crate) use schema::{OptionalUnion, same_encoding};
pub use skip::Skipper;
pub use write::{write_bytes, write_long};

#[cfg(test)]
mod tests;

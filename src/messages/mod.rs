//! Messages of topics, read and decoded: what `consume`, `view` and `ingest` share.
//!
//! A [`TopicReader`] reads messages in batches and knows its positions; a [`MessageDecoder`] finds the framing and the schema of each
//! message. Schemas that do not come with the messages are in a [`SchemaSet`], which may ask a [`Registry`].

mod decoder;
mod error;
mod lag_watch;
mod outage;
mod positions;
mod registry;
mod registry_client;
mod schema_id;
mod schema_parts;
mod schema_set;
mod start;
mod topic_reader;

pub use decoder::{Alert, DecodeError, MessageDecoder};
pub use error::SchemaSetError;
pub use lag_watch::LagWatch;
pub use outage::{Notice, Outage};
pub use positions::Place;
pub use registry::Registry;
pub use registry_client::{RegistryAccess, RegistryClient, RegistryError};
pub use schema_set::SchemaSet;
pub use start::Start;
pub use topic_reader::{Limits, Snapshot, TopicReader};

#[cfg(test)]
mod fuzz_tests;

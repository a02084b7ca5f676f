//! Everything that speaks with Kafka: the transactional producer, the checkpoint topic, partitions, topics, users, access rules and a plain consumer.
//!
//! All of it stands on librdkafka. [`client`] turns the settings into its options and its reports into [`Error`]s and a [`ConnectionStatus`];
//! the rest is one room for each thing that is done with Kafka.

pub mod acls;
pub mod admin;
pub mod checkpoint;
pub mod client;
pub mod connection_status;
pub mod consumer;
mod delivery;
pub mod diagnosis;
pub mod error;
mod expected_offsets;
mod ffi;
pub mod group;
pub mod idempotent_producer;
pub mod partition;
pub mod producer;
pub mod roles;
pub mod schema_topic;
pub mod tail;
mod tls;
pub mod topics;
pub mod transaction;
pub mod users;
pub mod watermarks;

pub use admin::Admin;
pub use connection_status::ConnectionStatus;
pub use consumer::{Consumer, Message};
pub use delivery::{Cause, DeliveryFailure};
pub use error::{Error, Result};
pub use expected_offsets::UnexpectedOffset;
pub use idempotent_producer::{FlushOutcome, IdempotentProducer};
pub use producer::{Producer, ProducerOptions, ProducerRecord};
pub use tail::TailReader;
pub use transaction::{Aborted, CommitOutcome};

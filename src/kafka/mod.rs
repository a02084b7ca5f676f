//! Kafka clients: transactional and idempotent producers, consumers, the checkpoint topic, and administrative requests.
//!
//! All of them use librdkafka. [`client_config`] turns the settings into librdkafka's options; [`connection`] receives its log lines and errors, and
//! turns them into [`Error`]s. [`acls`] has a table of the ACLs that each request requires.

pub mod acls;
mod admin;
pub mod checkpoint;
mod client_config;
mod connection;
mod connection_status;
pub mod consumer;
mod delivery;
mod delivery_thread;
pub(crate) mod diagnosis;
mod error;
mod expected_offsets;
mod ffi;
pub mod group;
pub mod group_offsets;
pub(crate) mod idempotent_producer;
mod message;
mod metadata;
pub mod partition;
mod producer;
pub(crate) mod raw_options;
pub mod retention;
pub mod roles;
pub mod schema_topic;
pub mod scram;
pub(crate) mod settings;
pub mod tail;
mod tls;
pub mod topics;
mod transaction;
mod unbatched_topics;
pub mod watermarks;

pub use admin::Admin;
pub use client_config::Identity;
pub use consumer::Consumer;
pub use delivery::{Cause, DeliveryFailure};
pub use error::{Error, Result};
pub use expected_offsets::UnexpectedOffset;
pub use idempotent_producer::{FlushOutcome, IdempotentProducer};
pub use message::Message;
pub use producer::{Producer, ProducerOptions, ProducerRecord};
pub use settings::{KafkaSettings, Login, SaslMechanism, SecurityProtocol};
pub use tail::TailReader;
pub use transaction::{Aborted, CommitOutcome};

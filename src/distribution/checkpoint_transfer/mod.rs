//! Moving checkpoints: to another `distribution.name`, or through a file to another Kafka.
//!
//! A checkpoint topic holds the checkpoints of several [writers](WriterCheckpoint): the service, services with `--stream`, and jobs. All of them
//! are moved in one transaction. Before it, the producers of all unfinished writers are opened and so fenced, on both sides: no alert can be
//! published that the moved checkpoint does not know.

mod activity;
mod error;
mod file;
mod transfer;
mod writer;

pub(crate) use activity::require_silence;
pub(crate) use error::TransferError;
pub(crate) use file::{CheckpointFile, export};
pub(crate) use transfer::{Transfer, TransferPlan};
pub(crate) use writer::{WriterCheckpoint, read_writers, read_writers_stable};

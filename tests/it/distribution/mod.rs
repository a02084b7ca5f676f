//! `fink start distribution` on a real HBase and a real Kafka, driven as an operator drives it.

mod arguments;
mod audit;
mod audit_scale;
mod checkpoint;
mod checkpoint_transfer;
mod faults;
mod filters;
mod fink_client;
mod fink_tables;
mod gateways;
mod jobs;
mod lanes;
mod metrics;
mod operation;
mod pause;
mod policies;
mod push;
mod readback;
mod registries;
mod rows;
mod skipped_rows;
pub mod slack;
mod streams;
mod terminal;
mod transfer;

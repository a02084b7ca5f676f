//! `fink` takes alerts out of a broker's science database and puts each of them on Kafka exactly once.
//!
//! The way of an alert reads top to bottom in [`distribution`]; the rooms beside it do not know each other:
//! [`science_db`] finds rows, [`alert`] turns their cells into Avro, [`kafka`] delivers.
#![deny(unsafe_code)]

pub mod alert;
mod atomic_file;
pub mod audit;
pub mod avro;
pub mod cancel;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod consume;
pub mod distribution;
mod escape;
pub mod filters;
pub mod ingest;
pub mod kafka;
pub mod ledger;
pub mod list_text;
pub mod notify;
pub mod row;
pub mod rules;
pub mod runfile;
pub mod science_db;
pub mod secret;
pub mod signals;
pub mod simulate;
mod suggest;
pub mod timestamp;
pub mod topic;
pub mod units;
pub mod window;

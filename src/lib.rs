//! `fink` takes alerts out of a broker's science database and puts each of them on Kafka exactly once.
//!
//! The way of an alert reads top to bottom in [`distribution`]; the rooms beside it do not know each other:
//! [`science_db`] finds rows, [`alert`] turns their cells into Avro, [`kafka`] delivers.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod alert;
pub mod audit;
pub mod avro;
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
pub mod rules;
pub mod runfile;
pub mod science_db;
pub mod signals;
pub mod simulate;
pub mod window;

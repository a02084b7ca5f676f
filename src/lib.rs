//! `fink` distributes alerts from an astronomical broker's science database to Kafka, each alert exactly once.
//!
//! The path of an alert: [`distribution`] reads rows from a [`science_db`], applies the rules and filters of each stream, encodes
//! the alert ([`alert`]) and sends it to [`kafka`]; docs/decisions.md lists the files in order. Modules import each other in one
//! direction only, checked by tests/it/imports.rs:
//!
//! - `cli`: the commands
//! - `config`: reads the settings that the modules below define
//! - `audit`, which compares what `distribution` has sent, and `view`, which shows what `consume` reads
//! - `distribution`, `consume`, `ingest`, `simulate`
//! - `messages`, which reads and decodes messages of topics
//! - `science_db`, `rules`, `filters`, `alert`, `kafka`, `notify`, which do not import each other
//! - `row`, then `catalog`, then `avro`: rows and cells, the columns of a table, Avro schemas and data
//! - `timestamp`, `topic`, `secret`, `window`, …: types and functions that use none of these
//!
//! Only items that the binary, the benchmarks or the tests use are public.
#![deny(unsafe_code)]
// The documentation is for those who work on `fink`: it is built with private items.
#![allow(rustdoc::private_intra_doc_links)]

pub mod alert;
mod atomic_file;
mod audit;
pub mod avro;
pub mod cancel;
pub mod catalog;
pub mod cli;
pub mod config;
mod consume;
mod control_socket;
pub mod distribution;
mod escape;
mod filters;
mod html_page;
mod http_server;
pub mod ingest;
pub mod kafka;
mod ledger;
mod list_text;
mod messages;
pub mod notify;
pub mod row;
pub mod rules;
mod runfile;
pub mod science_db;
pub mod secret;
pub mod signals;
pub mod simulate;
mod suggest;
pub mod timestamp;
mod tls;
pub mod topic;
mod units;
mod view;
pub mod window;

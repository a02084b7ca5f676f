//! The integration tests: one program, a module for each subcommand or area, over one fixture of settings and servers.
//!
//! `scripts/test` starts the servers that FINK_TEST_CLUSTER names; the tests run beside each other, each on its own table and topics.

mod alert;
mod chaos;
mod cli;
mod config;
mod consume;
mod demo;
mod distribution;
mod docs;
mod doctor;
mod filters;
mod fixture;
mod imports;
mod ingest;
mod kafka;
mod kafka_admin;
mod packages;
mod rules;
mod science_db;
mod scripts;
mod security;
mod simulate;
mod view;

//! `fink kafka`, driven as an administrator would, on a real cluster.

#[path = "../common/mod.rs"]
mod common;

mod bootstrap;
mod kafka_cli;
mod rights;
mod scripts;
mod terminal;
mod topics;
mod users;

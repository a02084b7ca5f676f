//! `fink kafka`, driven as an administrator would, on a real cluster.

#[path = "../common/mod.rs"]
mod common;

mod bootstrap;
mod rights;
mod scripts;
mod stage;
mod terminal;
mod topics;
mod users;

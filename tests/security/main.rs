//! Who gets in, who may do what, and what is said where not: on a real cluster that also serves TLS.

#[path = "../common/mod.rs"]
mod common;
#[path = "../small_table/mod.rs"]
mod small_table;
#[path = "../kafka_admin/stage.rs"]
mod stage;
#[path = "../distribution/table.rs"]
mod table;

mod clients;
mod forwarder;
mod many;
mod matrix;
mod mistakes;
mod page;
mod rotation;
mod secrets;
mod strangers;
mod tls;

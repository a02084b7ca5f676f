//! Who gets in, who may do what, and what is said where not: on a real cluster that also serves TLS.

#[path = "../common/mod.rs"]
mod common;
#[path = "../kafka_admin/kafka_cli.rs"]
mod kafka_cli;
#[path = "../small_table/mod.rs"]
mod small_table;
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

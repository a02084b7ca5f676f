//! Logins, ACLs and their errors, on a real cluster that also serves TLS.

mod clients;
mod connection_errors;
pub mod foreign_servers;
mod forwarder;
mod many_users;
mod matrix;
mod rotation;
mod secrets;
mod security_page;
mod tls;

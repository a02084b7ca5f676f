//! HBase's own protocol: its servers are called directly, without a gateway.
//!
//! A session finds the server of `hbase:meta` through any master or region server ([`client`]), the regions of its table in `hbase:meta`
//! ([`table`]), and calls the region servers: [`scan`], and [`rows`] by their keys. Only SIMPLE authentication is
//! supported, in plain text or over TLS.

mod admin;
pub(crate) mod cell_block;
pub(crate) mod client;
pub(crate) mod cluster;
mod connection;
mod exception;
#[cfg(test)]
mod fake_server;
pub(crate) mod frame;
#[cfg(test)]
mod fuzz_tests;
mod multi;
pub(crate) mod proto;
mod read_permission;
mod readable_columns;
mod region_admin;
mod regions;
mod retry;
mod row_decoder;
mod rows;
mod scan;
mod server_kind;
#[cfg(test)]
mod session_tests;
mod store;
mod table;
mod tls;
mod wait;

pub(super) use cluster::Cluster;
pub use region_admin::HBaseTableAdmin;
pub(super) use store::HBase;

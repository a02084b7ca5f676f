//! HBase's protobuf messages, and the methods that they belong to.

// Made by scripts/dev/generate-hbase from hbase.proto.
#[rustfmt::skip]
#[allow(missing_docs, dead_code, clippy::all, clippy::pedantic, reason = "generated")]
mod messages;
mod methods;

pub(crate) use messages::*;
pub(crate) use methods::{Method, Service};

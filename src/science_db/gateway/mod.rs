//! HBase's Thrift gateways: a session uses one of them, and the others when that one fails.

mod call_error;
mod connection;
mod gateways;
mod health;
mod reply;
mod request;
mod wait;

pub(super) use call_error::CallError;
pub(super) use connection::{Connection, RequestWriter};
pub(super) use gateways::{Gateways, Interface, all_failed};
pub(super) use health::Health;
pub(super) use reply::{ByteSpan, ReplyReader};
pub(super) use request::Request;

/// A stream to a gateway.
pub(super) type Stream = super::stream::Stream<wait::Wait>;

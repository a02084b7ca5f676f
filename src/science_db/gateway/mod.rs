//! HBase's Thrift gateways: a session uses one of them, and the others when that one fails.

mod call_error;
mod connection;
mod gateways;
mod health;
mod reply;
mod request;
mod stream;
mod timeouts;
mod wait;

pub(super) use call_error::CallError;
pub(super) use connection::{Connection, RequestWriter};
pub(super) use gateways::{Gateways, Interface};
pub(super) use health::Health;
pub(super) use reply::{ByteSpan, ReplyReader};
pub(super) use request::Request;
pub(super) use stream::Stream;
pub(super) use timeouts::Call;
pub use timeouts::Timeouts;

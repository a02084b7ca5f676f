//! Alerts: how a telescope's alert becomes the cells of a row ([`layout`]), and how a row becomes an alert again ([`schema`], [`encoder`]).
//!
//! Neither way builds a tree of values: the schemas are turned into plans when the program starts, and data are copied from place to place.

pub mod decoder;
pub mod encoder;
pub mod layout;
pub mod message;
pub mod schema;

pub use decoder::{BytesFormat, Decoder, Projection, Scalar, SchemaCache};
pub use encoder::{EncodeError, Encoder, Plan, PlanError};
pub use layout::{FlatAlert, FlattenError, Flattener, Layout, LayoutError, LayoutOptions, ListEncoding};
pub use message::{Encoding, Framing, KeyPlan, MessageError, MessageKey, unframe};
pub use schema::{StreamSchemaError, stream_schema};

#[cfg(test)]
mod hostile_tests;

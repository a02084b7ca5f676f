//! Alerts: [`layout`] turns a telescope's alert into the cells of a row; [`schema`] and [`encoder`] turn a row into an alert;
//! [`message`] frames it for Kafka; [`decoder`] reads it.
//!
//! No direction builds a tree of values: schemas are compiled into steps when the program starts, and data are copied in place.

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

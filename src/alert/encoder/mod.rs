//! A row's cells as an Avro datum.
//!
//! A [`Plan`] is made once from the schema to send and the catalog; bound to the columns that a scan reads it is an [`Encoder`], which
//! copies cells straight into the datum.

mod cell;
mod encode;
mod list;
mod plan;
mod resolve;

pub use encode::{EncodeError, Encoder};
pub use plan::{Plan, PlanError};

#[cfg(test)]
mod tests;

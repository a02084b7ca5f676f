//! Encodes the cells of a row as an Avro datum.
//!
//! A [`Plan`] is made once, from the schema to send and the catalog. Bound to the columns of a read it is an [`Encoder`], which copies
//! cells into the datum without a tree of values in between.

mod cell;
mod conversion;
mod encode;
mod list;
mod list_plan;
mod plan;
mod planner;

pub use encode::{EncodeError, Encoder};
pub use plan::Plan;
pub use planner::PlanError;

#[cfg(test)]
mod tests;

//! The table layout of a telescope's alerts: from the fields of a schema to columns, and from a datum to cells.
//!
//! Records are flattened at every depth, their field names joined by `_`: `candidate.ra` becomes the column `candidate_ra`. A null has no
//! cell. Values that are neither scalars nor records are stored in one of two ways:
//! - [`ListEncoding::Avro`] is lossless. An array, a map, a union of several types or a record within itself is a cell that holds an Avro
//!   datum, without the union with null around it. A nullable record none of whose fields always has a cell gets a presence marker, a
//!   boolean column with the name of the record, so that a null record and a record of nulls remain distinct.
//! - [`ListEncoding::Text`] is the layout of Fink in 2019. An array of records is one column of text for each field, as cast by Spark. A null
//!   in a record is filled (`""`, 0, true, nothing).
//!
//! docs/formats.md is the reference.

mod flatten;
mod options;
mod row_key;
mod spark_text;
mod steps;
mod table;

pub use flatten::{FlatAlert, FlattenError, Flattener};
pub use options::{LayoutError, LayoutOptions, ListEncoding};
pub use table::Layout;

#[cfg(test)]
mod tests;

//! How a telescope's alert becomes columns.
//!
//! Records are flattened at every depth, their fields joined by `_`: `candidate.ra` becomes the column `candidate_ra`. A null has no cell.
//! What is neither a scalar nor a record is kept in one of two ways:
//! - [`ListEncoding::Avro`] loses nothing. An array, a map, a union of several types, a record within itself is a cell that holds an Avro datum
//!   (without the union with null around it). A record that may be null, is there, and has no cell of its own gets a presence marker, a
//!   boolean column with the record's name. So a null record, a record of nulls, a null array and an empty array stay four things.
//! - [`ListEncoding::Text`] is what the broker of 2019 wrote: an array of records is one text column for each field, in the words of Spark's
//!   cast; a null within a record is filled (`""`, 0, true, nothing).

mod flatten;
mod row_key;
mod spark_text;
mod steps;

pub use flatten::{FlatAlert, FlattenError, Flattener};

use std::sync::Arc;

use crate::avro::Schema;
use crate::catalog::{Catalog, Column, ColumnLocation, ColumnType, MAX_COLUMNS};
use row_key::RowKey;
use steps::{FlattenStep, LayoutBuilder};

/// How arrays and maps are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEncoding {
    /// as text, the way of 2019
    Text,
    /// as Avro data, without loss
    Avro,
}

/// What the schema does not say about the table.
#[derive(Clone, Debug)]
pub struct LayoutOptions<'a> {
    /// HBase namespace
    pub namespace: &'a str,
    /// table name without namespace
    pub table: &'a str,
    /// the column family of every cell
    pub family: &'a str,
    /// the columns of the row key. One column is kept in the key alone; several are kept as cells too, because the text of a key cannot
    /// tell null from empty
    pub row_key: &'a [&'a str],
    /// how arrays and maps are kept
    pub history: ListEncoding,
    /// whether each row gets the column `status` = `dbUpdate`
    pub status: bool,
}

/// Why a schema cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// the root is no record
    #[error("the alerts' schema must be a record")]
    NoRecord,
    /// two fields with one column name
    #[error(
        "the fields `{one}` and `{other}` would both be the column `{column}`: such alerts cannot be laid out as columns"
    )]
    NameConflict {
        /// the column
        column: String,
        /// the first field
        one: String,
        /// the second
        other: String,
    },
    /// more columns than a catalog can have
    #[error("the alerts' schema has more than {MAX_COLUMNS} fields: they cannot be laid out as columns")]
    TooManyColumns,
    /// no such column
    #[error("row key: {0}")]
    RowKey(String),
}

/// The columns of one telescope's schema, and the way into them.
#[derive(Clone, Debug)]
pub struct Layout {
    catalog: Catalog,
    schema: Arc<Schema>,
    steps: Arc<[FlattenStep]>,
    row_key: RowKey,
    status: Option<usize>,
}

impl Layout {
    /// Lays out the alerts of `schema`.
    ///
    /// # Errors
    /// The schema is no record, two fields would be one column, or the row key names a column that is not there or cannot be part of a key.
    pub fn new(schema: &Schema, options: &LayoutOptions<'_>) -> Result<Self, LayoutError> {
        Self::build(schema, options, |catalog| RowKey::new(catalog).map_err(LayoutError::RowKey))
    }

    /// Lays out the alerts of `schema` without loss and without a row key: to look at their cells, not to store them.
    ///
    /// # Errors
    /// The schema is no record, or two fields would be one column.
    pub fn keyless(schema: &Schema) -> Result<Self, LayoutError> {
        let (namespace, table, family) = ("", "", "");
        let options =
            LayoutOptions { namespace, table, family, row_key: &[], history: ListEncoding::Avro, status: false };
        Self::build(schema, &options, |_| Ok(RowKey::none()))
    }

    fn build(
        schema: &Schema,
        options: &LayoutOptions<'_>,
        row_key: impl FnOnce(&Catalog) -> Result<RowKey, LayoutError>,
    ) -> Result<Self, LayoutError> {
        let mut builder = LayoutBuilder::new(schema, options);
        let mut steps = builder.root()?;
        let (mut columns, records) = builder.finish();
        if options.history == ListEncoding::Text {
            let order = spark_text::fink_2019_order(&columns);
            let place = |old: usize| order.iter().position(|at| *at == old).unwrap_or(old);
            steps::renumber(&mut steps, &place);
            columns = order.iter().filter_map(|at| columns.get(*at).cloned()).collect();
        }
        let status = options.status.then(|| columns.iter().position(|column| column.name == STATUS)).flatten();
        let mut catalog = Catalog::new(options.namespace, options.table, options.row_key, Vec::new(), records);
        if let [only] = options.row_key
            && let Some(column) = columns.iter_mut().find(|column| column.name == *only)
        {
            column.location = ColumnLocation::RowKey { part: 0 };
        }
        catalog.columns = columns;
        let row_key = row_key(&catalog)?;
        Ok(Self { catalog, schema: Arc::new(schema.clone()), steps: steps.into(), row_key, status })
    }

    /// The table's catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Puts the cells of a column into another family; a column that is kept in the row key alone, or is not there, stays as it is.
    pub fn place_in(&mut self, column: &str, family: &str) {
        let column = self.catalog.columns.iter_mut().find(|known| known.name == column);
        if let Some(ColumnLocation::Cell { family: place, .. }) = column.map(|column| &mut column.location) {
            family.clone_into(place);
        }
    }

    /// The means to turn alerts into cells; each thread has its own.
    pub fn flattener(&self) -> Flattener {
        Flattener::new(self)
    }
}

/// The column that says whether an alert was distributed.
const STATUS: &str = "status";

/// What it holds in a new row.
const NEW_STATUS: &[u8] = b"dbUpdate";

fn status_column(family: &str) -> Column {
    Column::cell(family, STATUS, ColumnType::String)
}

#[cfg(test)]
mod tests;

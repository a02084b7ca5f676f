//! The columns of a telescope's schema.

use std::sync::Arc;

use super::options::{LayoutError, LayoutOptions, ListEncoding, STATUS};
use super::row_key::RowKey;
use super::spark_text::fink_2019_order;
use super::steps::{FlattenStep, LayoutBuilder, renumber};
use crate::avro::Schema;
use crate::catalog::{Catalog, ColumnLocation};

/// The columns of a telescope's schema, and how a datum is turned into their cells.
#[derive(Clone, Debug)]
pub struct Layout {
    catalog: Catalog,
    pub(super) schema: Arc<Schema>,
    pub(super) steps: Arc<[FlattenStep]>,
    pub(super) row_key: RowKey,
    /// index of the status column
    pub(super) status: Option<usize>,
}

impl Layout {
    /// The layout of alerts of `schema`.
    ///
    /// # Errors
    /// The schema is not a record, two fields have the same column name, or a column of the row key does not exist or cannot be part of a
    /// key.
    pub fn new(schema: &Schema, options: &LayoutOptions<'_>) -> Result<Self, LayoutError> {
        Self::build(schema, options, None, |catalog| RowKey::new(catalog).map_err(LayoutError::RowKey))
    }

    /// As [`new`](Self::new), for a table that has the columns of `known` already: a field that has one of them keeps its name and location.
    /// The types of columns are those of the schema alone.
    ///
    /// # Errors
    /// See [`new`](Self::new).
    pub(crate) fn extending(
        schema: &Schema,
        options: &LayoutOptions<'_>,
        known: &Catalog,
    ) -> Result<Self, LayoutError> {
        Self::build(schema, options, Some(known), |catalog| RowKey::new(catalog).map_err(LayoutError::RowKey))
    }

    /// A lossless layout without a row key: for reading the cells of alerts, not for storing them.
    ///
    /// # Errors
    /// The schema is not a record, or two fields have the same column name.
    pub(crate) fn keyless(schema: &Schema) -> Result<Self, LayoutError> {
        let (namespace, table, family) = ("", "", "");
        let options =
            LayoutOptions { namespace, table, family, row_key: &[], history: ListEncoding::Avro, status: false };
        Self::build(schema, &options, None, |_| Ok(RowKey::none()))
    }

    fn build(
        schema: &Schema,
        options: &LayoutOptions<'_>,
        known: Option<&Catalog>,
        row_key: impl FnOnce(&Catalog) -> Result<RowKey, LayoutError>,
    ) -> Result<Self, LayoutError> {
        let mut builder = LayoutBuilder::new(schema, options, known);
        let mut steps = builder.root()?;
        let (mut columns, records) = builder.finish();
        if options.history == ListEncoding::Text {
            let order = fink_2019_order(&columns);
            let mut new_indexes = vec![0; order.len()];
            order.iter().enumerate().for_each(|(new, old)| new_indexes[*old] = new);
            renumber(&mut steps, &new_indexes);
            columns = order.iter().map(|old| columns[*old].clone()).collect();
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

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Moves the cells of a column to another family. Does nothing if the column does not exist or is only in the row key.
    pub(crate) fn set_family(&mut self, column: &str, family: &str) {
        let column = self.catalog.columns.iter_mut().find(|known| known.name == column);
        if let Some(ColumnLocation::Cell { family: current, .. }) = column.map(|column| &mut column.location) {
            family.clone_into(current);
        }
    }
}

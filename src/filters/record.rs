//! A column of the catalog, and the columns that make up a record, as sources of a filter's column.

use std::sync::Arc;

use super::column_builder::ColumnBuilder;
use super::filter_row::FilterRow;
use super::value_type::ValueType;
use crate::avro::{Reader, Schema};
use crate::catalog::{Catalog, ColumnType};

/// One column of the catalog.
#[derive(Clone, Debug)]
pub(super) struct CellColumn {
    /// in the catalog
    pub index: usize,
    name: String,
    /// of a cell with Avro data
    schema: Option<Arc<Schema>>,
}

impl CellColumn {
    pub fn new(catalog: &Catalog, index: usize) -> Self {
        let column = &catalog.columns[index];
        let schema = match &column.kind {
            ColumnType::Avro(schema) => Some(Arc::clone(schema)),
            _ => None,
        };
        Self { index, name: column.name.clone(), schema }
    }

    /// Appends the row's value.
    ///
    /// # Errors
    /// The cell cannot be read: the column, and why.
    pub fn push(&self, row: &FilterRow<'_>, column: &mut ColumnBuilder) -> Result<(), String> {
        let error = |reason: String| format!("column `{}`: {reason}", self.name);
        match (row.cell(self.index).map_err(error)?, &self.schema) {
            (None, _) => {
                column.push_null();
                Ok(())
            }
            (Some(cell), None) => column.push_cell(&cell).map_err(error),
            (Some(cell), Some(schema)) => {
                let mut reader = Reader::new(&cell);
                let read = column.push_avro(schema, schema.root(), &mut reader).and_then(|()| reader.end());
                read.map_err(|reason| error(reason.to_string()))
            }
        }
    }
}

/// A field of a record.
#[derive(Clone, Debug)]
enum Field {
    Cell(CellColumn),
    Record(RecordColumns),
}

/// The columns that are the fields of a record.
#[derive(Clone, Debug)]
pub(super) struct RecordColumns {
    /// the column that has a cell where the record is not null; `None`: it is not null where some field is not
    marker: Option<usize>,
    fields: Vec<(String, ValueType, Field)>,
}

impl RecordColumns {
    /// The record at `path` (dotted) of the catalog, without fields that pandas has no type for.
    pub fn new(catalog: &Catalog, path: &str) -> Self {
        let mut record = Self { marker: None, fields: Vec::new() };
        let mut seen: Vec<&str> = Vec::new();
        for (index, column) in catalog.columns.iter().enumerate() {
            if column.field == path {
                record.marker = Some(index);
                continue;
            }
            let Some(rest) = column.field.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let name = rest.split('.').next().unwrap_or(rest);
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let inner = format!("{path}.{name}");
            let is_record = column.field != inner || catalog.records.iter().any(|record| record.path == inner);
            if is_record {
                let inner = Self::new(catalog, &inner);
                record.fields.push((name.to_owned(), inner.value_type(), Field::Record(inner)));
            } else if let Ok(value_type) = ValueType::of_column(column) {
                record.fields.push((name.to_owned(), value_type, Field::Cell(CellColumn::new(catalog, index))));
            }
        }
        record
    }

    /// A struct.
    pub fn value_type(&self) -> ValueType {
        ValueType::Struct(self.fields.iter().map(|(name, value_type, _)| (name.clone(), value_type.clone())).collect())
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds the columns that it reads, as indexes into the catalog's list.
    pub fn columns(&self, out: &mut Vec<usize>) {
        out.extend(self.marker);
        for (.., field) in &self.fields {
            match field {
                Field::Cell(cell) => out.push(cell.index),
                Field::Record(record) => record.columns(out),
            }
        }
    }

    fn is_present(&self, row: &FilterRow<'_>) -> Result<bool, String> {
        if let Some(marker) = self.marker
            && row.cell(marker)?.is_some()
        {
            return Ok(true);
        }
        for (.., field) in &self.fields {
            let is_present = match field {
                Field::Cell(cell) => row.cell(cell.index)?.is_some(),
                Field::Record(record) => record.is_present(row)?,
            };
            if is_present {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends the row's record.
    ///
    /// # Errors
    /// A cell cannot be read: its column, and why.
    pub fn push(&self, row: &FilterRow<'_>, column: &mut ColumnBuilder) -> Result<(), String> {
        if !self.is_present(row)? {
            column.push_null();
            return Ok(());
        }
        let columns = column.fields().ok_or("the column of a record has no fields")?;
        for ((.., field), column) in self.fields.iter().zip(columns) {
            match field {
                Field::Cell(cell) => cell.push(row, column)?,
                Field::Record(record) => record.push(row, column)?,
            }
        }
        column.close();
        Ok(())
    }
}

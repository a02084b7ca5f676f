//! Appends cells to columns: of one column, and of the columns that make up a record.

use std::sync::Arc;

use super::column_builder::ColumnBuilder;
use super::runner::FilterRow;
use super::value_type::ValueType;
use crate::avro::{Reader, Schema};
use crate::catalog::{Catalog, ColumnType};

/// One column of the catalog.
#[derive(Clone, Debug)]
pub(super) struct CellColumn {
    /// its index in the catalog
    pub index: usize,
    name: String,
    /// of Avro data
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

    /// Adds the row's value.
    pub fn push(&self, cells: &dyn FilterRow, column: &mut ColumnBuilder) -> Result<(), String> {
        let fault = |reason: String| format!("column `{}`: {reason}", self.name);
        match (cells.cell(self.index).map_err(fault)?, &self.schema) {
            (None, _) => {
                column.push_null();
                Ok(())
            }
            (Some(cell), None) => column.push_cell(&cell).map_err(fault),
            (Some(cell), Some(schema)) => {
                let mut reader = Reader::new(&cell);
                let read = column.push_avro(schema, schema.root(), &mut reader).and_then(|()| reader.end());
                read.map_err(|reason| fault(reason.to_string()))
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

/// A record: the columns that are its fields.
#[derive(Clone, Debug)]
pub(super) struct RecordColumns {
    /// the column that says that the record is there where all its fields are null
    marker: Option<usize>,
    parts: Vec<(String, ValueType, Field)>,
}

impl RecordColumns {
    /// The record `path` (dotted) of the catalog. Fields that pandas has no column for are left out.
    pub fn new(catalog: &Catalog, path: &str) -> Self {
        let mut structure = Self { marker: None, parts: Vec::new() };
        let mut seen: Vec<&str> = Vec::new();
        for (index, column) in catalog.columns.iter().enumerate() {
            if column.field == path {
                structure.marker = Some(index);
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
                let record = Self::new(catalog, &inner);
                structure.parts.push((name.to_owned(), record.value_type(), Field::Record(record)));
            } else if let Ok(value_type) = ValueType::of_column(column) {
                structure.parts.push((name.to_owned(), value_type, Field::Cell(CellColumn::new(catalog, index))));
            }
        }
        structure
    }

    /// What it is.
    pub fn value_type(&self) -> ValueType {
        ValueType::Struct(self.parts.iter().map(|(name, value_type, _)| (name.clone(), value_type.clone())).collect())
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds its columns to the list.
    pub fn columns(&self, out: &mut Vec<usize>) {
        out.extend(self.marker);
        for (.., part) in &self.parts {
            match part {
                Field::Cell(leaf) => out.push(leaf.index),
                Field::Record(record) => record.columns(out),
            }
        }
    }

    fn is_there(&self, cells: &dyn FilterRow) -> Result<bool, String> {
        if let Some(marker) = self.marker
            && cells.cell(marker)?.is_some()
        {
            return Ok(true);
        }
        for (.., part) in &self.parts {
            let there = match part {
                Field::Cell(leaf) => cells.cell(leaf.index)?.is_some(),
                Field::Record(record) => record.is_there(cells)?,
            };
            if there {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the row's value.
    pub fn push(&self, cells: &dyn FilterRow, column: &mut ColumnBuilder) -> Result<(), String> {
        if !self.is_there(cells)? {
            column.push_null();
            return Ok(());
        }
        for ((.., part), field) in self.parts.iter().zip(column.fields()) {
            match part {
                Field::Cell(leaf) => leaf.push(cells, field)?,
                Field::Record(record) => record.push(cells, field)?,
            }
        }
        column.close();
        Ok(())
    }
}

//! Cells into columns: of one column, and of the columns that make up a record.

use std::sync::Arc;

use super::column::Column;
use super::shape::Shape;
use super::sifter::Cells;
use crate::avro::{Reader, Schema};
use crate::catalog::{Catalog, ColumnType};

/// One column of the catalog.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// its index in the catalog
    pub index: usize,
    name: String,
    /// of Avro data
    schema: Option<Arc<Schema>>,
}

impl Leaf {
    pub fn new(catalog: &Catalog, index: usize) -> Self {
        let column = &catalog.columns[index];
        let schema = match &column.kind {
            ColumnType::Avro(schema) => Some(Arc::clone(schema)),
            _ => None,
        };
        Self { index, name: column.name.clone(), schema }
    }

    /// Adds the row's value.
    pub fn push(&self, cells: &dyn Cells, column: &mut Column) -> Result<(), String> {
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
enum Part {
    Leaf(Leaf),
    Record(Structure),
}

/// A record: the columns that are its fields.
#[derive(Clone, Debug)]
pub(super) struct Structure {
    /// the column that says that the record is there where all its fields are null
    marker: Option<usize>,
    parts: Vec<(String, Shape, Part)>,
}

impl Structure {
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
                structure.parts.push((name.to_owned(), record.shape(), Part::Record(record)));
            } else if let Ok(shape) = Shape::of_column(column) {
                structure.parts.push((name.to_owned(), shape, Part::Leaf(Leaf::new(catalog, index))));
            }
        }
        structure
    }

    /// What it is.
    pub fn shape(&self) -> Shape {
        Shape::Struct(self.parts.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect())
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
                Part::Leaf(leaf) => out.push(leaf.index),
                Part::Record(record) => record.columns(out),
            }
        }
    }

    fn is_there(&self, cells: &dyn Cells) -> Result<bool, String> {
        if let Some(marker) = self.marker
            && cells.cell(marker)?.is_some()
        {
            return Ok(true);
        }
        for (.., part) in &self.parts {
            let there = match part {
                Part::Leaf(leaf) => cells.cell(leaf.index)?.is_some(),
                Part::Record(record) => record.is_there(cells)?,
            };
            if there {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds the row's value.
    pub fn push(&self, cells: &dyn Cells, column: &mut Column) -> Result<(), String> {
        if !self.is_there(cells)? {
            column.push_null();
            return Ok(());
        }
        for ((.., part), field) in self.parts.iter().zip(column.fields()) {
            match part {
                Part::Leaf(leaf) => leaf.push(cells, field)?,
                Part::Record(record) => record.push(cells, field)?,
            }
        }
        column.close();
        Ok(())
    }
}

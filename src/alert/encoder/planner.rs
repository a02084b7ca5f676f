//! The state of planning: the field that is being planned, the columns in use, and the warnings so far.

use super::cell::OnNull;
use crate::avro::{NodeId, Schema};
use crate::catalog::{Catalog, Column};

/// Why a schema cannot be filled from a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the schema of an alert must be a record")]
    NotARecord,
    #[error(
        "the schema's field `{field}` has no column in the catalog of {table}, is not nullable and has no default: add the column `{column}` or correct the schema"
    )]
    NoColumn {
        /// dotted path
        field: String,
        /// name of the missing column
        column: String,
        /// namespace:name
        table: String,
    },
    #[error("column `{column}` ({kind}) cannot fill the schema's field `{field}`: {reason}")]
    TypeMismatch {
        column: String,
        /// type of the column
        kind: &'static str,
        /// dotted path
        field: String,
        reason: String,
    },
}

/// A column that a plan reads.
#[derive(Clone, Debug)]
pub(super) struct PlanColumn {
    /// index in the catalog's columns
    pub index: usize,
    pub column: Column,
}

pub(super) struct Planner<'a> {
    pub schema: &'a Schema,
    pub catalog: &'a Catalog,
    pub sources: Vec<PlanColumn>,
    pub warnings: Vec<String>,
    /// the names from the root to the field that is being planned
    pub path: Vec<String>,
    /// the records around it
    pub open: Vec<NodeId>,
}

impl<'a> Planner<'a> {
    pub fn new(schema: &'a Schema, catalog: &'a Catalog) -> Self {
        Self { schema, catalog, sources: Vec::new(), warnings: Vec::new(), path: Vec::new(), open: Vec::new() }
    }

    /// The dotted path of the field.
    pub fn field_name(&self) -> String {
        self.path.join(".")
    }

    /// The index in the catalog of the field's column.
    pub fn column(&self) -> Option<usize> {
        self.find(&self.field_name(), &self.path.join("_"))
    }

    /// The index in the catalog of the column of a field in the field.
    pub fn column_of(&self, field: &str) -> Option<usize> {
        self.find(&format!("{}.{field}", self.field_name()), &format!("{}_{field}", self.path.join("_")))
    }

    fn find(&self, field: &str, name: &str) -> Option<usize> {
        let by_field = self.catalog.columns.iter().position(|column| column.field == field);
        by_field.or_else(|| self.catalog.index_of(name))
    }

    /// The index in the plan's columns of a column of the catalog, which is added if it is not there.
    pub fn source(&mut self, index: usize) -> usize {
        if let Some(known) = self.sources.iter().position(|source| source.index == index) {
            return known;
        }
        self.sources.push(PlanColumn { index, column: self.catalog.columns[index].clone() });
        self.sources.len() - 1
    }

    pub fn on_null(&self, node: NodeId, default: Option<Box<[u8]>>) -> OnNull {
        OnNull::new(self.schema, node, default)
    }

    /// That a column of the catalog cannot fill the field.
    pub fn type_mismatch(&self, index: usize, reason: String) -> PlanError {
        let column = &self.catalog.columns[index];
        let (kind, field) = (column.kind.name(), self.field_name());
        PlanError::TypeMismatch { column: column.name.clone(), kind, field, reason }
    }
}

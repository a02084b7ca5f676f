//! What the columns of the science database are: family, qualifier, type.
//!
//! A catalog is a JSON file (or a JSON string that holds JSON, as the writer of 2019 left it):
//! ```json
//! {"table": {"namespace": "default", "name": "ztf"},
//!  "rowkey": "objectId",
//!  "columns": {
//!    "objectId": {"cf": "rowkey", "col": "objectId", "type": "string"},
//!    "candid": {"cf": "i", "col": "candid", "type": "long"},
//!    "candidate_ra": {"cf": "i", "col": "candidate_ra", "type": "double"},
//!    "prv_candidates": {"cf": "i", "col": "prv_candidates", "type": "avro", "avro": "history"}},
//!  "schemas": {"history": {"type": "array", "items": "double"}},
//!  "records": {"candidate": {"nullable": false}}}
//! ```
//! - `rowkey` names the columns of the key, joined by `:`. One column is the whole key in that column's encoding. Several are text parts
//!   joined by `_` in the key: numbers stand as decimal text, a part ends at the first `_`, the last part takes the rest. A column of
//!   family `rowkey` has no cell of its own and is read from the key; any other column that `rowkey` names is read from its cell.
//! - `type` is string, long, int (integer), short, byte, float, double, boolean, binary (numbers big-endian) or avro: a datum in the
//!   schema that `avro` gives, inline or as a name in `schemas`. Other types may carry `avro` too, where the exact Avro type says more
//!   (a logical type, an enum's symbols, a fixed's size); it never changes the cell's bytes.
//! - `records` says which groups of columns are one record of the alert: the column `candidate_ra` is the field `candidate.ra`. Without
//!   it the records of 2019 are meant. Where the names alone would mislead, `field` in a column names its field. A boolean column whose
//!   field is a record itself is that record's *presence marker*: it has a cell where the record is there but all its fields are null.

mod lookup;
mod read;
mod write;

use std::sync::Arc;

pub use read::CatalogError;

use crate::avro::Schema;

/// Most columns of a table. Alerts have some hundreds; a schema that is derived from so many keeps to the bounds on schemas.
pub const MAX_COLUMNS: usize = 10_000;

/// The records of alerts in 2019, where a catalog names none.
pub(crate) const FINK_2019_RECORDS: [&str; 5] =
    ["candidate", "cutoutScience", "cutoutTemplate", "cutoutDifference", "prv_candidates"];

/// How a cell's bytes are to be read (HBase "PrimitiveType": numbers big-endian).
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnType {
    /// 1 byte; any non-zero byte reads true, true is written 0xFF
    Boolean,
    /// 1 byte, signed
    Byte,
    /// 2 bytes, signed
    Short,
    /// 4 bytes, signed
    Int,
    /// 8 bytes, signed
    Long,
    /// 4 bytes, IEEE 754
    Float,
    /// 8 bytes, IEEE 754
    Double,
    /// UTF-8
    String,
    /// raw bytes
    Binary,
    /// an Avro datum in this schema
    Avro(Arc<Schema>),
}

impl ColumnType {
    /// Its name in a catalog.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Avro(_) => "avro",
        }
    }

    /// Whether a column of this type can be a part of a row key of several columns, which is text.
    pub(crate) fn is_key_part(&self) -> bool {
        !matches!(self, Self::Boolean | Self::Binary | Self::Avro(_))
    }

    /// Bytes of a cell, where all cells have the same number.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::Boolean | Self::Byte => Some(1),
            Self::Short => Some(2),
            Self::Int | Self::Float => Some(4),
            Self::Long | Self::Double => Some(8),
            Self::String | Self::Binary | Self::Avro(_) => None,
        }
    }
}

/// Where a column's bytes are found in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnLocation {
    /// the row key, or one part of it (parts are counted from 0)
    RowKey {
        /// which part of the key
        part: usize,
    },
    /// a cell
    Cell {
        /// column family
        family: String,
        /// qualifier within the family
        qualifier: String,
    },
}

/// One column of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// the name that rules, filters and schemas use
    pub name: String,
    /// where its bytes are
    pub location: ColumnLocation,
    /// how its bytes are read
    pub kind: ColumnType,
    /// the alert's field it holds, dotted: `candidate.ra`; the name itself where it belongs to no record
    pub field: String,
    /// the exact Avro type, where it says more than `kind`; for Avro cells it is in `kind`
    pub exact: Option<Arc<Schema>>,
}

impl Column {
    /// A column at the top of the alert.
    pub fn new(name: &str, location: ColumnLocation, kind: ColumnType) -> Self {
        Self { name: name.to_owned(), location, kind, field: name.to_owned(), exact: None }
    }

    /// A cell whose qualifier is its name.
    pub fn cell(family: &str, name: &str, kind: ColumnType) -> Self {
        Self::new(name, ColumnLocation::Cell { family: family.to_owned(), qualifier: name.to_owned() }, kind)
    }

    /// The schema of its cells, or its exact Avro type.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match &self.kind {
            ColumnType::Avro(schema) => Some(schema),
            _ => self.exact.as_deref(),
        }
    }

    /// Family and qualifier, unless the column is read from the row key.
    pub fn family_and_qualifier(&self) -> Option<(&str, &str)> {
        match &self.location {
            ColumnLocation::Cell { family, qualifier } => Some((family, qualifier)),
            ColumnLocation::RowKey { .. } => None,
        }
    }
}

/// A group of columns that is one record of the alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedRecord {
    /// its dotted path: `candidate`, `diaSource.extra`
    pub path: String,
    /// whether it may be null as a whole
    pub nullable: bool,
}

impl NestedRecord {
    /// What the names of its columns begin with, without the `_` that follows.
    pub fn prefix(&self) -> String {
        self.path.replace('.', "_")
    }
}

/// The table and its columns, in the catalog's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    /// HBase namespace, `default` where the catalog names none
    pub namespace: String,
    /// table name without namespace
    pub table: String,
    /// the columns that make up the row key, in order
    pub row_key: Vec<String>,
    /// all columns, in the order of the file
    pub columns: Vec<Column>,
    /// the records that columns are grouped into, each after the one it lies in
    pub records: Vec<NestedRecord>,
}

impl Catalog {
    /// A catalog whose columns belong to the records that their names say, as when it is read from a file without `field`s.
    pub fn new(
        namespace: &str,
        table: &str,
        row_key: &[&str],
        columns: Vec<Column>,
        records: Vec<NestedRecord>,
    ) -> Self {
        let mut catalog = Self {
            namespace: namespace.to_owned(),
            table: table.to_owned(),
            row_key: row_key.iter().map(|name| (*name).to_owned()).collect(),
            columns,
            records,
        };
        for at in 0..catalog.columns.len() {
            catalog.columns[at].field = catalog.field_of(&catalog.columns[at].name);
        }
        catalog
    }

    /// `namespace:table`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.namespace, self.table)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The index in [`columns`](Self::columns) of the column of this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The families that its cells lie in, each once, in order of their first use.
    pub fn families(&self) -> Vec<&str> {
        let mut families = Vec::new();
        for (family, _) in self.columns.iter().filter_map(Column::family_and_qualifier) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// The field that a column of this name holds by the records alone: the longest record whose prefix it has decides.
    pub(crate) fn field_of(&self, name: &str) -> String {
        let field = |record: &NestedRecord| {
            let rest = name.strip_prefix(&record.prefix())?;
            match rest.strip_prefix('_') {
                Some(field) if !field.is_empty() => Some((record.path.len(), format!("{}.{field}", record.path))),
                None if rest.is_empty() => Some((record.path.len(), record.path.clone())),
                _ => None,
            }
        };
        self.records
            .iter()
            .filter_map(field)
            .max_by_key(|(len, _)| *len)
            .map_or_else(|| name.to_owned(), |(_, field)| field)
    }
}

#[cfg(test)]
mod tests;

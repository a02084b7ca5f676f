//! The columns of the science database: family, qualifier and type.
//!
//! A catalog is a JSON file (or a JSON string that contains JSON, as written in 2019):
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
//! - `rowkey` names the columns of the key, separated by `:`. A single column is the whole key, in the encoding of its type. Several are
//!   parts of a text joined by `_`: numbers are decimal, a part ends at the first `_`, the last part takes the rest. A column of family
//!   `rowkey` has no cell and is read from the key; every other column in `rowkey` is read from its cell.
//! - `type` is string, long, int (integer), short, byte, float, double, boolean, binary (numbers big-endian) or avro: a datum of the schema
//!   in `avro`, which is inline or a name in `schemas`. If cells are written under several schemas, `written` lists them, oldest first, and
//!   `avro` is the one that the data of all can be resolved to. `narrower` lists the numeric types that cells had before the column's type was
//!   widened; their size tells them apart. Other types may have `avro` too if the exact Avro type has more (a logical type, the
//!   symbols of an enum, the size of a fixed); it does not affect the bytes of cells.
//! - `records` names the records of the alert: the column `candidate_ra` is the field `candidate.ra`. The default is the records of 2019. If
//!   the names are ambiguous, `field` in a column names its field. A boolean column whose field is a record is the *presence marker* of the
//!   record: it has a cell if the record is not null but all its fields are.

mod avro_cells;
mod evolve;
mod lookup;
mod read;
mod write;

use std::sync::Arc;

pub(crate) use avro_cells::{AvroCells, CellPrefix, cell_prefix};
pub use read::CatalogError;

use crate::avro::Schema;

/// Maximum number of columns of a table. Alerts have some hundreds. A schema derived from so many is within the limits of schemas.
pub(crate) const MAX_COLUMNS: usize = 10_000;

/// The records of a catalog without `records`: those of 2019.
pub(crate) const FINK_2019_RECORDS: [&str; 5] =
    ["candidate", "cutoutScience", "cutoutTemplate", "cutoutDifference", "prv_candidates"];

/// The type of a column, and the encoding of its cells (HBase "PrimitiveType": numbers big-endian).
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnType {
    /// 1 byte; true is written as 0xFF, and every byte except 0 is true
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
    /// an Avro datum of this schema
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

    /// The size of a cell in bytes, if all cells of the type have the same.
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

/// Where a column is stored in a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnLocation {
    /// the row key, or a part of it
    RowKey {
        /// index of the part
        part: usize,
    },
    /// a cell
    Cell { family: String, qualifier: String },
}

/// One column of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// the name in rules, filters and schemas
    pub name: String,
    pub location: ColumnLocation,
    pub kind: ColumnType,
    /// dotted path of the alert's field: `candidate.ra`; the name itself for a column outside records
    pub field: String,
    /// the exact Avro type, if it has more than `kind`; for Avro cells it is in `kind`
    pub exact: Option<Arc<Schema>>,
    /// The schemas that Avro cells are written under, oldest first; empty: only that in `kind`. Data of all of them can be resolved to `kind`.
    pub written: Vec<Arc<Schema>>,
    /// numeric types that cells may also have; none of them, nor `kind`, has the width of another
    pub narrower: Vec<ColumnType>,
}

impl Column {
    /// A column outside records.
    pub fn new(name: &str, location: ColumnLocation, kind: ColumnType) -> Self {
        let (written, narrower) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), location, kind, field: name.to_owned(), exact: None, written, narrower }
    }

    /// A column with a cell whose qualifier is the name.
    pub fn cell(family: &str, name: &str, kind: ColumnType) -> Self {
        Self::new(name, ColumnLocation::Cell { family: family.to_owned(), qualifier: name.to_owned() }, kind)
    }

    /// The schema of Avro cells, or the exact Avro type.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match &self.kind {
            ColumnType::Avro(schema) => Some(schema),
            _ => self.exact.as_deref(),
        }
    }

    /// Family and qualifier; `None` if the column is read from the row key.
    pub fn family_and_qualifier(&self) -> Option<(&str, &str)> {
        match &self.location {
            ColumnLocation::Cell { family, qualifier } => Some((family, qualifier)),
            ColumnLocation::RowKey { .. } => None,
        }
    }
}

/// A record of the alert, whose fields are columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedRecord {
    /// dotted path: `candidate`, `diaSource.extra`
    pub path: String,
    /// whether the whole record may be null
    pub nullable: bool,
}

impl NestedRecord {
    /// The prefix of the names of its columns, without the `_` that follows.
    pub fn prefix(&self) -> String {
        self.path.replace('.', "_")
    }
}

/// A table and its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalog {
    /// HBase namespace; `default` if the catalog has none
    pub namespace: String,
    /// table name without namespace
    pub table: String,
    /// names of the columns in the row key, in order
    pub row_key: Vec<String>,
    /// name of the trigger column, if another one would be taken for it
    pub trigger: Option<String>,
    /// in the order of the file
    pub columns: Vec<Column>,
    /// each after the one that contains it
    pub records: Vec<NestedRecord>,
}

impl Catalog {
    /// A catalog whose columns belong to records by their names, as in a file without `field`.
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
            trigger: None,
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

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The index in [`columns`](Self::columns) of the column with this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column families without duplicates, in order of their first use.
    pub fn families(&self) -> Vec<&str> {
        let mut families = Vec::new();
        for (family, _) in self.columns.iter().filter_map(Column::family_and_qualifier) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// The field of a column with this name, by the records alone: the record with the longest matching prefix decides.
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

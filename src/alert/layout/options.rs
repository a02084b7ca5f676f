//! The options of a layout, and why a schema has none.

use crate::catalog::{Column, ColumnType, MAX_COLUMNS};

/// How arrays and maps are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEncoding {
    /// as text, as in 2019
    Text,
    /// as Avro data, lossless
    Avro,
}

/// What a schema does not determine about the table.
#[derive(Clone, Debug)]
pub struct LayoutOptions<'a> {
    /// HBase namespace
    pub namespace: &'a str,
    /// table name without namespace
    pub table: &'a str,
    /// column family of every cell
    pub family: &'a str,
    /// Columns of the row key. A single column is stored in the key alone. Several are stored as cells too, because the text of a key does
    /// not distinguish null from empty.
    pub row_key: &'a [&'a str],
    pub history: ListEncoding,
    /// whether each row gets the column `status` with the value `dbUpdate`
    pub status: bool,
}

/// Why a schema has no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("the schema of alerts must be a record")]
    NotARecord,
    #[error(
        "the fields `{one}` and `{other}` would both be the column `{column}`: give one of them a column of another name in the catalog, with `\"field\": \"{other}\"`"
    )]
    NameConflict {
        column: String,
        /// dotted path
        one: String,
        /// dotted path
        other: String,
    },
    #[error("the field `{field}` without the fields that occur twice in it: {reason}")]
    Superseded {
        /// dotted path
        field: String,
        reason: String,
    },
    #[error("the schema of alerts has more than {MAX_COLUMNS} fields, the maximum number of columns")]
    TooManyColumns,
    #[error("row key: {0}")]
    RowKey(String),
}

/// The column that records whether an alert was distributed.
pub(super) const STATUS: &str = "status";

/// The status of a new row.
pub(super) const NEW_STATUS: &[u8] = b"dbUpdate";

pub(super) fn status_column(family: &str) -> Column {
    Column::cell(family, STATUS, ColumnType::String)
}

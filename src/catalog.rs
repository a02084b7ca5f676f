//! What the columns of the science database are: family, qualifier, type.

use std::sync::Arc;

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
    Avro(Arc<apache_avro::Schema>),
}

/// Where a column's bytes are found in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
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
    pub place: Place,
    /// how its bytes are read
    pub kind: ColumnType,
}

/// The table and its columns, in the catalog's order.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// HBase namespace, `default` where the catalog names none
    pub namespace: String,
    /// table name without namespace
    pub table: String,
    /// the columns that make up the row key, in order
    pub row_key: Vec<String>,
    /// all columns, in the order of the file
    pub columns: Vec<Column>,
}

//! The row key of a new row, from its cells.

use crate::catalog::{Catalog, ColumnType};
use crate::row::key;

/// The columns of a row key. A single one is stored as it is. Several are written as text and joined by `_`, see [`crate::row`].
#[derive(Clone, Debug)]
pub(super) struct RowKey {
    parts: Vec<(usize, String, ColumnType)>,
}

impl RowKey {
    pub fn new(catalog: &Catalog) -> Result<Self, String> {
        if catalog.row_key.is_empty() {
            return Err("name at least one column".into());
        }
        let mut parts = Vec::with_capacity(catalog.row_key.len());
        for name in &catalog.row_key {
            let Some(index) = catalog.index_of(name) else { return Err(catalog.unknown(name)) };
            let kind = catalog.columns[index].kind.clone();
            if catalog.row_key.len() > 1 && !kind.is_key_part() {
                return Err(format!("`{name}` is {}, which cannot be a part of a key of several columns", kind.name()));
            }
            parts.push((index, name.clone(), kind));
        }
        Ok(Self { parts })
    }

    /// An empty key.
    pub fn none() -> Self {
        Self { parts: Vec::new() }
    }

    /// The column that is stored only in the key.
    pub fn only(&self) -> Option<usize> {
        match self.parts.as_slice() {
            [(column, ..)] => Some(*column),
            _ => None,
        }
    }

    /// Appends the key of a row; `cell` returns the cell of a column.
    pub fn write<'a>(&self, cell: impl Fn(usize) -> Option<&'a [u8]>, out: &mut Vec<u8>) -> Result<(), String> {
        if let [(column, name, _)] = self.parts.as_slice() {
            return match cell(*column) {
                Some(value) if !value.is_empty() => {
                    out.extend_from_slice(value);
                    Ok(())
                }
                _ => Err(format!("the row key column `{name}` is null or empty")),
            };
        }
        let mut any = self.parts.is_empty();
        for (at, (column, _, kind)) in self.parts.iter().enumerate() {
            if at > 0 {
                out.push(b'_');
            }
            if let Some(value) = cell(*column) {
                any = true;
                key::write_text(kind, value, out);
            }
        }
        match any {
            true => Ok(()),
            false => Err("all columns of the row key are null".into()),
        }
    }
}

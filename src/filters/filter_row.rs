//! A row as filters read it.

use std::borrow::Cow;

use crate::row::{BoundColumn, Row};

/// A row, and where the catalog's columns are in it.
#[derive(Clone, Copy)]
pub(super) struct FilterRow<'a> {
    pub row: Row<'a>,
    /// by index in the catalog; `None`: not read
    pub columns: &'a [Option<BoundColumn>],
}

impl FilterRow<'_> {
    /// The bytes of a column (index in the catalog), in the encoding of its type; `None`: null.
    ///
    /// # Errors
    /// The row key has no such value, or the column is not read.
    pub fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String> {
        match &self.columns[column] {
            Some(column) => column.value(&self.row).map_err(|error| error.to_string()),
            None => Err("it is not read from the science database; please report this".to_owned()),
        }
    }
}

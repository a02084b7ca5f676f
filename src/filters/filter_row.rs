//! What filters read a row by.

use std::borrow::Cow;

/// A row whose cells can be read by the catalog's columns.
pub(crate) trait FilterRow {
    /// The bytes of a column (index in the catalog), in the encoding of its type; `None`: null.
    ///
    /// # Errors
    /// Why the row has no such value.
    fn cell(&self, column: usize) -> Result<Option<Cow<'_, [u8]>>, String>;
}

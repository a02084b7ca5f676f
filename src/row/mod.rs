//! Rows of a table: the columns of a read, pages of rows, and where a catalog column stands in a row.
//!
//! A store fills [`Rows`], one page at a time. [`BoundColumn`] finds a catalog column in its rows, for the rules, the filters and the
//! encoder alike.

mod bound_column;
mod columns;
pub(crate) mod key;
mod page;

pub(crate) use bound_column::BoundColumn;
pub use bound_column::ColumnNotRead;
pub use columns::Columns;
pub use page::{Cell, Row, Rows, RowsBuilder};
pub(crate) use page::{PageBuffer, RowIndex};

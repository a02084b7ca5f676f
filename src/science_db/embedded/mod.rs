//! The science database in one SQLite file, for the threads and processes of one machine.
//!
//! The file keeps the newest version of each cell. Each row has bounds of its cells' timestamps, and the upper bound is indexed: a window of
//! recent rows is found without reading the table.

mod read;
mod schema;
mod session;
mod write;

pub(super) use session::Embedded;

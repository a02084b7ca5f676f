//! Reads of columns whose family a table may lack.
//!
//! Fink's writer adds to each catalog a column without a qualifier, alone in its family: a place for later annotations. A table that was
//! created before its writer started does not have the family, and HBase refuses a read of all columns of the catalog.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{KeyRange, NewTable, Put, Scan, ScienceDb, ScienceDbError};
use crate::row::{Columns, Rows};

/// The families that the table was found to lack, for all sessions with it.
#[derive(Clone, Debug, Default)]
pub(super) struct MissingFamilies(Arc<Mutex<BTreeSet<String>>>);

impl MissingFamilies {
    /// The columns that can be read, if some cannot.
    fn readable(&self, columns: &Columns) -> Option<Columns> {
        let missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |family: &str| missing.contains(family) && is_placeholder(columns, family);
        (!missing.is_empty()).then(|| columns.without(is_missing))
    }

    /// Notes that the table does not have a family. Returns whether the read is to be made again without its columns.
    fn learn(&self, columns: &Columns, family: &str, table: &str) -> bool {
        if !is_placeholder(columns, family) {
            return false;
        }
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(family.to_owned()) {
            log::info!(
                "the table {table} has no column family `{family}`, in which the catalog has only a column without a qualifier: that is null"
            );
        }
        true
    }
}

/// Whether the family has only a column without a qualifier.
fn is_placeholder(columns: &Columns, family: &str) -> bool {
    columns.names().filter(|(of, _)| *of == family).all(|(_, qualifier)| qualifier.is_empty())
}

/// A session whose reads leave out such columns where the table does not have their family.
pub(super) struct WithPlaceholders {
    pub session: Box<dyn ScienceDb>,
    pub table: String,
    pub missing: MissingFamilies,
}

impl WithPlaceholders {
    /// Reads `columns`, or those of them that the table has; `None`: it has none.
    fn read<T>(
        &mut self,
        columns: &Columns,
        mut read: impl FnMut(&mut dyn ScienceDb, &Columns) -> Result<T, ScienceDbError>,
    ) -> Result<Option<T>, ScienceDbError> {
        loop {
            let readable = self.missing.readable(columns);
            let columns = readable.as_ref().unwrap_or(columns);
            if !columns.is_empty() && columns.requested().next().is_none() {
                return Ok(None);
            }
            match read(&mut *self.session, columns) {
                Err(ScienceDbError::NoFamily { family, .. })
                    if columns.requested().any(|(of, _)| of == family)
                        && self.missing.learn(columns, &family, &self.table) => {}
                read => return read.map(Some),
            }
        }
    }
}

impl ScienceDb for WithPlaceholders {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        self.session.key_ranges()
    }

    fn servers(&mut self) -> Result<Vec<String>, ScienceDbError> {
        self.session.servers()
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        rows.refill(scan.columns.len());
        let more =
            self.read(scan.columns, |session, columns| session.scan(&Scan { columns, ..scan.clone() }, after, rows))?;
        Ok(more.unwrap_or(false))
    }

    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        rows.refill(columns.len());
        self.read(columns, |session, columns| session.get(keys, columns, rows)).map(|_| ())
    }

    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        self.session.put(puts)
    }

    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
        self.session.delete(keys)
    }

    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        self.session.create_table(table)
    }
}

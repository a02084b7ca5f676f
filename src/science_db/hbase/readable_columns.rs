//! What the sessions of a process know about the columns that the user may read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::row::Columns;

/// Time after which a master that did not answer is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The columns that the user may read, as far as the sessions of a process know.
#[derive(Debug, Default)]
pub(crate) struct ReadableColumns {
    /// `None`: the master was not asked yet
    pub has_access_control: Option<bool>,
    /// family and qualifier
    pub granted: BTreeSet<(String, String)>,
    /// when the master did not answer
    pub failed_at: Option<Instant>,
}

impl ReadableColumns {
    /// The columns among `columns` that are not known to be readable, unless the master is not to be asked now.
    pub(crate) fn unknown(&self, columns: &Columns) -> Vec<(String, String)> {
        let is_pausing = self.failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER);
        if self.has_access_control == Some(false) || is_pausing {
            return Vec::new();
        }
        let names = columns.requested().map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned()));
        // The table may lack the family of a column without a qualifier: HBase grants no permission on such a family.
        names.filter(|name| !name.1.is_empty() && !self.granted.contains(name)).collect()
    }
}

//! The store that the settings name.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::gateway::Health;
use super::{Cancel, Embedded, ScienceDb, ScienceDbError, Thrift1, Thrift2, Timeouts};
use crate::config::{ScienceDbSettings, StoreKind};

/// Opens a session with `table` (`namespace:name`) of the science database, which is never cancelled.
///
/// # Errors
/// Where no gateway can be reached, or one of the wrong kind answers. Whether the table exists is not asked.
pub fn open(settings: &ScienceDbSettings, table: &str) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    open_session(settings, table, 0)
}

/// As [`open`], for the `session`th session, counted from 0, of several at the same time: they are spread over the gateways.
///
/// # Errors
/// As [`open`].
pub fn open_session(
    settings: &ScienceDbSettings,
    table: &str,
    session: usize,
) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    Sessions::new(settings, table, Timeouts::default()).open_at(session, &never())
}

/// Opens several sessions with one table. They are spread over the gateways, and share what they know of them: a gateway that does not
/// answer one of them is avoided by all, until it answers again.
#[derive(Debug)]
pub struct Sessions {
    table: String,
    store: Store,
    opened: AtomicUsize,
}

#[derive(Debug)]
enum Store {
    Thrift2(Arc<Health>),
    Thrift1(Arc<Health>),
    Embedded(PathBuf),
}

impl Sessions {
    /// Sessions with `table` (`namespace:name`). Nothing is connected yet.
    pub fn new(settings: &ScienceDbSettings, table: &str, timeouts: Timeouts) -> Self {
        let store = match settings.kind {
            StoreKind::Thrift2 => Store::Thrift2(Thrift2::health(&settings.addresses, timeouts)),
            StoreKind::Thrift1 => Store::Thrift1(Thrift1::health(&settings.addresses, timeouts)),
            StoreKind::Embedded => Store::Embedded(settings.path.clone()),
        };
        Self { table: table.to_owned(), store, opened: AtomicUsize::new(0) }
    }

    /// Opens the next session. Whatever it waits for, its calls end within some 0.1 s after `cancel` says so. The embedded store never waits
    /// for long and does not ask.
    ///
    /// # Errors
    /// As [`open`], or `Cancelled`.
    pub fn open(&self, cancel: &Cancel) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
        self.open_at(self.opened.fetch_add(1, Ordering::Relaxed), cancel)
    }

    fn open_at(&self, session: usize, cancel: &Cancel) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
        Ok(match &self.store {
            Store::Thrift2(health) => Box::new(Thrift2::connect(health, &self.table, session, cancel)?),
            Store::Thrift1(health) => Box::new(Thrift1::connect(health, &self.table, session, cancel)?),
            Store::Embedded(path) => Box::new(Embedded::open(path, &self.table)),
        })
    }
}

/// For sessions that nobody cancels.
pub(super) fn never() -> Cancel {
    Arc::new(|| false)
}

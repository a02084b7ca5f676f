//! Opens sessions with the store that the settings name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::embedded::Embedded;
use super::gateway::{Gateways, Health, Interface};
use super::hbase::{Cluster, HBase};
use super::placeholders::{MissingFamilies, WithPlaceholders};
use super::settings::{ScienceDbSettings, StoreKind};
use super::timeouts::Timeouts;
use super::{ScienceDb, ScienceDbError, thrift1, thrift2};
use crate::cancel::CancellationToken;

/// Opens one session with `table` (`namespace:name`), which cannot be cancelled.
///
/// # Errors
/// No gateway can be reached, or one has the other Thrift interface. Whether the table exists is not checked.
pub fn open(settings: &ScienceDbSettings, table: &str) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    Sessions::new(settings, table, Timeouts::default()).open(&CancellationToken::new())
}

/// Opens several sessions with one table. They are spread over the gateways and share what they learn about them: all sessions avoid a
/// gateway that did not answer one of them, until it answers again.
#[derive(Debug)]
pub struct Sessions {
    table: String,
    store: Store,
    missing: MissingFamilies,
    opened: AtomicUsize,
}

#[derive(Debug)]
enum Store {
    Gateways { interface: Interface, health: Arc<Health> },
    HBase(Arc<Cluster>),
    Embedded(PathBuf),
}

impl Sessions {
    /// Sessions with `table` (`namespace:name`). Opens no connection.
    pub fn new(settings: &ScienceDbSettings, table: &str, timeouts: Timeouts) -> Self {
        let gateways = |interface: Interface| Store::Gateways {
            interface,
            health: interface.health(&settings.addresses, timeouts),
        };
        let store = match settings.kind {
            StoreKind::Thrift2 => gateways(thrift2::INTERFACE),
            StoreKind::Thrift1 => gateways(thrift1::INTERFACE),
            StoreKind::HBase => {
                let cluster = Cluster::new(&settings.addresses, timeouts, BTreeMap::new());
                Store::HBase(Arc::new(cluster.with_tls(&settings.tls)))
            }
            StoreKind::Embedded => Store::Embedded(settings.path.clone()),
        };
        Self { table: table.to_owned(), store, missing: MissingFamilies::default(), opened: AtomicUsize::new(0) }
    }

    /// Reaches servers of HBase at other addresses (`host:port`) than those that the cluster gives them, as through tunnels.
    #[must_use]
    pub fn with_detours(mut self, detours: BTreeMap<String, String>) -> Self {
        if let Store::HBase(cluster) = &self.store {
            let tls = cluster.tls().map(|tls| tls.settings().clone()).unwrap_or_default();
            let cluster = Cluster::new(cluster.addresses(), cluster.timeouts(), detours);
            self.store = Store::HBase(Arc::new(cluster.with_tls(&tls)));
        }
        self
    }

    /// Opens the next session. Its calls end within about 0.1 s after `cancel` is cancelled. The embedded store never blocks for long and
    /// ignores `cancel`.
    ///
    /// # Errors
    /// As [`open`], or `Cancelled`.
    pub fn open(&self, cancel: &CancellationToken) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
        let session: Box<dyn ScienceDb> = match &self.store {
            Store::Gateways { interface, health } => {
                let number = self.opened.fetch_add(1, Ordering::Relaxed);
                let gateways = Gateways::open(*interface, health, number, cancel)?;
                (interface.session)(gateways, &self.table)
            }
            Store::HBase(cluster) => {
                let number = self.opened.fetch_add(1, Ordering::Relaxed);
                Box::new(HBase::open(cluster, &self.table, number, cancel)?)
            }
            Store::Embedded(path) => Box::new(Embedded::new(path, &self.table)),
        };
        let (table, missing) = (self.table.clone(), self.missing.clone());
        Ok(Box::new(WithPlaceholders { session, table, missing }))
    }
}

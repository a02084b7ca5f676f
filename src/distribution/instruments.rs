//! What a distribution measures for its metrics. Threads add to it once a page or a commit, never once an alert. Clones share the values.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::timestamp::Timestamp;

/// The upper bounds of the buckets of all histograms, seconds.
const BUCKETS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Durations and failures since the start of the process. Durations are in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    /// pages of rows that were scanned
    pub scans: Histogram,
    /// pages of trigger cells that were scanned
    pub trigger_scans: Histogram,
    /// pages of rows that were read by key
    pub gets: Histogram,
    /// pages that went through the Python filters
    pub filters: Histogram,
    /// pages that went through rules and encoder
    pub encodings: Histogram,
    /// from the first write of a call of a region server, which pushes rows, to the arrival of the call
    pub push_lags: Histogram,
    /// commits of transactions
    pub commits: Histogram,
    /// transactions that were aborted
    pub aborts: Counter,
    pub science_db: ServerHealth,
    pub kafka: ServerHealth,
}

impl Default for Instruments {
    fn default() -> Self {
        let histogram = || Histogram::new(BUCKETS);
        Self {
            scans: histogram(),
            trigger_scans: histogram(),
            gets: histogram(),
            filters: histogram(),
            encodings: histogram(),
            push_lags: histogram(),
            commits: histogram(),
            aborts: Counter::default(),
            science_db: ServerHealth::default(),
            kafka: ServerHealth::default(),
        }
    }
}

/// Failures of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerHealth {
    /// requests without an answer, which are made again
    pub retries: Counter,
    /// outages that have begun
    pub outages: Counter,
    /// when the present outage began, ms since 1970; 0: the server answers
    outage_since: Arc<AtomicI64>,
}

impl ServerHealth {
    /// An outage begins.
    pub fn begin_outage(&self, now: Timestamp) {
        self.outages.inc();
        self.outage_since.store(now.as_millis(), Ordering::Relaxed);
    }

    /// The server answers.
    pub fn end_outage(&self) {
        self.outage_since.store(0, Ordering::Relaxed);
    }

    /// How long the present outage has lasted; `None`: the server answers.
    pub fn outage(&self, now: Timestamp) -> Option<Duration> {
        match self.outage_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(now.since(Timestamp::from_millis(since))),
        }
    }
}

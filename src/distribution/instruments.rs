//! What a distribution measures for its metrics. Threads add to it once a page or a commit, never once an alert. Clones share the values.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How long a server may be silent, while it is asked, before that counts as an outage.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// Failures of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerHealth {
    /// requests without an answer, which are made again
    pub retries: Counter,
    /// outages that have begun
    pub outages: Counter,
    /// when the present outage began, ms since 1970; 0: the server answers
    outage_since: Arc<AtomicI64>,
    requests: Arc<Mutex<Requests>>,
}

/// The requests that wait for an answer.
#[derive(Debug, Default)]
struct Requests {
    /// when they were made; they are few
    waiting: Vec<Timestamp>,
    /// when the last answer came
    answered: Option<Timestamp>,
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

    /// A request is made, at `begun`.
    pub fn begin_request(&self, begun: Timestamp) {
        self.requests(|requests| requests.waiting.push(begun));
    }

    /// A request that was made at `begun` does not wait any more. `answered`: when the answer came, if one did.
    pub fn end_request(&self, begun: Timestamp, answered: Option<Timestamp>) {
        self.requests(|requests| {
            if let Some(index) = requests.waiting.iter().position(|waiting| *waiting == begun) {
                requests.waiting.swap_remove(index);
            }
            requests.answered = answered.or(requests.answered);
        });
    }

    /// How long the present outage has lasted; `None`: the server answers. A server that hangs has an outage before the first request has timed
    /// out.
    pub fn outage(&self, now: Timestamp) -> Option<Duration> {
        let silent_since = self.requests(|requests| {
            let oldest = requests.waiting.iter().min();
            oldest.map(|begun| requests.answered.map_or(*begun, |answered| answered.max(*begun)))
        });
        let silence = silent_since.map(|since| now.since(since)).filter(|silence| *silence > MAX_SILENCE);
        match self.outage_since.load(Ordering::Relaxed) {
            0 => silence,
            since => Some(now.since(Timestamp::from_millis(since))),
        }
    }

    fn requests<T>(&self, access: impl FnOnce(&mut Requests) -> T) -> T {
        access(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_hangs_has_an_outage_unless_it_answers_others() {
        let health = ServerHealth::default();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        health.begin_request(at(100));
        health.begin_request(at(103));
        assert_eq!(health.outage(at(110)), None);
        assert_eq!(health.outage(at(111)), Some(Duration::from_secs(11)));
        health.end_request(at(103), Some(at(105)));
        assert_eq!(health.outage(at(111)), None, "one is slow, another was answered");
        assert_eq!(health.outage(at(116)), Some(Duration::from_secs(11)));
        health.end_request(at(100), None);
        assert_eq!(health.outage(at(200)), None, "no request waits");
    }
}

//! Retries of a call, with a growing backoff, up to a limit.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbError;

const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Time after which the log says why a call is retried.
const LOG_AFTER: Duration = Duration::from_secs(3);
/// Time after which a call is given up. A region is not served for some seconds while it moves, is split or merged.
const LIMIT: Duration = Duration::from_secs(30);

/// The retries of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    cluster: Arc<Cluster>,
    cancel: CancellationToken,
    since: Option<Instant>,
    pause: Duration,
}

impl Retry {
    /// No attempt has failed yet.
    pub(crate) fn new(cluster: &Arc<Cluster>, cancel: &CancellationToken) -> Self {
        Self { cluster: Arc::clone(cluster), cancel: cancel.clone(), since: None, pause: MIN_PAUSE }
    }

    /// Whether the call has failed before.
    pub(crate) fn has_failed(&self) -> bool {
        self.since.is_some()
    }

    /// Waits before the next attempt at a call that failed at `server`.
    ///
    /// # Errors
    /// `Unreachable`: the call has failed for too long. `Cancelled`.
    pub(crate) fn pause(&mut self, server: &str, reason: &dyn Display) -> Result<(), ScienceDbError> {
        let failed_for = self.since.get_or_insert_with(Instant::now).elapsed();
        if failed_for >= LIMIT {
            let reason = format!("{reason} (for {} s)", failed_for.as_secs());
            return Err(ScienceDbError::Unreachable { address: server.to_owned(), reason });
        }
        if failed_for >= LOG_AFTER && self.cluster.should_log_failure(server) {
            let seconds = failed_for.as_secs();
            log::warn!("a request to {server} has failed for {seconds} s ({reason}); retrying");
        }
        if self.cancel.wait(self.pause) {
            return Err(ScienceDbError::Cancelled { address: server.to_owned() });
        }
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Ok(())
    }

    /// The call made progress: the next failure is a new one.
    pub(crate) fn reset(&mut self) {
        (self.since, self.pause) = (None, MIN_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::science_db::Timeouts;

    fn retry(cancel: &CancellationToken) -> Retry {
        Retry::new(&Arc::new(Cluster::new(&[], Timeouts::default(), BTreeMap::new())), cancel)
    }

    #[test]
    fn pauses_grow_and_start_anew_after_progress() {
        let mut retry = retry(&CancellationToken::new());
        assert!(!retry.has_failed());
        retry.pause("a:1", &"busy").unwrap();
        retry.pause("a:1", &"busy").unwrap();
        assert!(retry.has_failed() && retry.pause == 4 * MIN_PAUSE);
        retry.reset();
        assert!(!retry.has_failed() && retry.pause == MIN_PAUSE);
    }

    #[test]
    fn call_is_given_up_with_its_reason() {
        let mut retry = retry(&CancellationToken::new());
        retry.since = Instant::now().checked_sub(LIMIT);
        let error = retry.pause("a:1", &"RegionTooBusyException: x").unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("RegionTooBusyException: x (for 30 s)"), "{error}");
    }

    #[test]
    fn pause_ends_when_cancelled() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(matches!(retry(&cancel).pause("a:1", &"busy"), Err(ScienceDbError::Cancelled { .. })));
    }
}

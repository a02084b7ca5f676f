//! A writer's session with the science database.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;
use crate::messages::{Notice, Outage};
use crate::science_db::{ScienceDb, ScienceDbError, Sessions};

/// The waits before a request is made again.
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// What to do while the science database is away.
#[derive(Debug, Default)]
pub(super) enum OutagePolicy {
    /// fail
    #[default]
    Fail,
    /// make the request again until it is answered; the outage, which all sessions share, is logged
    Retry(SharedOutage),
}

/// An outage, as all sessions see it.
#[derive(Debug, Default)]
pub(super) struct SharedOutage(Mutex<Outage>);

impl SharedOutage {
    /// A request failed.
    pub fn failed(&self, error: &ScienceDbError) {
        match self.observe(true) {
            Some(Notice::Away) => log::warn!("{error}; trying again until it answers"),
            _ => log::debug!("{error}; trying again"),
        }
    }

    /// A request was answered.
    pub fn answered(&self) {
        if self.observe(false) == Some(Notice::Back) {
            log::info!("the science database answers again");
        }
    }

    fn observe(&self, is_away: bool) -> Option<Notice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).observe(is_away, Instant::now())
    }

    /// Makes a request, and makes it again with growing waits while the science database is away.
    ///
    /// # Errors
    /// A permanent error; or the last transient one, once `cancel` is cancelled.
    pub fn retry<T>(
        &self,
        cancel: &CancellationToken,
        mut request: impl FnMut() -> Result<T, ScienceDbError>,
    ) -> Result<T, ScienceDbError> {
        let mut backoff = MIN_BACKOFF;
        loop {
            match request() {
                Err(error) if error.is_transient() => {
                    self.failed(&error);
                    if cancel.wait(backoff) {
                        return Err(error);
                    }
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
                result => {
                    self.answered();
                    return result;
                }
            }
        }
    }
}

/// A session of one writer, which is opened when it is first used.
pub(super) struct StoreSession<'a> {
    sessions: &'a Sessions,
    policy: &'a OutagePolicy,
    cancel: &'a CancellationToken,
    open: Option<Box<dyn ScienceDb>>,
}

impl<'a> StoreSession<'a> {
    /// A session that retries, if that is the policy, until `cancel` is cancelled.
    pub fn new(sessions: &'a Sessions, policy: &'a OutagePolicy, cancel: &'a CancellationToken) -> Self {
        Self { sessions, policy, cancel, open: None }
    }

    /// Makes a request.
    ///
    /// # Errors
    /// The science database is away, and the policy is to fail, or the token is cancelled; or a permanent error.
    pub fn ask<T>(
        &mut self,
        mut request: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, ScienceDbError> {
        let Self { sessions, policy, cancel, open } = self;
        let mut attempt = || {
            let session = match &mut *open {
                Some(session) => session,
                // Not cancelled with the others: a write that has begun is completed.
                none => none.insert(sessions.open(&CancellationToken::new())?),
            };
            request(session.as_mut())
        };
        match policy {
            OutagePolicy::Fail => attempt(),
            OutagePolicy::Retry(outage) => outage.retry(cancel, attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> ScienceDbError {
        ScienceDbError::Unreachable { address: "here:9090".into(), reason: "of the test".into() }
    }

    #[test]
    fn a_request_is_made_until_it_is_answered_or_cancelled() {
        let (outage, cancel) = (SharedOutage::default(), CancellationToken::new());
        let mut attempts = 0;
        let result = outage.retry(&cancel, || {
            attempts += 1;
            if attempts < 3 { Err(unreachable()) } else { Ok(attempts) }
        });
        assert!(matches!(result, Ok(3)));
        let result = outage.retry(&cancel, || -> Result<(), _> {
            cancel.cancel();
            Err(unreachable())
        });
        assert!(matches!(result, Err(ScienceDbError::Unreachable { .. })));
    }

    #[test]
    fn a_permanent_error_is_not_retried() {
        let refused = || ScienceDbError::Refused { address: "here:9090".into(), reason: "of the test".into() };
        let (outage, mut attempts) = (SharedOutage::default(), 0);
        let result = outage.retry(&CancellationToken::new(), || -> Result<(), _> {
            attempts += 1;
            Err(refused())
        });
        assert!(matches!(result, Err(ScienceDbError::Refused { .. })) && attempts == 1);
    }
}

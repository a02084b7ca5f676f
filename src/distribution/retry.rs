//! Sessions with the science database that retry while the server is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbSettings;
use crate::science_db::{ScienceDb, ScienceDbError, Sessions, Timeouts};

const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Time between two log lines about one outage.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Opens sessions with the science database, and logs an outage once for all of them.
#[derive(Debug)]
pub(crate) struct Connector {
    sessions: Sessions,
    outage: Mutex<Outage>,
}

/// An outage of the server, as all sessions of the process see it.
#[derive(Debug, Default)]
struct Outage {
    /// how many sessions retry
    retrying: usize,
    since: Option<Instant>,
    logged: Option<Instant>,
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum RetryError {
    /// the caller's token is cancelled
    Cancelled,
    /// a retry would fail as well
    Failed(ScienceDbError),
}

/// A session with the science database that outlives outages of the server.
pub(crate) struct RetryingSession {
    connector: Arc<Connector>,
    /// the open session, and the token that it was opened with
    session: Option<(CancellationToken, Box<dyn ScienceDb>)>,
}

impl Connector {
    /// Sessions with `table` (`namespace:name`).
    pub fn new(settings: &ScienceDbSettings, table: &str) -> Self {
        Self { sessions: Sessions::new(settings, table, Timeouts::default()), outage: Mutex::default() }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outage {
    /// A request failed, for the first time or again. Returns how long the outage has lasted where it is time to log it: at once, and then
    /// each minute.
    fn failed(&mut self, is_first: bool, now: Instant) -> Option<Duration> {
        self.retrying += usize::from(is_first);
        let since = *self.since.get_or_insert(now);
        if self.logged.is_some_and(|logged| now - logged < LOG_INTERVAL) {
            return None;
        }
        self.logged = Some(now);
        Some(now - since)
    }

    /// A request that had failed is not retried any more. Returns how long the outage was, where no other session retries.
    fn ended(&mut self, now: Instant) -> Option<Duration> {
        self.retrying = self.retrying.saturating_sub(1);
        if self.retrying > 0 {
            return None;
        }
        self.logged = None;
        self.since.take().map(|since| now - since)
    }
}

impl RetryingSession {
    /// A session that is opened when it is first needed.
    pub fn new(connector: &Arc<Connector>) -> Self {
        Self { connector: Arc::clone(connector), session: None }
    }

    /// Makes a request, and makes it again with growing pauses while the server is away. An outage is logged at once, then each minute, and
    /// when it is over. A session is bound to the token that it was opened with: with another token it is opened again.
    ///
    /// # Errors
    /// A permanent error of the server; or `cancel` is cancelled.
    pub fn ask<T>(
        &mut self,
        cancel: &CancellationToken,
        request: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, RetryError> {
        let mut failures = 0;
        let result = self.retry(cancel, request, &mut failures);
        if failures > 0 {
            let duration = self.connector.outage().ended(Instant::now());
            if let Some(duration) = duration.filter(|_| result.is_ok()) {
                log::info!("the science database answers again, after {:.1} s", duration.as_secs_f64());
            }
        }
        result
    }

    fn retry<T>(
        &mut self,
        cancel: &CancellationToken,
        mut request: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
        failures: &mut u32,
    ) -> Result<T, RetryError> {
        let mut pause = MIN_BACKOFF;
        loop {
            if cancel.is_cancelled() {
                return Err(RetryError::Cancelled);
            }
            match self.session(cancel).and_then(&mut request) {
                Ok(result) => return Ok(result),
                Err(ScienceDbError::Cancelled { .. }) => return Err(RetryError::Cancelled),
                Err(error) if error.is_transient() => {
                    let outage = self.connector.outage().failed(*failures == 0, Instant::now());
                    *failures = failures.saturating_add(1);
                    match outage {
                        Some(Duration::ZERO) => log::warn!("{error}; trying again until it answers"),
                        Some(outage) => log::warn!("{error}; still trying again, after {} s", outage.as_secs()),
                        None => log::debug!("{error}; trying again in {:.1} s", pause.as_secs_f64()),
                    }
                    cancel.wait(pause);
                    pause = (pause * 2).min(MAX_BACKOFF);
                }
                Err(error) => return Err(RetryError::Failed(error)),
            }
        }
    }

    fn session(&mut self, cancel: &CancellationToken) -> Result<&mut dyn ScienceDb, ScienceDbError> {
        self.session.take_if(|(token, _)| token != cancel);
        let (_, session) = match &mut self.session {
            Some(open) => open,
            none => {
                let opened = self.connector.sessions.open(cancel)?;
                none.insert((cancel.clone(), opened))
            }
        };
        Ok(session.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_at_once_then_each_minute_then_when_it_is_over() {
        let mut outage = Outage::default();
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let logged = |outage: &mut Outage, is_first, seconds| {
            outage.failed(is_first, after(seconds)).map(|duration| duration.as_secs())
        };
        assert_eq!(logged(&mut outage, true, 0), Some(0));
        assert_eq!(logged(&mut outage, true, 1), None, "another session");
        assert_eq!(logged(&mut outage, false, 59), None);
        assert_eq!(logged(&mut outage, false, 61), Some(61));
        assert_eq!(logged(&mut outage, false, 100), None);
        assert_eq!(outage.ended(after(110)), None, "the other session still waits");
        assert_eq!(outage.ended(after(120)), Some(Duration::from_secs(120)));
        assert_eq!(logged(&mut outage, true, 121), Some(0));
    }

    fn session() -> RetryingSession {
        let settings = ScienceDbSettings {
            kind: crate::science_db::StoreKind::Embedded,
            addresses: Vec::new(),
            path: "unused".into(),
            catalog: "unused".into(),
            table: None,
            trigger: None,
            object_id: None,
            skip_rows: crate::science_db::RowPrefixes::default(),
            complete_rows: crate::science_db::CompleteRows::WhenPartial,
        };
        RetryingSession::new(&Arc::new(Connector::new(&settings, "default:unused")))
    }

    fn unreachable() -> ScienceDbError {
        ScienceDbError::Unreachable { address: "here:9090".into(), reason: "of the test".into() }
    }

    #[test]
    fn a_request_is_retried_until_it_is_answered() {
        let (mut session, cancel) = (session(), CancellationToken::new());
        let mut attempts = 0;
        let result = session.ask(&cancel, |_| {
            attempts += 1;
            if attempts < 3 { Err(unreachable()) } else { Ok(attempts) }
        });
        assert!(matches!(result, Ok(3)));
        assert_eq!(session.connector.outage().retrying, 0);
    }

    #[test]
    fn a_cancelled_request_is_not_retried_and_another_token_opens_the_session_again() {
        let (mut session, cancel) = (session(), CancellationToken::new());
        let mut attempts = 0;
        let result = session.ask(&cancel, |_| -> Result<(), _> {
            attempts += 1;
            cancel.cancel();
            Err(unreachable())
        });
        assert!(matches!(result, Err(RetryError::Cancelled)));
        assert_eq!((attempts, session.connector.outage().retrying), (1, 0));
        let other = CancellationToken::new();
        assert!(session.ask(&other, |_| Ok(())).is_ok());
        assert!(session.session.is_some_and(|(token, _)| token == other));
    }
}

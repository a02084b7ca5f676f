//! Sessions with the science database that retry while the server is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::instruments::ServerHealth;
use super::outage::{Notice, Outage};
use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbSettings;
use crate::science_db::{ScienceDb, ScienceDbError, Sessions, Timeouts};
use crate::timestamp::Timestamp;

const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Opens sessions with the science database, and logs an outage once for all of them.
#[derive(Debug)]
pub(crate) struct Connector {
    sessions: Sessions,
    outage: Mutex<Outage>,
    health: ServerHealth,
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
    /// Sessions with `table` (`namespace:name`). Failures are counted in `health`.
    pub fn new(settings: &ScienceDbSettings, table: &str, health: &ServerHealth) -> Self {
        let sessions = Sessions::new(settings, table, Timeouts::default());
        Self { sessions, outage: Mutex::new(Outage::new(health)), health: health.clone() }
    }

    /// How long the server has not answered; `None`: it answers, or nothing was requested since.
    pub fn outage_duration(&self) -> Option<Duration> {
        self.outage().duration(Instant::now())
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RetryingSession {
    /// A session that is opened when it is first needed.
    pub fn new(connector: &Arc<Connector>) -> Self {
        Self { connector: Arc::clone(connector), session: None }
    }

    /// What opened the session.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
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
        let mut outage = self.connector.outage();
        match &result {
            // Also where another request was given up during the outage.
            Ok(_) if failures > 0 || outage.is_over_with_an_answer() => {
                if let Some(duration) = outage.answered(Instant::now()) {
                    drop(outage);
                    log::info!("the science database answers again, after {:.1} s", duration.as_secs_f64());
                }
            }
            Err(_) if failures > 0 => outage.given_up(),
            Ok(_) | Err(_) => {}
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
            let begun = Instant::now();
            match self.attempt(cancel, &mut request) {
                Ok(result) => return Ok(result),
                Err(ScienceDbError::Cancelled { .. }) => return Err(RetryError::Cancelled),
                Err(error) if error.is_transient() => {
                    let notice = self.connector.outage().failed(*failures == 0, begun, Instant::now());
                    *failures = failures.saturating_add(1);
                    match notice {
                        Some(Notice::Begin) => log::warn!("{error}; trying again until it answers"),
                        Some(Notice::Reminder(outage)) => {
                            log::warn!("{error}; still trying again, after {} s", outage.as_secs());
                        }
                        None => log::debug!("{error}; trying again in {:.1} s", pause.as_secs_f64()),
                    }
                    cancel.wait(pause);
                    pause = (pause * 2).min(MAX_BACKOFF);
                }
                Err(error) => return Err(RetryError::Failed(error)),
            }
        }
    }

    fn attempt<T>(
        &mut self,
        cancel: &CancellationToken,
        request: &mut impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, ScienceDbError> {
        let (health, begun) = (self.connector.health.clone(), Timestamp::now());
        health.begin_request(begun);
        let result = self.session(cancel).and_then(request);
        health.end_request(begun, result.is_ok().then(Timestamp::now));
        result
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

    fn session() -> RetryingSession {
        let settings = ScienceDbSettings {
            kind: crate::science_db::StoreKind::Embedded,
            addresses: Vec::new(),
            tls: crate::science_db::HBaseTlsSettings::default(),
            path: "unused".into(),
            catalog: "unused".into(),
            table: None,
            trigger: None,
            object_id: None,
            skip_rows: crate::science_db::RowPrefixes::default(),
            push: false,
            replication: crate::science_db::ReplicationSettings::default(),
            complete_rows: crate::science_db::CompleteRows::WhenPartial,
        };
        RetryingSession::new(&Arc::new(Connector::new(&settings, "default:unused", &ServerHealth::default())))
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
        assert_eq!(session.connector.outage_duration(), None);
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
        assert!(attempts == 1 && session.connector.outage_duration().is_some());
        let other = CancellationToken::new();
        assert!(session.ask(&other, |_| Ok(())).is_ok());
        assert_eq!(session.connector.outage_duration(), None);
        assert!(session.session.is_some_and(|(token, _)| token == other));
    }
}

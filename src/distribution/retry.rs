//! Asking a server that may be away, until it answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ScienceDbSettings;
use crate::science_db::{Cancel, ScienceDb, ScienceDbError, Sessions, Timeouts};

/// Opens sessions with the science database, and tells its absences once for all of them.
#[derive(Debug)]
pub struct Connector {
    sessions: Sessions,
    outage: Mutex<Outage>,
}

/// An absence of the server, as the sessions of one process see it together.
#[derive(Debug, Default)]
struct Outage {
    /// sessions whose question is not answered
    waiting: usize,
    since: Option<Instant>,
    told: Option<Instant>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum RetryError {
    /// the caller gave up
    Cancelled,
    /// waiting will not help
    Failed(ScienceDbError),
}

/// A session with the science database that outlives the server's absences.
pub struct RetryingSession {
    open: Arc<Connector>,
    cancel: Cancel,
    session: Option<Box<dyn ScienceDb>>,
}

const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Time between two lines of log about one absence.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

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
    /// A question could not be answered, for the first time or again. How long the absence has been, if that is to be told now: at once, and
    /// then each minute.
    fn failed(&mut self, is_first: bool, now: Instant) -> Option<Duration> {
        self.waiting += usize::from(is_first);
        let since = *self.since.get_or_insert(now);
        if self.told.is_some_and(|told| now - told < LOG_INTERVAL) {
            return None;
        }
        self.told = Some(now);
        Some(now - since)
    }

    /// A question that could not be answered is no longer asked. How long the absence was, where no other question waits.
    fn ended(&mut self, now: Instant) -> Option<Duration> {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting > 0 {
            return None;
        }
        self.told = None;
        self.since.take().map(|since| now - since)
    }
}

impl RetryingSession {
    /// A session that is opened when it is first needed. Its questions end soon after `cancel` says so, with [`RetryError::Cancelled`]; when
    /// `cancel` no longer says so, it may be asked again.
    pub fn new(open: &Arc<Connector>, cancel: Cancel) -> Self {
        Self { open: Arc::clone(open), cancel, session: None }
    }

    /// Puts the question until the server answers it, with growing pauses. An absence is told in the log at once, then each minute, and when
    /// it is over.
    ///
    /// # Errors
    /// The server refused, or the session was cancelled.
    pub fn ask<T>(
        &mut self,
        question: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, RetryError> {
        let mut failures = 0;
        let answer = self.ask_again(question, &mut failures);
        if failures > 0 {
            let duration = self.open.outage().ended(Instant::now());
            if let Some(duration) = duration.filter(|_| answer.is_ok()) {
                log::info!("the science database answers again, after {:.1} s", duration.as_secs_f64());
            }
        }
        answer
    }

    fn ask_again<T>(
        &mut self,
        mut question: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
        failures: &mut u32,
    ) -> Result<T, RetryError> {
        let mut pause = MIN_BACKOFF;
        loop {
            if (self.cancel)() {
                return Err(RetryError::Cancelled);
            }
            let answer = match &mut self.session {
                Some(session) => question(session.as_mut()),
                none => {
                    self.open.sessions.open(&self.cancel).and_then(|session| question(none.insert(session).as_mut()))
                }
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(ScienceDbError::Cancelled { .. }) => return Err(RetryError::Cancelled),
                Err(error) if error.is_transient() => {
                    let told = self.open.outage().failed(*failures == 0, Instant::now());
                    *failures = failures.saturating_add(1);
                    match told {
                        Some(Duration::ZERO) => log::warn!("{error}; trying again until it answers"),
                        Some(away) => log::warn!("{error}; still trying again, after {} s", away.as_secs()),
                        None => log::debug!("{error}; trying again in {:.1} s", pause.as_secs_f64()),
                    }
                    sleep(pause, &*self.cancel);
                    pause = (pause * 2).min(MAX_BACKOFF);
                }
                Err(error) => return Err(RetryError::Failed(error)),
            }
        }
    }
}

/// Sleeps for `pause`, or until `give_up` says so.
pub fn sleep(pause: Duration, give_up: &dyn Fn() -> bool) {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        && !give_up()
    {
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_told_at_once_then_each_minute_then_when_it_is_over() {
        let mut outage = Outage::default();
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let told = |outage: &mut Outage, is_first, seconds| {
            outage.failed(is_first, after(seconds)).map(|duration| duration.as_secs())
        };
        assert_eq!(told(&mut outage, true, 0), Some(0));
        assert_eq!(told(&mut outage, true, 1), None, "another session");
        assert_eq!(told(&mut outage, false, 59), None);
        assert_eq!(told(&mut outage, false, 61), Some(61));
        assert_eq!(told(&mut outage, false, 100), None);
        assert_eq!(outage.ended(after(110)), None, "the other session still waits");
        assert_eq!(outage.ended(after(120)), Some(Duration::from_secs(120)));
        assert_eq!(told(&mut outage, true, 121), Some(0));
    }

    fn session(cancel: Cancel) -> RetryingSession {
        let settings = ScienceDbSettings {
            kind: crate::config::StoreKind::Embedded,
            addresses: Vec::new(),
            path: "unused".into(),
            catalog: "unused".into(),
            table: None,
            trigger: None,
            object_id: None,
            skip_rows: crate::config::RowPrefixes::default(),
            complete_rows: crate::config::CompleteRows::WhenPartial,
        };
        RetryingSession::new(&Arc::new(Connector::new(&settings, "default:unused")), cancel)
    }

    fn unreachable() -> ScienceDbError {
        ScienceDbError::Unreachable { address: "here:9090".into(), reason: "of the test".into() }
    }

    #[test]
    fn question_is_put_until_it_is_answered() {
        let mut session = session(Arc::new(|| false));
        let mut tries = 0;
        let answer = session.ask(|_| {
            tries += 1;
            if tries < 3 { Err(unreachable()) } else { Ok(tries) }
        });
        assert!(matches!(answer, Ok(3)));
        assert_eq!(session.open.outage().waiting, 0);
    }

    #[test]
    fn cancelled_question_is_not_put_again() {
        let given_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let cancel = Arc::clone(&given_up);
        let mut session = session(Arc::new(move || cancel.load(std::sync::atomic::Ordering::Relaxed)));
        let mut tries = 0;
        let answer = session.ask(|_| -> Result<(), _> {
            tries += 1;
            given_up.store(true, std::sync::atomic::Ordering::Relaxed);
            Err(unreachable())
        });
        assert!(matches!(answer, Err(RetryError::Cancelled)));
        assert_eq!((tries, session.open.outage().waiting), (1, 0));
    }
}

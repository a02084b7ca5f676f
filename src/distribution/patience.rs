//! Asking a server that may be away, until it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::science_db::{ScienceDb, ScienceDbError};

/// Opens one more session with the science database.
pub type Open = dyn Fn() -> Result<Box<dyn ScienceDb>, ScienceDbError> + Send + Sync;

/// Why there is no answer.
#[derive(Debug)]
pub enum Halt {
    /// the caller gave up
    Cancelled,
    /// waiting will not help
    Failed(ScienceDbError),
}

/// A session with the science database that outlives the server's absences.
pub struct Session {
    open: Arc<Open>,
    session: Option<Box<dyn ScienceDb>>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Session {
    /// A session that is opened when it is first needed.
    pub fn new(open: &Arc<Open>) -> Self {
        Self { open: Arc::clone(open), session: None }
    }

    /// Puts the question until the server answers it, with growing pauses, each absence told in the log.
    ///
    /// # Errors
    /// The server refused, or `give_up` said so.
    pub fn ask<T>(
        &mut self,
        give_up: &dyn Fn() -> bool,
        mut question: impl FnMut(&mut dyn ScienceDb) -> Result<T, ScienceDbError>,
    ) -> Result<T, Halt> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            if give_up() {
                return Err(Halt::Cancelled);
            }
            let answer = match &mut self.session {
                Some(session) => question(session.as_mut()),
                none => (self.open)().and_then(|session| question(none.insert(session).as_mut())),
            };
            match answer {
                Ok(answer) => {
                    if pause > FIRST_PAUSE {
                        log::info!("the science database answers again, after {:.1} s", began.elapsed().as_secs_f64());
                    }
                    return Ok(answer);
                }
                Err(error) if error.is_transient() => {
                    log::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
                    self.session = None;
                    rest(pause, give_up);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(Halt::Failed(error)),
            }
        }
    }
}

/// Sleeps for `pause`, or until `give_up` says so.
pub fn rest(pause: Duration, give_up: &dyn Fn() -> bool) {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        && !give_up()
    {
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

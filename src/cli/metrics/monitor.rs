//! What is known about a running distribution.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::last_hour::LastHour;
use crate::cli::problems::Problems;
use crate::cli::service_status::LatestStats;
use crate::distribution::instruments::Instruments;
use crate::timestamp::Timestamp;

/// What is known about a running distribution. Everything but the last hour is kept up to date by the distribution.
#[derive(Debug)]
pub struct Monitor {
    /// the `distribution.name`
    pub name: String,
    pub latest: LatestStats,
    pub instruments: Instruments,
    pub problems: Problems,
    /// when the process started
    pub started: Timestamp,
    last_hour: Mutex<LastHour>,
}

impl Monitor {
    /// The monitor of a distribution that starts now.
    pub fn new(name: &str, latest: &LatestStats, instruments: &Instruments, problems: &Problems) -> Self {
        Self {
            name: name.to_owned(),
            latest: latest.clone(),
            instruments: instruments.clone(),
            problems: problems.clone(),
            started: Timestamp::now(),
            last_hour: Mutex::default(),
        }
    }

    /// The last hour, locked.
    pub(super) fn last_hour(&self) -> MutexGuard<'_, LastHour> {
        self.last_hour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! An outage of a server, for the log: it is reported at once, then each minute, then when it is over.

use std::time::{Duration, Instant};

use super::instruments::ServerHealth;
use crate::timestamp::Timestamp;

/// Time between two log lines about one outage.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// An outage of a server, as all clients of the process see it.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    health: ServerHealth,
    /// how many clients retry
    retrying: usize,
    since: Option<Instant>,
    logged: Option<Instant>,
}

/// What to log about an outage that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// it has begun
    Begin,
    /// how long it has lasted
    Reminder(Duration),
}

impl Outage {
    /// No outage. Failures are counted in `health`.
    pub fn new(health: &ServerHealth) -> Self {
        Self { health: health.clone(), retrying: 0, since: None, logged: None }
    }

    /// A request that was made at `begun` failed, for the first time or again. The outage begins with the first such request, not with its
    /// timeout. Returns what to log where it is time to: at once, and then each minute.
    pub fn failed(&mut self, is_first: bool, begun: Instant, now: Instant) -> Option<Notice> {
        self.health.retries.inc();
        self.retrying += usize::from(is_first);
        let since = *self.since.get_or_insert_with(|| {
            self.health.begin_outage(Timestamp::now() - (now - begun));
            begun
        });
        let notice = match self.logged {
            None => Notice::Begin,
            Some(logged) if now - logged >= LOG_INTERVAL => Notice::Reminder(now - since),
            Some(_) => return None,
        };
        self.logged = Some(now);
        Some(notice)
    }

    /// A request that had failed has an answer. Returns how long the outage was, where no other client retries.
    pub fn answered(&mut self, now: Instant) -> Option<Duration> {
        self.given_up();
        if self.retrying > 0 {
            return None;
        }
        self.logged = None;
        self.health.end_outage();
        self.since.take().map(|since| now - since)
    }

    /// A request that had failed is not retried any more. The outage lasts until a later request has an answer.
    pub fn given_up(&mut self) {
        self.retrying = self.retrying.saturating_sub(1);
    }

    /// Whether the next answer to any client ends the outage: all requests that had failed were given up.
    pub fn is_over_with_an_answer(&self) -> bool {
        self.since.is_some() && self.retrying == 0
    }

    /// How long the outage has lasted; `None`: there is none.
    pub fn duration(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now - since)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        // Nobody asks the server any more.
        self.health.end_outage();
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
        let logged = |outage: &mut Outage, is_first, begun, now| outage.failed(is_first, after(begun), after(now));
        assert_eq!(logged(&mut outage, true, 0, 20), Some(Notice::Begin), "a request that timed out");
        assert_eq!(outage.duration(after(20)), Some(Duration::from_secs(20)));
        assert_eq!(logged(&mut outage, true, 15, 21), None, "another session");
        assert_eq!(logged(&mut outage, false, 78, 79), None);
        assert_eq!(logged(&mut outage, false, 80, 81), Some(Notice::Reminder(Duration::from_secs(81))));
        assert_eq!(logged(&mut outage, false, 99, 100), None);
        assert_eq!(outage.answered(after(110)), None, "the other session still waits");
        assert_eq!(outage.answered(after(120)), Some(Duration::from_secs(120)));
        assert_eq!(outage.duration(after(121)), None);
        assert_eq!(logged(&mut outage, true, 121, 121), Some(Notice::Begin));
    }

    #[test]
    fn an_outage_outlasts_a_request_that_is_given_up() {
        let mut outage = Outage::default();
        let began = Instant::now();
        outage.failed(true, began, began);
        outage.given_up();
        assert_eq!(outage.duration(began + Duration::from_secs(9)), Some(Duration::from_secs(9)));
        assert_eq!(outage.answered(began + Duration::from_secs(10)), Some(Duration::from_secs(10)));
    }
}

//! When to say that the brokers are away.

use std::time::{Duration, Instant};

/// How long they are away before it is said, and the time between two messages.
const FIRST_AFTER: Duration = Duration::from_secs(3);
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// the brokers are away
    Away,
    /// they are back, after it was said that they are away
    Back,
}

/// Whether the brokers are away, and when that was last said.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Outage {
    /// Takes the present state, and returns what is to be said of it.
    pub fn observe(&mut self, is_away: bool, now: Instant) -> Option<Notice> {
        if !is_away {
            self.since = None;
            return self.told.take().map(|_| Notice::Back);
        }
        let since = *self.since.get_or_insert(now);
        let is_due = match self.told {
            Some(told) => now.duration_since(told) >= AGAIN_AFTER,
            None => now.duration_since(since) >= FIRST_AFTER,
        };
        is_due.then(|| {
            self.told = Some(now);
            Notice::Away
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_a_minute_and_its_end_once() {
        let (mut outage, begin) = (Outage::default(), Instant::now());
        let mut told = Vec::new();
        for second in 0..200 {
            let is_away = (10..=140).contains(&second) || second == 190;
            told.extend(outage.observe(is_away, begin + Duration::from_secs(second)).map(|notice| (second, notice)));
        }
        assert_eq!(told, [(13, Notice::Away), (73, Notice::Away), (133, Notice::Away), (141, Notice::Back)]);
    }
}

//! What follows an aborted transaction: how long to wait before its alerts are read again, and when to end instead.

use std::time::Duration;

use super::kafka_sink::AbortReport;

/// So many aborts in a row, none of them for brokers that are away and nothing committed between them, end the distribution.
const MAX_CONSECUTIVE_ABORTS: u32 = 6;
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Counts the aborts between two transactions of alerts that were committed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AbortBackoff {
    consecutive: u32,
    commits: u64,
}

impl AbortBackoff {
    /// How long to wait after one more abort; `None`: to go on is of no use. `commits`: the transactions of alerts committed so far.
    pub fn pause_after(&mut self, report: AbortReport, commits: u64) -> Option<Duration> {
        if commits != self.commits {
            *self = Self { consecutive: 0, commits };
        }
        // The messages that were refused are not sent again: the next transaction is another one.
        if report.refused > 0 {
            return Some(Duration::ZERO);
        }
        self.consecutive += 1;
        if !report.is_outage && self.consecutive > MAX_CONSECUTIVE_ABORTS {
            return None;
        }
        Some(MAX_BACKOFF.min(MIN_BACKOFF * 2_u32.pow((self.consecutive - 1).min(6))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: AbortReport = AbortReport { is_outage: false, refused: 0 };
    const OUTAGE: AbortReport = AbortReport { is_outage: true, refused: 0 };

    #[test]
    fn aborts_for_the_same_reason_come_slower_and_end() {
        let mut aborts = AbortBackoff::default();
        let pauses: Vec<Option<Duration>> = (0..7).map(|_| aborts.pause_after(UNKNOWN, 0)).collect();
        assert_eq!(pauses[0], Some(MIN_BACKOFF));
        assert_eq!(pauses[5], Some(Duration::from_millis(6400)));
        assert_eq!(pauses[6], None);
    }

    #[test]
    fn an_outage_is_waited_for_as_long_as_it_takes() {
        let mut aborts = AbortBackoff::default();
        assert!((0..1000).all(|_| aborts.pause_after(OUTAGE, 3).is_some()));
        assert_eq!(aborts.pause_after(OUTAGE, 3), Some(MAX_BACKOFF));
        assert_eq!(aborts.pause_after(OUTAGE, 4), Some(MIN_BACKOFF));
    }

    #[test]
    fn messages_that_were_refused_are_progress() {
        let mut aborts = AbortBackoff::default();
        assert!(
            (0..1000)
                .all(|_| aborts.pause_after(AbortReport { is_outage: false, refused: 1 }, 0) == Some(Duration::ZERO))
        );
    }
}

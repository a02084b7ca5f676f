//! What follows an aborted transaction: how long to wait before its alerts are read again, and when to end instead.

use std::time::Duration;

use super::outlet::AbortReport;

/// So many aborts in a row, none of them for brokers that are away and nothing committed between them, end the distribution.
const MAX_IN_A_ROW: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Counts the aborts between two transactions of alerts that were committed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aborts {
    in_a_row: u32,
    commits: u64,
}

impl Aborts {
    /// How long to wait after one more abort; `None`: to go on is of no use. `commits`: the transactions of alerts committed so far.
    pub fn pause_after(&mut self, report: AbortReport, commits: u64) -> Option<Duration> {
        if commits != self.commits {
            *self = Self { in_a_row: 0, commits };
        }
        // The messages that were refused are not sent again: the next transaction is another one.
        if report.refused > 0 {
            return Some(Duration::ZERO);
        }
        self.in_a_row += 1;
        if !report.is_outage && self.in_a_row > MAX_IN_A_ROW {
            return None;
        }
        Some(LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow((self.in_a_row - 1).min(6))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: AbortReport = AbortReport { is_outage: false, refused: 0 };
    const OUTAGE: AbortReport = AbortReport { is_outage: true, refused: 0 };

    #[test]
    fn aborts_for_the_same_reason_come_slower_and_end() {
        let mut aborts = Aborts::default();
        let pauses: Vec<Option<Duration>> = (0..7).map(|_| aborts.pause_after(UNKNOWN, 0)).collect();
        assert_eq!(pauses[0], Some(FIRST_PAUSE));
        assert_eq!(pauses[5], Some(Duration::from_millis(6400)));
        assert_eq!(pauses[6], None);
    }

    #[test]
    fn an_outage_is_waited_for_as_long_as_it_takes() {
        let mut aborts = Aborts::default();
        assert!((0..1000).all(|_| aborts.pause_after(OUTAGE, 3).is_some()));
        assert_eq!(aborts.pause_after(OUTAGE, 3), Some(LONGEST_PAUSE));
        assert_eq!(aborts.pause_after(OUTAGE, 4), Some(FIRST_PAUSE));
    }

    #[test]
    fn messages_that_were_refused_are_progress() {
        let mut aborts = Aborts::default();
        assert!(
            (0..1000)
                .all(|_| aborts.pause_after(AbortReport { is_outage: false, refused: 1 }, 0) == Some(Duration::ZERO))
        );
    }
}

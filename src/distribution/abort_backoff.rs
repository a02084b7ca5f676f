//! How long to wait after an aborted transaction, and when to give up.

use std::time::Duration;

use super::kafka_sink::AbortReport;

/// More consecutive aborts end the distribution: without a commit between them, and not because brokers were away.
const MAX_CONSECUTIVE_ABORTS: u32 = 6;
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Counts the aborts between two committed transactions of alerts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AbortBackoff {
    consecutive: u32,
    commits: u64,
}

impl AbortBackoff {
    /// How long to wait after one more abort; `None`: another attempt would be aborted as well. `commits`: the transactions of alerts that were
    /// committed so far.
    pub fn next_pause(&mut self, report: &AbortReport, commits: u64) -> Option<Duration> {
        if commits != self.commits {
            *self = Self { consecutive: 0, commits };
        }
        if report.has_refused() {
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
    use crate::ledger::AlertId;
    use crate::timestamp::Timestamp;

    fn report(is_outage: bool) -> AbortReport {
        AbortReport { is_outage, ..AbortReport::default() }
    }

    #[test]
    fn aborts_for_the_same_reason_come_slower_and_end() {
        let mut backoff = AbortBackoff::default();
        let pauses: Vec<Option<Duration>> = (0..7).map(|_| backoff.next_pause(&report(false), 0)).collect();
        assert_eq!(pauses[0], Some(MIN_BACKOFF));
        assert_eq!(pauses[5], Some(Duration::from_millis(6400)));
        assert_eq!(pauses[6], None);
    }

    #[test]
    fn an_outage_may_take_as_long_as_it_likes() {
        let mut backoff = AbortBackoff::default();
        assert!((0..1000).all(|_| backoff.next_pause(&report(true), 3).is_some()));
        assert_eq!(backoff.next_pause(&report(true), 3), Some(MAX_BACKOFF));
        assert_eq!(backoff.next_pause(&report(true), 4), Some(MIN_BACKOFF));
    }

    #[test]
    fn the_next_transaction_after_refused_messages_does_not_wait() {
        let mut backoff = AbortBackoff::default();
        let too_large = vec![(AlertId::new(b"row", Timestamp::EPOCH), 0)];
        let report = AbortReport { too_large, ..report(false) };
        assert!((0..1000).all(|_| backoff.next_pause(&report, 0) == Some(Duration::ZERO)));
    }
}

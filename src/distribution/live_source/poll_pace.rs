//! How soon the live lane polls again.

use std::time::Duration;

/// While rows keep coming, the live lane polls up to this many times as often as `poll` says.
const MAX_SPEEDUP: u32 = 4;
/// A longer `poll` is kept: it was chosen to spare the science database.
const MAX_SHORTENED: Duration = Duration::from_millis(500);
/// The interval is at least this many times as long as the last scan took, which bounds the load on the science database.
const MIN_SCANS: u32 = 3;

/// The interval between two polls.
#[derive(Debug, Default)]
pub(crate) struct PollPace {
    /// how long the last scan took; `None`: it has found nothing
    scan: Option<Duration>,
}

impl PollPace {
    /// The interval, where `poll` is the configured one: shorter while rows keep coming and scans are quick.
    pub fn interval(&self, poll: Duration) -> Duration {
        match self.scan {
            Some(scan) if poll <= MAX_SHORTENED => scan.saturating_mul(MIN_SCANS).clamp(poll / MAX_SPEEDUP, poll),
            _ => poll,
        }
    }

    /// Learns how long the last scan took, and how many new rows it found.
    pub fn note_scan(&mut self, took: Duration, new_rows: usize) {
        self.scan = (new_rows > 0).then_some(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_follow_sooner_while_rows_come_and_scans_are_quick() {
        let ms = Duration::from_millis;
        let mut pace = PollPace::default();
        assert_eq!(pace.interval(ms(500)), ms(500));
        for (took, interval) in [(1, 125), (60, 180), (900, 500)] {
            pace.note_scan(ms(took), 1);
            assert_eq!(pace.interval(ms(500)), ms(interval), "after a scan of {took} ms");
        }
        pace.note_scan(ms(1), 1);
        assert_eq!(pace.interval(ms(501)), ms(501), "a long interval is kept");
        pace.note_scan(ms(1), 0);
        assert_eq!(pace.interval(ms(500)), ms(500));
    }
}

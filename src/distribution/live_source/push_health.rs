//! Whether HBase pushes rows so quickly and completely that scans may be rare.

use std::time::Duration;

use crate::distribution::clock::ClockReading;
use crate::ledger::RowVersion;
use crate::timestamp::Timestamp;
use crate::units::format_duration;

/// A push that comes later after the write is late.
const MAX_LAG: Duration = Duration::from_secs(1);
/// A row that a scan finds so long after its timestamp should have been pushed before.
const MISSED_AFTER: Duration = Duration::from_secs(2);
/// For so long nothing may be late or missed before scans become rare.
const PROBATION: Duration = Duration::from_secs(10);
/// Time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// Whether HBase pushes rows in time. At first it does not.
#[derive(Debug, Default)]
pub(super) struct PushHealth {
    /// the first push in time since the last one that was late or missed
    good_since: Option<Timestamp>,
    warned: Option<Timestamp>,
}

impl PushHealth {
    /// Whether nothing was late or missed for a while. `now`: by the steady clock.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.good_since.is_some_and(|since| now.since(since) >= PROBATION)
    }

    /// Learns of a push that arrived `lag` after its last row was written.
    pub fn note_lag(&mut self, lag: Duration, now: ClockReading) {
        if lag <= MAX_LAG {
            self.good_since.get_or_insert(now.steady);
            return;
        }
        self.good_since = None;
        let lag = format_duration(Duration::from_millis(lag.as_millis() as u64));
        self.warn(now, &format!(
            "HBase pushes rows {lag} after they are written: until this is below {}, new rows are also polled for; see \
             replication.source.sleepforretries in docs/push.md",
            format_duration(MAX_LAG)
        ));
    }

    /// Learns of the rows that a live scan has found and that were not published before.
    pub fn note_scanned(&mut self, rows: &[RowVersion], now: ClockReading) {
        let missed = rows.iter().filter(|row| row.timestamp + MISSED_AFTER < now.wall).count();
        if missed > 0 && self.good_since.take().is_some() {
            self.warn(now, &format!(
                "a scan has found {missed} rows that HBase had not pushed {} after their timestamp: new rows are also polled for; \
                 `fink hbase show-peer` shows the peer",
                format_duration(MISSED_AFTER)
            ));
        }
    }

    fn warn(&mut self, now: ClockReading, text: &str) {
        if self.warned.is_none_or(|warned| now.steady.since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now.steady);
            log::warn!("{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> ClockReading {
        let now = Timestamp::from_millis(seconds * 1_000);
        ClockReading { wall: now, steady: now }
    }

    fn row(seconds: i64) -> RowVersion {
        RowVersion { timestamp: Timestamp::from_millis(seconds * 1_000), key: b"row".to_vec() }
    }

    #[test]
    fn scans_become_rare_after_a_while_without_a_late_or_a_missed_row() {
        let mut health = PushHealth::default();
        assert!(!health.is_good(at(1_000).steady));
        health.note_lag(Duration::from_millis(30), at(1_000));
        assert!(!health.is_good(at(1_009).steady));
        health.note_lag(Duration::from_millis(900), at(1_009));
        assert!(health.is_good(at(1_010).steady) && health.is_good(at(9_000).steady));
    }

    #[test]
    fn a_late_push_makes_scans_frequent() {
        let mut health = PushHealth::default();
        health.note_lag(Duration::ZERO, at(1_000));
        health.note_lag(Duration::from_secs(2), at(1_020));
        assert!(!health.is_good(at(1_030).steady));
        health.note_lag(Duration::ZERO, at(1_040));
        assert!(!health.is_good(at(1_049).steady) && health.is_good(at(1_050).steady));
    }

    #[test]
    fn a_row_that_only_a_scan_finds_makes_scans_frequent_unless_it_is_fresh() {
        let mut health = PushHealth::default();
        health.note_lag(Duration::ZERO, at(1_000));
        health.note_scanned(&[row(1_019), row(1_020)], at(1_020));
        assert!(health.is_good(at(1_020).steady));
        health.note_scanned(&[row(1_017)], at(1_020));
        assert!(!health.is_good(at(1_025).steady));
    }
}

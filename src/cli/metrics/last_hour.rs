//! What a distribution has done in the last hour, a point for each 10 s, in bounded memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::distribution::stats::Stats;
use crate::timestamp::Timestamp;

/// The time of a point.
const POINT: Duration = Duration::from_secs(10);
/// The number of points.
const MAX_POINTS: usize = 360;

/// What was committed in the time of one point.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Point {
    /// its begin, ms since 1970
    from: i64,
    /// its length, seconds; the newest point is shorter than the others
    seconds: f64,
    alerts: u64,
    late: u64,
    /// the longest lag, seconds; `None`: unknown
    lag: Option<f64>,
    /// alerts that went to the rejected topic, on all streams
    rejected: u64,
    #[serde(skip)]
    rejected_by_stream: Vec<(String, u64)>,
}

/// Counts at one time.
#[derive(Clone, Debug, Default)]
struct Totals {
    alerts: u64,
    late: u64,
    /// by stream
    rejected: BTreeMap<String, u64>,
}

impl Totals {
    fn new(stats: &Stats) -> Self {
        let rejected = stats.streams.iter().map(|stream| (stream.name.clone(), stream.rejected()));
        Self { alerts: stats.alerts, late: stats.late, rejected: rejected.collect() }
    }
}

/// What was counted since `before`. The counts begin at 0 again with a reload.
fn increase(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

/// The last hour.
#[derive(Clone, Debug, Default)]
pub(super) struct LastHour {
    /// oldest first
    points: VecDeque<Point>,
    totals: Totals,
    /// the time of the last call
    added_at: Option<Timestamp>,
}

impl LastHour {
    /// Adds what was counted since the last call.
    pub fn add(&mut self, stats: &Stats, now: Timestamp) {
        if self.points.back().is_none_or(|point| point.seconds >= POINT.as_secs_f64()) {
            // What is counted now happened since the last call.
            let from = self.added_at.unwrap_or(now).as_millis();
            self.points.push_back(Point { from, ..Point::default() });
            if self.points.len() > MAX_POINTS {
                self.points.pop_front();
            }
        }
        let totals = Totals::new(stats);
        if let Some(point) = self.points.back_mut() {
            point.seconds = now.since(Timestamp::from_millis(point.from)).as_secs_f64();
            point.alerts += increase(totals.alerts, self.totals.alerts);
            point.late += increase(totals.late, self.totals.late);
            let lag = stats.lag(now).map(|lag| lag.as_secs_f64());
            point.lag = lag.into_iter().chain(point.lag).reduce(f64::max);
            for (name, count) in &totals.rejected {
                let new = increase(*count, self.totals.rejected.get(name).copied().unwrap_or(0));
                if new > 0 {
                    point.rejected += new;
                    match point.rejected_by_stream.iter_mut().find(|(stream, _)| stream == name) {
                        Some((_, count)) => *count += new,
                        None => point.rejected_by_stream.push((name.clone(), new)),
                    }
                }
            }
        }
        self.totals = totals;
        self.added_at = Some(now);
    }

    /// The points, oldest first.
    pub fn points(&self) -> &VecDeque<Point> {
        &self.points
    }

    /// Late alerts.
    pub fn late(&self) -> u64 {
        self.points.iter().map(|point| point.late).sum()
    }

    /// Rejected alerts by stream; streams without any are left out.
    pub fn rejected(&self) -> BTreeMap<&str, u64> {
        let mut rejected = BTreeMap::new();
        for (name, count) in self.points.iter().flat_map(|point| &point.rejected_by_stream) {
            *rejected.entry(name.as_str()).or_default() += count;
        }
        rejected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::verdict::RejectClass;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn stats() -> Stats {
        let mut stats = Stats::new(2);
        for (stream, name) in stats.streams.iter_mut().zip(["full", "bright"]) {
            stream.name = name.to_owned();
        }
        stats
    }

    #[test]
    fn a_point_has_what_was_counted_in_its_ten_seconds() {
        let (mut hour, mut stats) = (LastHour::default(), stats());
        for second in 0..25 {
            stats.alerts += 3;
            stats.published_until = Some(at(second - second % 10));
            if second == 12 {
                stats.streams[1].reject(RejectClass::Filter);
                stats.late += 1;
            }
            hour.add(&stats, at(second));
        }
        let points: Vec<_> = hour.points().iter().map(|point| (point.alerts, point.late, point.rejected)).collect();
        // The first call counts what was there before.
        assert_eq!(points, [(33, 0, 0), (30, 1, 1), (12, 0, 0)]);
        let seconds: Vec<f64> = hour.points().iter().map(|point| point.seconds).collect();
        assert_eq!((hour.points()[0].lag, seconds), (Some(9.0), vec![10.0, 10.0, 4.0]));
        assert_eq!((hour.late(), hour.rejected()), (1, BTreeMap::from([("bright", 1)])));
    }

    #[test]
    fn counts_go_on_after_a_reload_and_old_points_are_dropped() {
        let (mut hour, mut counted) = (LastHour::default(), stats());
        counted.alerts = 100;
        counted.streams[0].reject(RejectClass::Size);
        hour.add(&counted, at(0));
        counted.alerts = 7;
        hour.add(&counted, at(1));
        assert_eq!((hour.points()[0].alerts, hour.rejected()["full"]), (107, 1));
        hour.add(&stats(), at(2));
        hour.add(&counted, at(3));
        assert_eq!((hour.points()[0].alerts, hour.rejected()["full"]), (114, 2));
        for point in 0..=MAX_POINTS as i64 {
            hour.add(&counted, at(point * 10 + 13));
        }
        assert_eq!((hour.points().len(), hour.rejected().len()), (MAX_POINTS, 0));
        assert_eq!(hour.points()[0].from, at(13).as_millis());
    }
}

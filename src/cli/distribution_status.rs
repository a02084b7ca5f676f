//! The status of a running distribution: one line on a terminal, else log lines.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Context;
use super::rate::Rate;
use super::service_status::{LatestStats, lane};
use crate::cancel::CancellationToken;
use crate::distribution::stats::{Lane, Stats};
use crate::timestamp::Timestamp;
use crate::units::format_duration;

/// Time between two log lines while alerts are published.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two log lines of an idle service.
const IDLE_LOG_INTERVAL: Duration = Duration::from_secs(300);
/// How often the statistics are passed on.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
/// More streams are not listed in a log line.
const MAX_LISTED_STREAMS: usize = 8;

/// The status of a distribution.
pub struct StatusLine {
    /// `None`: log lines
    drawing: Option<Drawing>,
    is_dry_run: bool,
    latest: LatestStats,
    updated_at: Option<Instant>,
    logged_at: Instant,
    logged_alerts: u64,
    alerts: Rate,
    rows: Rate,
}

impl StatusLine {
    /// Starts a status line. `latest` gets the statistics.
    pub fn new(context: &Context, is_dry_run: bool, latest: LatestStats) -> Self {
        let drawing = (!context.bars().is_hidden()).then(|| Drawing::start(context, is_dry_run, latest.clone()));
        Self {
            drawing,
            is_dry_run,
            latest,
            updated_at: None,
            logged_at: Instant::now(),
            logged_alerts: 0,
            alerts: Rate::default(),
            rows: Rate::default(),
        }
    }

    /// Updates the line.
    pub fn show(&mut self, stats: &Stats) {
        let now = Instant::now();
        if self.updated_at.is_some_and(|updated| now - updated < UPDATE_INTERVAL) {
            return;
        }
        self.updated_at = Some(now);
        self.alerts.add(now, stats.alerts + stats.uncommitted);
        self.latest.set(stats, &self.alerts);
        if self.drawing.is_some() {
            return;
        }
        self.rows.add(now, stats.history.rows);
        let is_news = stats.alerts > self.logged_alerts || stats.lane == Lane::History;
        let interval = if is_news { LOG_INTERVAL } else { IDLE_LOG_INTERVAL };
        if now - self.logged_at >= interval {
            (self.logged_at, self.logged_alerts) = (now, stats.alerts);
            let place = place_at(stats, self.rows.per_second(), Timestamp::now());
            let counts = with_rate(stats, self.alerts.per_second(), " alerts/s", &summary(stats, self.is_dry_run));
            log::info!("{place}{counts}{}", by_stream(stats));
        }
    }

    /// Removes the line.
    pub fn finish(&mut self) {
        self.drawing = None;
    }
}

/// Draws the line on a terminal, in a thread: the lag grows while the distribution waits for a server and reports nothing.
struct Drawing {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drawing {
    fn start(context: &Context, is_dry_run: bool, latest: LatestStats) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        // `wide_msg` is truncated to the width of the terminal.
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = context.bars().add(bar);
        let stop = CancellationToken::new();
        let is_over = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut rows = Rate::default();
            while !is_over.wait(UPDATE_INTERVAL) {
                let line = latest.read(|stats, alerts_per_second| {
                    rows.add(Instant::now(), stats.history.rows);
                    let place = place_at(stats, rows.per_second(), Timestamp::now());
                    place + &with_rate(stats, alerts_per_second, "/s", &short_counts(stats, is_dry_run))
                });
                bar.set_message(line);
            }
            bar.finish_and_clear();
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.stop.cancel();
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// The rate and the counts, which follow the place; nothing before the first lane.
fn with_rate(stats: &Stats, alerts_per_second: f64, unit: &str, counts: &str) -> String {
    match stats.lane {
        Lane::Start => String::new(),
        Lane::History | Lane::Live => format!(": {}{unit}, {counts}", format_rate(alerts_per_second)),
    }
}

/// The lane, how far it is, and the lag.
pub fn place(stats: &Stats) -> String {
    place_at(stats, 0.0, Timestamp::now())
}

/// As [`place`], at `now`. `rows_per_second`: of the history lane.
fn place_at(stats: &Stats, rows_per_second: f64, now: Timestamp) -> String {
    let mut place = lane(stats.lane).to_owned();
    if stats.lane == Lane::History {
        match (stats.history.progress(), stats.history.ranges) {
            (Some(progress), _) => place.push_str(&format!(" {:.0} %", (progress * 100.0).floor())),
            (None, (_, 0)) => {}
            (None, (done, all)) => place.push_str(&format!(", key range {} of {all}", (done + 1).min(all))),
        }
        if let Some(left) = time_left(stats, rows_per_second) {
            place.push_str(&format!(", {} left", short_duration(left)));
        }
    }
    if let Some(lag) = stats.lag(now) {
        place.push_str(&format!(", lag {}", short_duration(lag)));
    }
    place
}

fn time_left(stats: &Stats, rows_per_second: f64) -> Option<Duration> {
    let rows = stats.history.left()?;
    (rows_per_second > 0.0).then(|| Duration::try_from_secs_f64(rows as f64 / rows_per_second).ok()).flatten()
}

/// A duration for people: `0.7 s`, `95.2 s`, `12m`, `3h12m`, `5d3h`.
pub fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..100 => return format!("{:.1} s", duration.as_secs_f64()),
        100..86_400 => 60,
        _ => 3600,
    };
    format_duration(Duration::from_secs(seconds / unit * unit))
}

/// A rate without decimals, unless it is small.
pub fn format_rate(per_second: f64) -> String {
    match per_second > 0.0 && per_second < 10.0 {
        true => format!("{per_second:.1}"),
        false => format!("{per_second:.0}"),
    }
}

/// The counts for a terminal: with those of the open transaction, the number of paused streams, and without zeros that are normal.
fn short_counts(stats: &Stats, is_dry_run: bool) -> String {
    let mut counts = format!("{} alerts", stats.alerts + stats.uncommitted);
    if !is_dry_run {
        counts.push_str(&format!(", {} sent", stats.sent()));
    }
    let paused = stats.streams.iter().filter(|stream| stream.paused_at.is_some()).count() as u64;
    let rare = [(stats.late, "late"), (stats.rejected(), "rejected"), (stats.skipped, "skipped"), (paused, "paused")];
    for (count, what) in rare {
        if count > 0 {
            counts.push_str(&format!(", {count} {what}"));
        }
    }
    counts
}

/// The counts, for the end of a log line.
pub fn summary(stats: &Stats, is_dry_run: bool) -> String {
    let skipped = match stats.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} rows skipped"),
    };
    let pushed = match stats.pushed {
        0 => String::new(),
        pushed => format!(", {pushed} pushed (the last after {} ms)", stats.push_lag),
    };
    let sent = if is_dry_run { "messages would be sent" } else { "messages sent" };
    format!(
        "{} alerts, {} {sent}, {} late, {} rejected{pushed}{skipped}",
        stats.alerts,
        stats.sent(),
        stats.late,
        stats.rejected()
    )
}

/// The counts of each stream, where there are several.
fn by_stream(stats: &Stats) -> String {
    if !(2..=MAX_LISTED_STREAMS).contains(&stats.streams.len()) {
        return String::new();
    }
    let streams = stats.streams.iter().map(|stream| {
        let paused = if stream.paused_at.is_some() { " paused" } else { "" };
        match stream.rejected() {
            0 => format!("{} {}{paused}", stream.name, stream.sent),
            rejected => format!("{} {} ({rejected} rejected){paused}", stream.name, stream.sent),
        }
    });
    format!("; {}", streams.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::stats::HistoryStats;

    fn stats() -> Stats {
        let mut stats = Stats::new(1);
        (stats.lane, stats.alerts, stats.late) = (Lane::Live, 1200, 3);
        stats.published_until = Some(Timestamp::from_millis(5_000));
        stats.streams[0].sent = 1200;
        stats.streams[0].rejected_by[0] = 2;
        stats
    }

    fn place_of(stats: &Stats, now: i64) -> String {
        place_at(stats, 100.0, Timestamp::from_millis(now))
    }

    #[test]
    fn the_place_names_the_lane_its_progress_and_the_lag() {
        assert_eq!(place_of(&Stats::new(1), 0), "starting");
        let mut stats = stats();
        assert_eq!(place_of(&stats, 5_700), "live, lag 0.7 s");
        stats.lane = Lane::History;
        stats.history = HistoryStats { ranges: (2, 4), rows: 1, total: None };
        assert_eq!(place_of(&stats, 3_605_000), "history, key range 3 of 4, lag 1h");
        stats.history = HistoryStats::default();
        assert_eq!(place_of(&stats, 5_700), "history, lag 0.7 s", "it has just ended");
        stats.history = HistoryStats { ranges: (2, 4), rows: 500, total: Some(12_500) };
        assert_eq!(place_of(&stats, 3_605_000), "history 4 %, 2m left, lag 1h");
        stats.history.rows = 12_501;
        assert_eq!(
            place_of(&stats, 3_605_000),
            "history, key range 3 of 4, lag 1h",
            "more rows came than were counted"
        );
        stats.history.rows = 500;
        stats.published_until = Some(Timestamp::EPOCH);
        assert_eq!(place_of(&stats, 3_605_000), "history 4 %, 2m left", "there is no lag before the first alert");
    }

    #[test]
    fn the_counts_fit_into_80_columns() {
        let mut stats = stats();
        assert_eq!(summary(&stats, false), "1200 alerts, 1200 messages sent, 3 late, 2 rejected");
        assert_eq!(summary(&stats, true), "1200 alerts, 1200 messages would be sent, 3 late, 2 rejected");
        (stats.pushed, stats.push_lag) = (1100, 15);
        assert!(summary(&stats, false).ends_with("2 rejected, 1100 pushed (the last after 15 ms)"));
        stats.uncommitted = 7;
        assert_eq!(short_counts(&stats, false), "1207 alerts, 1200 sent, 3 late, 2 rejected");
        stats.streams[0].paused_at = Some(Timestamp::EPOCH);
        assert!(short_counts(&stats, false).ends_with(", 2 rejected, 1 paused"));
        stats.streams[0].paused_at = None;
        (stats.alerts, stats.streams[0].sent) = (123_456_789, 123_456_789);
        let line = format!("{}: 1523/s, {}", place_of(&stats, 5_700), short_counts(&stats, false));
        assert!(line.len() + 2 <= 80, "{line}");
    }

    #[test]
    fn durations_and_rates_have_few_digits() {
        let short = |seconds| short_duration(Duration::from_secs_f64(seconds));
        assert_eq!([0.72, 99.94, 150.0, 11_530.0, 450_000.0].map(short), ["0.7 s", "99.9 s", "2m", "3h12m", "5d5h"]);
        assert_eq!([0.0, 0.25, 9.96, 299.6].map(format_rate), ["0", "0.2", "10.0", "300"]);
    }

    #[test]
    fn streams_are_listed_where_there_are_several() {
        let mut stats = Stats::new(2);
        assert_eq!(by_stream(&Stats::new(1)), "");
        for (stream, name) in stats.streams.iter_mut().zip(["full", "bright"]) {
            stream.name = name.to_owned();
        }
        (stats.streams[0].sent, stats.streams[1].rejected_by[0]) = (5, 2);
        assert_eq!(by_stream(&stats), "; full 5, bright 0 (2 rejected)");
        stats.streams[0].paused_at = Some(Timestamp::EPOCH);
        assert_eq!(by_stream(&stats), "; full 5 paused, bright 0 (2 rejected)");
    }
}

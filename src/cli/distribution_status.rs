//! The status of a running distribution: one line on a terminal, else a log line every 10 s.

use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Context;
use crate::distribution::stats::{Lane, Stats};

/// Time between two log lines without a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// The rate is averaged over this time.
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// The status of a distribution.
pub struct StatusLine {
    bar: ProgressBar,
    is_job: bool,
    logged_at: Instant,
    logged_alerts: u64,
    rate_start: Instant,
    rate_start_alerts: u64,
    rate: f64,
}

impl StatusLine {
    /// Starts a status line, with a progress bar over the key ranges for a job.
    pub fn new(context: &Context, is_job: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let template = if is_job { "{bar:24} {msg}" } else { "{spinner} {msg}" };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = if context.bars().is_hidden() { bar } else { context.bars().add(bar) };
        let now = Instant::now();
        Self { bar, is_job, logged_at: now, logged_alerts: 0, rate_start: now, rate_start_alerts: 0, rate: 0.0 }
    }

    /// Updates the line.
    pub fn show(&mut self, stats: &Stats) {
        let elapsed = self.rate_start.elapsed();
        if elapsed >= RATE_WINDOW || self.rate == 0.0 && stats.alerts > 0 {
            self.rate = (stats.alerts - self.rate_start_alerts) as f64 / elapsed.as_secs_f64().max(0.001);
            (self.rate_start, self.rate_start_alerts) = (Instant::now(), stats.alerts);
        }
        if self.bar.is_hidden() {
            // No line without new alerts: an idle service should not fill the log.
            let is_news = stats.alerts > self.logged_alerts || stats.lane == Lane::History;
            if self.logged_at.elapsed() >= LOG_INTERVAL && is_news {
                (self.logged_at, self.logged_alerts) = (Instant::now(), stats.alerts);
                log::info!("{}", line(stats, self.rate, now()));
            }
            return;
        }
        if self.is_job {
            self.bar.set_length(stats.ranges.1.max(1) as u64);
            self.bar.set_position(stats.ranges.0 as u64);
        }
        self.bar.set_message(line(stats, self.rate, now()));
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn line(stats: &Stats, rate: f64, now: i64) -> String {
    let lane = match stats.lane {
        Lane::Start => return "starting".to_owned(),
        Lane::History => {
            format!("history, key range {} of {}", (stats.ranges.0 + 1).min(stats.ranges.1), stats.ranges.1)
        }
        Lane::Live => match stats.seen_until {
            0 => "live".to_owned(),
            seen => format!("live, lag {:.1} s", (now - seen).max(0) as f64 / 1000.0),
        },
    };
    format!("{lane}: {rate:.0} alerts/s, {}", summary(stats))
}

/// The counts, for the end of a log line.
pub fn summary(stats: &Stats) -> String {
    let skipped = match stats.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} rows skipped"),
    };
    format!(
        "{} alerts, {} messages sent, {} late, {} rejected{skipped}",
        stats.alerts,
        stats.sent(),
        stats.late,
        stats.rejected()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_an_operator_asks() {
        let mut stats = Stats::new(1);
        assert_eq!(line(&stats, 0.0, 0), "starting");
        (stats.lane, stats.alerts, stats.late, stats.seen_until) = (Lane::Live, 1200, 3, 5_000);
        stats.streams[0].sent = 1200;
        stats.streams[0].rejected = 2;
        assert_eq!(
            line(&stats, 299.6, 5_700),
            "live, lag 0.7 s: 300 alerts/s, 1200 alerts, 1200 messages sent, 3 late, 2 rejected"
        );
        (stats.lane, stats.ranges, stats.skipped) = (Lane::History, (2, 4), 1);
        assert!(line(&stats, 1.0, 0).ends_with("2 rejected, 1 rows skipped"));
        assert!(line(&stats, 1.0, 0).starts_with("history, key range 3 of 4: 1 alerts/s"));
    }
}

//! What a distribution shows while it works: one line on a terminal, a line of log now and then elsewhere.

use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Context;
use crate::distribution::counts::{Counts, Lane};

/// Time between two lines of log where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);
/// The rate is that of the last few seconds.
const RATE_OVER: Duration = Duration::from_secs(5);

/// The status of a distribution.
pub struct StatusLine {
    bar: ProgressBar,
    is_job: bool,
    told: Instant,
    told_alerts: u64,
    since: Instant,
    since_alerts: u64,
    rate: f64,
}

impl StatusLine {
    /// A status line; for a job a bar over its key ranges.
    pub fn new(context: &Context, is_job: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let template = if is_job { "{bar:24} {msg}" } else { "{spinner} {msg}" };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = if context.bars().is_hidden() { bar } else { context.bars().add(bar) };
        let now = Instant::now();
        Self { bar, is_job, told: now, told_alerts: 0, since: now, since_alerts: 0, rate: 0.0 }
    }

    /// Shows how things stand.
    pub fn show(&mut self, counts: &Counts) {
        let elapsed = self.since.elapsed();
        if elapsed >= RATE_OVER || self.rate == 0.0 && counts.alerts > 0 {
            self.rate = (counts.alerts - self.since_alerts) as f64 / elapsed.as_secs_f64().max(0.001);
            (self.since, self.since_alerts) = (Instant::now(), counts.alerts);
        }
        if self.bar.is_hidden() {
            // Silence says that all is well and nothing new.
            let is_news = counts.alerts > self.told_alerts || counts.lane == Lane::History;
            if self.told.elapsed() >= EVERY && is_news {
                (self.told, self.told_alerts) = (Instant::now(), counts.alerts);
                log::info!("{}", line(counts, self.rate, now()));
            }
            return;
        }
        if self.is_job {
            self.bar.set_length(counts.ranges.1.max(1) as u64);
            self.bar.set_position(counts.ranges.0 as u64);
        }
        self.bar.set_message(line(counts, self.rate, now()));
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn line(counts: &Counts, rate: f64, now: i64) -> String {
    let lane = match counts.lane {
        Lane::Start => return "starting".to_owned(),
        Lane::History => {
            format!("the past, key range {} of {}", (counts.ranges.0 + 1).min(counts.ranges.1), counts.ranges.1)
        }
        Lane::Live => match counts.seen_until {
            0 => "live".to_owned(),
            seen => format!("live, {:.1} s behind now", (now - seen).max(0) as f64 / 1000.0),
        },
    };
    format!("{lane}: {rate:.0} alerts/s, {}", summary(counts))
}

/// The counts in words.
pub fn summary(counts: &Counts) -> String {
    let skipped = match counts.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} rows skipped"),
    };
    format!(
        "{} alerts, {} messages sent, {} late, {} rejected{skipped}",
        counts.alerts,
        counts.sent(),
        counts.late,
        counts.rejected()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_an_operator_asks() {
        let mut counts = Counts::new(1);
        assert_eq!(line(&counts, 0.0, 0), "starting");
        (counts.lane, counts.alerts, counts.late, counts.seen_until) = (Lane::Live, 1200, 3, 5_000);
        counts.streams[0].sent = 1200;
        counts.streams[0].rejected = 2;
        assert_eq!(
            line(&counts, 299.6, 5_700),
            "live, 0.7 s behind now: 300 alerts/s, 1200 alerts, 1200 messages sent, 3 late, 2 rejected"
        );
        (counts.lane, counts.ranges, counts.skipped) = (Lane::History, (2, 4), 1);
        assert!(line(&counts, 1.0, 0).ends_with("2 rejected, 1 rows skipped"));
        assert!(line(&counts, 1.0, 0).starts_with("the past, key range 3 of 4: 1 alerts/s"));
    }
}

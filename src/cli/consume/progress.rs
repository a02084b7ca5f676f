//! A consumer's progress on stderr: one line that is written anew on a terminal, a line of log now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::context::Context;
use crate::consume::poll_loop::Summary;
use crate::consume::table::age;
use crate::messages::Snapshot;

/// Time between two lines on a terminal, and in a log.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The line of progress.
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    /// `saved`, `read` or `loaded`
    done: &'static str,
    began: Instant,
    next: Instant,
    /// when the rate was last taken, and the alerts then
    rate_at: (Instant, u64),
    rate: f64,
}

impl ProgressLine {
    /// On a terminal where `on_terminal`; else only in the log.
    pub fn new(context: &Context, done: &'static str, on_terminal: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let bar = match context.bars().is_hidden() || !on_terminal {
            true => bar,
            false => context.bars().add(bar),
        };
        let now = Instant::now();
        Self { bar, done, began: now, next: now + DRAW_INTERVAL, rate_at: (now, 0), rate: 0.0 }
    }

    /// Writes the line, if it is time.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let hidden = self.bar.is_hidden();
        self.next = now + if hidden { LOG_INTERVAL } else { DRAW_INTERVAL };
        let since = now.duration_since(self.rate_at.0);
        if since >= Duration::from_secs(2) || self.rate == 0.0 {
            let alerts = snapshot.alerts;
            self.rate = (alerts - self.rate_at.1) as f64 / since.as_secs_f64();
            self.rate_at = (now, alerts);
        }
        let text = self.text(snapshot);
        match hidden {
            false => self.bar.set_message(text),
            // The first line of a log would say nothing yet.
            true if self.began.elapsed() >= LOG_INTERVAL => log::info!("{text}"),
            true => {}
        }
    }

    /// The text of the line.
    pub fn text(&self, snapshot: &Snapshot) -> String {
        line(snapshot, self.done, self.rate)
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Takes the line away and says what was done.
    pub fn finish(self, summary: &Summary) {
        self.clear();
        log::info!("{}", summary_text(summary, self.done, self.began.elapsed()));
        if summary.by_topic.len() > 1 {
            for (topic, alerts) in &summary.by_topic {
                log::info!("{topic}: {}", count(*alerts, "alert"));
            }
        }
    }
}

/// At most 79 characters.
fn line(snapshot: &Snapshot, done: &str, rate: f64) -> String {
    let behind = match (snapshot.behind, snapshot.late) {
        (Some(0), _) => "  at the end".to_owned(),
        (Some(behind), Some(late)) => format!("  {} behind ({})", grouped(behind), age(late)),
        (Some(behind), None) => format!("  {} behind", grouped(behind)),
        (None, _) => String::new(),
    };
    let partitions = snapshot.partitions;
    let plural = if partitions == 1 { "" } else { "s" };
    let mut text = format!("{} {done}  {rate:.0}/s{behind}  {partitions} partition{plural}", grouped(snapshot.alerts));
    text.truncate(79);
    text
}

fn summary_text(summary: &Summary, done: &str, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let mut text =
        format!("{} {done}, {}, in {seconds:.1} s", count(summary.alerts, "alert"), megabytes(summary.bytes));
    if summary.files > 0 {
        text.push_str(&format!("; {}, {}", count(summary.files, "file"), megabytes(summary.file_bytes)));
    }
    let others = [(summary.refused, "refused"), (summary.known, "saved before"), (summary.broken, "broken")];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("; {} {what}", grouped(count)));
    }
    text
}

/// `1 alert`, `2 alerts`
fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        ..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let snapshot = Snapshot { alerts: 1234, behind: Some(789), late: Some(14_000), partitions: 4 };
        assert_eq!(line(&snapshot, "saved", 56.2), "1,234 saved  56/s  789 behind (14s)  4 partitions");
        let snapshot = Snapshot { alerts: u64::MAX, behind: Some(u64::MAX), late: Some(i64::MAX), partitions: 100_000 };
        assert!(line(&snapshot, "saved", 1e9).len() <= 79);
    }
}

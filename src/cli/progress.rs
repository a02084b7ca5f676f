//! Progress: a bar on a terminal, else a log line every 10 s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::context::Context;
use super::distribution_status::format_rate;

/// Time between two log lines without a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

const WITH_TOTAL: &str = "{bar:20} {human_pos} of {human_len} {msg}, {rate}, {eta} left";
const WITHOUT_TOTAL: &str = "{spinner} {human_pos} {msg}, {rate}, {elapsed}";
const BYTES: &str = "{bar:20} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// The progress of a command. Threads can share it.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    start: Instant,
    /// seconds after `start` at which the next line is due
    due: AtomicU64,
}

impl Progress {
    /// Progress over `total` things (`None`: unknown); `what` is their name in the plural.
    pub fn new(context: &Context, what: &'static str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(style(total.is_some()));
        bar.set_message(what);
        let bar = match context.bars().is_hidden() {
            true => bar,
            false => context.bars().add(bar),
        };
        Self { bar, what, start: Instant::now(), due: AtomicU64::new(LOG_INTERVAL.as_secs()) }
    }

    /// Progress over a number of bytes.
    pub fn bytes(context: &Context, total: u64) -> Self {
        let progress = Self::new(context, "bytes", Some(total));
        progress.bar.set_style(parsed(BYTES));
        progress
    }

    /// Adds `count` finished things.
    pub fn add(&self, count: u64) {
        self.bar.inc(count);
        self.log_if_due();
    }

    /// Sets the number of finished things.
    pub fn set(&self, count: u64) {
        self.bar.set_position(count);
        self.log_if_due();
    }

    /// Sets the total.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(true));
    }

    /// The number of finished things.
    pub fn count(&self) -> u64 {
        self.bar.position()
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn log_if_due(&self) {
        if !self.bar.is_hidden() {
            return;
        }
        let (now, due) = (self.start.elapsed().as_secs(), self.due.load(Ordering::Relaxed));
        let mine = now >= due
            && self
                .due
                .compare_exchange(due, now + LOG_INTERVAL.as_secs(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            let of = self.bar.length().map(|total| format!(" of {total}")).unwrap_or_default();
            log::info!("{}{of} {}, {:.0}/s", self.count(), self.what, self.count() as f64 / now as f64);
        }
    }
}

fn style(with_total: bool) -> ProgressStyle {
    parsed(if with_total { WITH_TOTAL } else { WITHOUT_TOTAL })
}

fn parsed(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // indicatif's own rate has four decimals.
    style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _unheard = write!(out, "{}/s", format_rate(state.per_sec()));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL, BYTES] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

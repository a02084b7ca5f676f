//! Progress: a bar on a terminal, a line of log now and then elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context::Context;

/// Time between two lines of log where there is no bar.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How far a command is. Threads may share it.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    start: Instant,
    /// seconds after `start` at which the next line is due
    due: AtomicU64,
}

impl Progress {
    /// Progress of `total` things (`None`: nobody knows how many), named in the plural by `what`.
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

    /// `count` more are done.
    pub fn add(&self, count: u64) {
        self.bar.inc(count);
        self.log_if_due();
    }

    /// `count` are done in all.
    pub fn set(&self, count: u64) {
        self.bar.set_position(count);
        self.log_if_due();
    }

    /// Now the total is known, or another.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(true));
    }

    /// How many are done.
    pub fn count(&self) -> u64 {
        self.bar.position()
    }

    /// Takes the bar away.
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
            log::info!("{}{of} {}, {:.0} a second", self.count(), self.what, self.count() as f64 / now as f64);
        }
    }
}

fn style(with_total: bool) -> ProgressStyle {
    let template = match with_total {
        true => "{bar:30} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left",
        false => "{spinner} {human_pos} {msg}, {per_sec}, {elapsed}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [
            "{bar:30} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left",
            "{spinner} {human_pos} {msg}, {per_sec}, {elapsed}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

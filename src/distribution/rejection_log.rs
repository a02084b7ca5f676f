//! Warnings about rejected alerts: at the first one of a stream, then at most one line a minute for each stream.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between two lines about one stream.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A rejected alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// the key of its row, escaped
    pub row: String,
    pub reason: Arc<str>,
}

/// The rejected alerts of one stream that were not logged yet.
#[derive(Clone, Debug, Default)]
struct Unlogged {
    count: u64,
    first: Option<Rejection>,
    logged: Option<Instant>,
}

/// The rejected alerts of each stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct RejectionLog {
    streams: Vec<Unlogged>,
}

impl RejectionLog {
    /// Adds `count` rejected alerts of a stream; `first` is one of them.
    pub fn add(&mut self, stream: usize, count: u64, first: Rejection) {
        if self.streams.len() <= stream {
            self.streams.resize(stream + 1, Unlogged::default());
        }
        let unlogged = &mut self.streams[stream];
        unlogged.count += count;
        unlogged.first.get_or_insert(first);
    }

    /// The lines that are due at `now`; `all`: also those of streams that were logged less than a minute ago.
    pub fn take_lines(&mut self, names: &[&str], now: Instant, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (unlogged, name) in self.streams.iter_mut().zip(names) {
            let is_due = all || unlogged.logged.is_none_or(|logged| now - logged >= LOG_INTERVAL);
            if is_due && let Some(Rejection { row, reason }) = unlogged.first.take() {
                let (count, alerts) = (unlogged.count, if unlogged.count == 1 { "alert" } else { "alerts" });
                (unlogged.count, unlogged.logged) = (0, Some(now));
                lines.push(format!(
                    "stream `{name}`: {count} {alerts} rejected, first row {row}: {}; see `fink rejected list`",
                    in_one_line(&reason)
                ));
            }
        }
        lines
    }
}

/// The first and the last line of a reason: those of a Python traceback name the filter and the error.
fn in_one_line(reason: &str) -> Cow<'_, str> {
    let mut lines = reason.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) => {
            format!("{} {last}", first.trim_end_matches("Traceback (most recent call last):").trim_end()).into()
        }
        _ => reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(row: &str) -> Rejection {
        Rejection { row: row.to_owned(), reason: "it is no alert".into() }
    }

    #[test]
    fn a_traceback_is_one_line() {
        let reason =
            "filter `judge:judge`: Traceback (most recent call last):\n  File \"judge.py\", line 4\nValueError: no\n";
        assert_eq!(in_one_line(reason), "filter `judge:judge`: ValueError: no");
        assert_eq!(in_one_line("the cell has 3 bytes"), "the cell has 3 bytes");
    }

    #[test]
    fn a_stream_is_logged_at_once_then_once_a_minute_with_the_first_reason() {
        let (mut log, start) = (RejectionLog::default(), Instant::now());
        let lines = |log: &mut RejectionLog, seconds, all| {
            log.take_lines(&["full", "bright"], start + Duration::from_secs(seconds), all)
        };
        log.add(1, 1, rejection("a"));
        let expected = "stream `bright`: 1 alert rejected, first row a: it is no alert; see `fink rejected list`";
        assert_eq!(lines(&mut log, 0, false), [expected]);
        log.add(1, 4, rejection("b"));
        log.add(1, 5, rejection("c"));
        assert!(lines(&mut log, 59, false).is_empty());
        assert!(lines(&mut log, 60, false)[0].contains("9 alerts rejected, first row b"));
        log.add(0, 2, rejection("d"));
        log.add(1, 2, rejection("e"));
        assert!(lines(&mut log, 61, false)[0].starts_with("stream `full`"));
        assert!(lines(&mut log, 62, true)[0].contains("first row e"));
    }
}

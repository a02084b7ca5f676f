//! Metrics of a running distribution over HTTP: `/metrics` for Prometheus, `/healthz`, `/readyz`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::service_status::{LatestStats, lane};
use crate::distribution::stats::{Lane, Stats, StreamStats};
use crate::http_server::{HttpServer, Response, RunningServer};
use crate::timestamp::Timestamp;

/// A service with a longer lag is not ready.
const MAX_READY_LAG: Duration = Duration::from_secs(60);

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers requests about the distribution with the newest statistics, until the result is dropped.
///
/// # Errors
/// The address is in use, or not one of this machine.
pub(super) fn serve(address: SocketAddr, name: &str, latest: &LatestStats) -> anyhow::Result<RunningServer> {
    let server = HttpServer::bind(address).with_context(|| format!("cannot listen on metrics.listen = {address}"))?;
    log::info!("metrics on http://{}/metrics", server.address());
    let (name, latest) = (name.to_owned(), latest.clone());
    Ok(server.serve(move |request| {
        let (stats, rate) = latest.get();
        match request.path.as_str() {
            "/metrics" => Response::ok(METRICS_TYPE, metrics(&stats, rate, &name, Timestamp::now()).into_bytes()),
            "/healthz" => Response::ok(TEXT, b"ok\n".to_vec()),
            "/readyz" => match not_ready(&stats, Timestamp::now()) {
                None => Response::ok(TEXT, b"ready\n".to_vec()),
                Some(reason) => Response::error(503, &reason),
            },
            "/" => Response::ok(TEXT, b"/metrics\n/healthz\n/readyz\n".to_vec()),
            _ => Response::error(404, "not found"),
        }
    }))
}

/// Why the service is not ready; `None`: it is connected and its lag is short.
fn not_ready(stats: &Stats, now: Timestamp) -> Option<String> {
    match (stats.lane, stats.lag(now)) {
        (Lane::Live, Some(lag)) if lag <= MAX_READY_LAG => None,
        (Lane::Start, _) => Some("starting: the science database or kafka has not answered yet".to_owned()),
        (at, Some(lag)) => {
            Some(format!("{}, lag {:.1} s, more than {} s", lane(at), lag.as_secs_f64(), MAX_READY_LAG.as_secs()))
        }
        (at, None) => Some(format!("{}: nothing recent is published yet", lane(at))),
    }
}

/// The text of Prometheus' exposition format 0.0.4.
struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string does not fail.
        let _written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample of the metric that was begun last.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _written = writeln!(self.text, "{name}{labels} {value}");
    }

    /// A metric with one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// The value of a label: backslash, quote and line feed are escaped.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1000.0
}

fn metrics(stats: &Stats, rate: f64, name: &str, now: Timestamp) -> String {
    let mut out = Exposition { text: String::new() };
    out.metric("fink_build_info", "gauge", "The version of fink and the distribution.name; always 1.");
    out.sample("fink_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("distribution", name)], 1.0);
    out.metric("fink_lane", "gauge", "The lane that is at work: 1 for one of starting, history and live.");
    for each in [Lane::Start, Lane::History, Lane::Live] {
        out.sample("fink_lane", &[("lane", lane(each))], f64::from(u8::from(each == stats.lane)));
    }
    if let Some(lag) = stats.lag(now) {
        let help = "Now minus the time before which everything that was visible is published.";
        out.single("fink_lag_seconds", "gauge", help, lag.as_secs_f64());
    }
    if let Some(until) = stats.published_until {
        let help = "The time before which everything that was visible is published.";
        out.single("fink_published_until_timestamp_seconds", "gauge", help, seconds(until));
    }
    let help = "The watermark of the checkpoint.";
    out.single("fink_watermark_timestamp_seconds", "gauge", help, seconds(stats.watermark));
    if let Some(progress) = stats.history.progress().filter(|_| stats.lane == Lane::History) {
        out.single(
            "fink_history_progress_ratio",
            "gauge",
            "Rows of the history lane that were read, of all.",
            progress,
        );
    }
    out.single("fink_alerts_per_second", "gauge", "Alerts of the last seconds.", rate);
    for (name, help, value) in [
        ("fink_alerts_total", "Alerts that were committed.", stats.alerts),
        ("fink_alerts_late_total", "Alerts whose row became visible after the live lane had passed it.", stats.late),
        ("fink_rows_read_total", "Rows that scans returned.", stats.rows),
        ("fink_rows_skipped_total", "Rows that are no alerts, by science_db.skip_rows.", stats.skipped),
    ] {
        out.single(name, "counter", help, value as f64);
    }
    let help = "Rows with timestamps in the future, when last scanned.";
    out.single("fink_rows_ahead", "gauge", help, stats.ahead as f64);
    type Count = fn(&StreamStats) -> u64;
    let of_streams: [(&str, &str, Count); 4] = [
        ("fink_stream_messages_total", "Messages that were committed.", |stream| stream.sent),
        ("fink_stream_message_bytes_total", "Bytes of the values of these messages.", |stream| stream.bytes),
        ("fink_stream_refused_total", "Alerts that rules or filters refused.", |stream| stream.refused.iter().sum()),
        ("fink_stream_rejected_total", "Alerts that went to the rejected topic.", |stream| stream.rejected),
    ];
    for (name, help, count) in of_streams {
        out.metric(name, "counter", help);
        for stream in &stats.streams {
            out.sample(name, &[("stream", &stream.name), ("topic", &stream.topic)], count(stream) as f64);
        }
    }
    if let Some(process) = Process::read() {
        let help = "Resident memory size in bytes.";
        out.single("process_resident_memory_bytes", "gauge", help, process.resident_bytes as f64);
        out.single("process_threads", "gauge", "Number of threads.", process.threads as f64);
        out.single("process_open_fds", "gauge", "Number of open file descriptors.", process.open_fds as f64);
    }
    out.text
}

/// What the system tells about this process.
#[derive(Clone, Copy, Debug)]
struct Process {
    resident_bytes: u64,
    threads: u64,
    open_fds: u64,
}

impl Process {
    /// Reads `/proc/self`, proc(5); `None` where there is none.
    fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            resident_bytes: value("VmRSS:")? << 10,
            threads: value("Threads:")?,
            open_fds: std::fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        let mut stats = Stats::new(1);
        (stats.lane, stats.alerts, stats.published_until) = (Lane::Live, 5, Some(Timestamp::from_millis(1_000)));
        (stats.streams[0].name, stats.streams[0].sent) = ("a \"b\" \\".to_owned(), 4);
        stats
    }

    #[test]
    fn counts_and_lag_are_in_prometheus_text_format() {
        let text = metrics(&stats(), 2.5, "fink", Timestamp::from_millis(3_500));
        for line in [
            "# TYPE fink_lag_seconds gauge",
            "fink_lag_seconds 2.5",
            "fink_alerts_total 5",
            "fink_lane{lane=\"live\"} 1",
            "fink_lane{lane=\"history\"} 0",
            "fink_stream_messages_total{stream=\"a \\\"b\\\" \\\\\",topic=\"\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_service_is_ready_in_the_live_lane_with_a_short_lag() {
        let mut stats = stats();
        assert_eq!(not_ready(&stats, Timestamp::from_millis(3_500)), None);
        let late = not_ready(&stats, Timestamp::from_millis(90_000));
        assert_eq!(late.as_deref(), Some("live, lag 89.0 s, more than 60 s"));
        stats.lane = Lane::Start;
        assert!(not_ready(&stats, Timestamp::from_millis(3_500)).is_some_and(|reason| reason.starts_with("starting")));
    }
}

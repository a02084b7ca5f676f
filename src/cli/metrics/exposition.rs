//! The metrics of a distribution in Prometheus' text format.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::process::Process;
use crate::cli::service_status::lane;
use crate::distribution::instruments::{Instruments, ServerHealth};
use crate::distribution::stats::{Lane, Stats, StreamStats};
use crate::distribution::verdict::RejectClass;
use crate::timestamp::Timestamp;

/// What is exposed at one time.
#[derive(Debug)]
pub(super) struct Exposition {
    pub name: String,
    pub stats: Stats,
    /// alerts per second
    pub rate: f64,
    pub instruments: Instruments,
    /// `None`: unknown on this system
    pub process: Option<Process>,
    pub started: Timestamp,
    pub now: Timestamp,
}

impl Exposition {
    /// The text of Prometheus' exposition format 0.0.4.
    ///
    /// # Errors
    /// None: writing into a string does not fail.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).map(|()| text)
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes metrics, each with its samples.
struct Metrics<'a>(DescriptorEncoder<'a>);

impl Metrics<'_> {
    fn gauges<'b, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'b>, V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    /// The name is written with the suffix `_total`.
    fn counters<'b, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'b>, V)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&value, None)
        })
    }

    fn histograms<'b>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'b>, &'b Histogram)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        samples.into_iter().try_for_each(|(labels, histogram)| histogram.encode(metric.encode_family(&labels)?))
    }

    fn gauge<V: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: V) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    fn counter<V: EncodeCounterValue>(&mut self, name: &str, help: &str, value: V) -> fmt::Result {
        self.counters(name, help, [(Labels::new(), value)])
    }

    fn histogram(&mut self, name: &str, help: &str, value: &Histogram) -> fmt::Result {
        self.histograms(name, help, [(Labels::new(), value)])
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Metrics(encoder);
        let build = vec![("version", env!("CARGO_PKG_VERSION")), ("distribution", self.name.as_str())];
        out.gauges("fink_build_info", "The version of fink and the distribution.name; always 1.", [(build, 1)])?;
        self.progress(&mut out)?;
        self.counts(&mut out)?;
        self.streams(&mut out)?;
        self.durations(&mut out)?;
        self.servers(&mut out)?;
        self.process(&mut out)
    }
}

impl Exposition {
    fn progress(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let Self { stats, now, .. } = self;
        let lanes = [Lane::Start, Lane::History, Lane::Live];
        let lanes = lanes.map(|each| (vec![("lane", lane(each))], u32::from(each == stats.lane)));
        out.gauges("fink_lane", "The lane that is at work: 1 for one of starting, history and live.", lanes)?;
        if let Some(lag) = stats.lag(*now) {
            let help = "Now minus the time before which everything that was visible is published.";
            out.gauge("fink_lag_seconds", help, lag.as_secs_f64())?;
        }
        if let Some(until) = stats.published_until {
            let help = "The time before which everything that was visible is published.";
            out.gauge("fink_published_until_timestamp_seconds", help, seconds(until))?;
        }
        out.gauge("fink_watermark_timestamp_seconds", "The watermark of the checkpoint.", seconds(stats.watermark))?;
        if let Some(progress) = stats.history.progress().filter(|_| stats.lane == Lane::History) {
            out.gauge("fink_history_progress_ratio", "Rows of the history lane that were read, of all.", progress)?;
        }
        if let Some(committed) = stats.checkpoint_at {
            let age = committed.elapsed().as_secs_f64();
            out.gauge("fink_checkpoint_age_seconds", "Time since the last commit of the checkpoint.", age)?;
        }
        out.gauge("fink_ledger_alerts", "Alerts that the ledger lists.", stats.ledger_alerts)?;
        out.gauge("fink_ledger_bytes", "Memory of the ledger.", stats.ledger_bytes)
    }

    fn counts(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let Self { stats, rate, .. } = self;
        out.gauge("fink_alerts_per_second", "Alerts of the last seconds.", *rate)?;
        let late = "Alerts whose row became visible after the live lane had passed it.";
        let skipped = "Rows that are no alerts, by science_db.skip_rows.";
        out.counter("fink_alerts", "Alerts that were committed.", stats.alerts)?;
        out.counter("fink_alerts_late", late, stats.late)?;
        out.counter("fink_rows_read", "Rows that scans returned.", stats.rows)?;
        out.counter("fink_rows_skipped", skipped, stats.skipped)?;
        out.counter("fink_rows_pushed", "Rows that HBase pushed before a scan found them.", stats.pushed)?;
        out.gauge("fink_rows_ahead", "Rows with timestamps in the future, when last scanned.", stats.ahead)
    }

    fn streams(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let mut of_streams = |name, help, count: fn(&StreamStats) -> u64| {
            out.counters(name, help, self.stats.streams.iter().map(|stream| (labels(stream), count(stream))))
        };
        of_streams("fink_stream_messages", "Messages that were committed.", |stream| stream.sent)?;
        of_streams("fink_stream_message_bytes", "Bytes of the values of these messages.", |stream| stream.bytes)?;
        let help = "Alerts that rules or filters refused.";
        of_streams("fink_stream_refused", help, |stream| stream.refused.iter().sum())?;
        let help = "Alerts that went to the rejected topic, by what rejected them: rules, filter, encoding or size.";
        let rejected = self.stats.streams.iter().flat_map(|stream| {
            RejectClass::ALL.map(|class| {
                let mut labels = labels(stream);
                labels.push(("reason", class.name()));
                (labels, stream.rejected_by[class.index()])
            })
        });
        out.counters("fink_stream_rejected", help, rejected)
    }

    fn durations(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let Instruments { scans, trigger_scans, gets, filters, encodings, push_lags, commits, aborts, .. } =
            &self.instruments;
        let request = |name| vec![("request", name)];
        let requests = [(request("scan"), scans), (request("scan_triggers"), trigger_scans), (request("get"), gets)];
        let help = "Duration of requests to the science database for a page of rows, of the trigger cells of rows, or of rows by key.";
        out.histograms("fink_scan_duration_seconds", help, requests)?;
        let help = "Duration of the Python filters of a page.";
        out.histogram("fink_filter_duration_seconds", help, filters)?;
        let help = "Duration of rules and encoding of a page, for all streams.";
        out.histogram("fink_encode_duration_seconds", help, encodings)?;
        let help = "Time from the first write in a call of a region server that pushes rows to its arrival.";
        out.histogram("fink_push_lag_seconds", help, push_lags)?;
        out.histogram("fink_commit_duration_seconds", "Duration of the commit of a transaction.", commits)?;
        let help = "Transactions that were aborted; their alerts are read again.";
        out.counter("fink_transactions_aborted", help, aborts.get())
    }

    fn servers(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let Instruments { science_db, kafka, .. } = &self.instruments;
        let servers: [(&str, &ServerHealth); 2] = [("science_db", science_db), ("kafka", kafka)];
        let label = |server| vec![("server", server)];
        let help = "Requests without an answer, which are made again; for Kafka, checks of the connection.";
        out.counters("fink_retries", help, servers.map(|(name, health)| (label(name), health.retries.get())))?;
        let help = "Outages that have begun.";
        out.counters("fink_outages", help, servers.map(|(name, health)| (label(name), health.outages.get())))?;
        let help = "How long the present outage has lasted; 0: the server answers.";
        let outage = |health: &ServerHealth| health.outage(self.now).unwrap_or(Duration::ZERO).as_secs_f64();
        out.gauges("fink_outage_seconds", help, servers.map(|(name, health)| (label(name), outage(health))))
    }

    fn process(&self, out: &mut Metrics<'_>) -> fmt::Result {
        let help = "Start time of the process since the Unix epoch in seconds.";
        out.gauge("process_start_time_seconds", help, seconds(self.started))?;
        let Some(process) = self.process else { return Ok(()) };
        let help = "Total user and system CPU time spent in seconds.";
        out.counter("process_cpu_seconds", help, process.cpu.as_secs_f64())?;
        out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", process.resident_bytes)?;
        out.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtual_bytes)?;
        out.gauge("process_threads", "Number of threads.", process.threads)?;
        out.gauge("process_open_fds", "Number of open file descriptors.", process.open_fds)?;
        match process.max_fds {
            Some(max) => out.gauge("process_max_fds", "Maximum number of open file descriptors.", max),
            None => Ok(()),
        }
    }
}

fn labels(stream: &StreamStats) -> Labels<'_> {
    vec![("stream", &stream.name), ("topic", &stream.topic)]
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lag_and_durations_are_in_prometheus_text_format() {
        let mut stats = Stats::new(1);
        (stats.lane, stats.alerts, stats.published_until) = (Lane::Live, 5, Some(Timestamp::from_millis(1_000)));
        let stream = &mut stats.streams[0];
        (stream.name, stream.sent) = ("a \"b\" \\".to_owned(), 4);
        stream.reject(RejectClass::Filter);
        let instruments = Instruments::default();
        instruments.commits.observe(0.003);
        instruments.kafka.begin_outage(Timestamp::from_millis(3_000));
        let exposition = Exposition {
            name: "fink".to_owned(),
            stats,
            rate: 2.5,
            instruments,
            process: Process::read(),
            started: Timestamp::from_millis(500),
            now: Timestamp::from_millis(3_500),
        };
        let text = exposition.text().expect("text");
        for line in [
            "# TYPE fink_lag_seconds gauge",
            "fink_lag_seconds 2.5",
            "# TYPE fink_alerts_total counter",
            "fink_alerts_total 5",
            "fink_lane{lane=\"live\"} 1",
            "fink_lane{lane=\"history\"} 0",
            "fink_stream_messages_total{stream=\"a \\\"b\\\" \\\\\",topic=\"\"} 4",
            "fink_stream_rejected_total{stream=\"a \\\"b\\\" \\\\\",topic=\"\",reason=\"filter\"} 1",
            "# TYPE fink_commit_duration_seconds histogram",
            "fink_commit_duration_seconds_bucket{le=\"0.0025\"} 0",
            "fink_commit_duration_seconds_bucket{le=\"0.005\"} 1",
            "fink_commit_duration_seconds_count 1",
            "fink_scan_duration_seconds_count{request=\"get\"} 0",
            "fink_outages_total{server=\"kafka\"} 1",
            "fink_outage_seconds{server=\"kafka\"} 0.5",
            "fink_outage_seconds{server=\"science_db\"} 0.0",
        ] {
            assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
        }
        assert!(text.ends_with('\n'));
    }
}

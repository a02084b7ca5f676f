//! Consumes the topics of the demonstration to their end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use crate::cli::alert_table::AlertReader;
use crate::distribution::settings::Settings;
use crate::distribution::stats::Stats;
use crate::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use crate::signals::Stop;

/// How long the embedded Kafka may take to deliver all messages.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(60);

/// A consumed alert.
pub(super) struct ReadAlert {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// by [`COLUMNS`](crate::cli::alert_table::COLUMNS)
    pub(super) cells: [Value; 6],
}

/// Consumes the topic of every stream to its end, and checks that it contains as many alerts as were sent, none of them twice. Sorted by
/// topic, then by the time of the alerts.
///
/// # Errors
/// The consumed alerts differ from those sent, or Kafka failed.
pub(super) fn read_topics(settings: &Settings, stats: &Stats, stop: &Stop) -> anyhow::Result<Vec<ReadAlert>> {
    let topics: Vec<String> = settings.streams.iter().map(|stream| stream.topic.clone()).collect();
    let options = ConsumerOptions { topics, group: None, start: StartAt::Earliest, timeout: KAFKA_TIMEOUT };
    let mut consumer = Consumer::open(&settings.kafka, &options)?;
    let mut open: BTreeSet<(String, i32)> = consumer.assigned().into_iter().collect();
    let mut reader = AlertReader::default();
    let mut alerts = Vec::new();
    let deadline = Instant::now() + KAFKA_TIMEOUT;
    while !open.is_empty() && !stop.requested() {
        match consumer.next(Duration::from_millis(100))? {
            Some(Event::Message(message)) => {
                let cells = reader.cells(message.key.as_deref(), message.value.as_deref().unwrap_or_default())?;
                let (topic, partition, offset) = (message.topic, message.partition, message.offset);
                alerts.push(ReadAlert { topic, partition, offset, cells });
            }
            Some(Event::EndOfPartition { topic, partition, .. }) => {
                open.remove(&(topic, partition));
            }
            _ if Instant::now() >= deadline => {
                bail!("the embedded Kafka did not deliver all messages within {KAFKA_TIMEOUT:?}")
            }
            _ => {}
        }
    }
    if !stop.requested() {
        compare(settings, stats, &alerts)?;
    }
    alerts.sort_by(|a, b| {
        let time = |alert: &ReadAlert| alert.cells[2].as_f64().unwrap_or_default();
        a.topic.cmp(&b.topic).then(time(a).total_cmp(&time(b)))
    });
    Ok(alerts)
}

fn compare(settings: &Settings, stats: &Stats, alerts: &[ReadAlert]) -> anyhow::Result<()> {
    for (stream, stats) in settings.streams.iter().zip(&stats.streams) {
        let of_stream = || alerts.iter().filter(|alert| alert.topic == stream.topic);
        let read = of_stream().count() as u64;
        if read != stats.sent {
            bail!("topic `{}` contains {read} alerts, but {} were sent", stream.topic, stats.sent);
        }
        let mut seen = BTreeSet::new();
        let twice =
            of_stream().map(|alert| &alert.cells[1]).filter(|id| !id.is_null()).find(|id| !seen.insert(id.to_string()));
        if let Some(id) = twice {
            bail!("topic `{}` contains alert {id} twice", stream.topic);
        }
    }
    Ok(())
}

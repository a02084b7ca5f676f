//! Reads what is committed on a topic, up to where it ends at the moment.

use std::time::{Duration, Instant};

use super::error::AuditError;
use crate::cancel::CancellationToken;
use crate::config::KafkaSettings;
use crate::distribution::{ALERT_HEADER, TIMESTAMP_HEADER};
use crate::kafka::Identity;
use crate::kafka::consumer::{ConsumerOptions, Event, StartAt};
use crate::kafka::watermarks::Watermarks;
use crate::kafka::{Admin, Consumer, Message};
use crate::ledger::AlertId;

/// How long brokers may take to answer.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);
/// How long nothing may come before the brokers count as away.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an open transaction is waited for.
const OPEN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a wait goes on without looking whether it should end.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Bounds of the consumer's memory, where the configuration does not set them. Small messages take several times their size.
const MEMORY_BOUNDS: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "10000"),
    ("fetch.max.bytes", "8388608"),
    ("fetch.message.max.bytes", "1048576"),
];

/// An end of a topic that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicEnd {
    /// for each partition: ms since 1970; what was sent before may have been deleted
    pub retained_from: Vec<i64>,
    /// for each partition: the first offset that was not read
    pub ends: Vec<i64>,
    /// a partition whose last messages belong to an open transaction, with the offset at which it begins
    pub open: Option<(i32, i64)>,
}

/// How far one partition was read.
#[derive(Clone, Copy, Debug)]
struct PartitionProgress {
    low: i64,
    high: i64,
    next: i64,
    retained_from: Option<i64>,
    /// the consumer said that there is nothing more to read at present
    is_at_end: bool,
}

/// Reads a topic from `start` up to its present end and gives each committed message to `each`; `None`: the topic does not exist. An open
/// transaction is waited for, a while.
///
/// # Errors
/// Kafka refused or did not answer, the caller gave up, or `each` failed.
pub(super) fn read(
    settings: &KafkaSettings,
    topic: &str,
    start: StartAt,
    cancel: &CancellationToken,
    each: &mut dyn FnMut(&Message) -> Result<(), AuditError>,
    total: &dyn Fn(u64),
) -> Result<Option<TopicEnd>, AuditError> {
    let admin = Admin::open(settings, Identity::User, KAFKA_TIMEOUT)?;
    if admin.partitions(topic)?.is_none() {
        return Ok(None);
    }
    let offsets = admin.watermarks(&[topic])?;
    total(offsets.iter().map(|ends| ends.high.saturating_sub(ends.low).max(0).cast_unsigned()).sum());
    let begin = |ends: &Watermarks| PartitionProgress {
        low: ends.low,
        high: ends.high,
        next: ends.low,
        retained_from: None,
        is_at_end: false,
    };
    let mut progress: Vec<PartitionProgress> = offsets.iter().map(begin).collect();
    let settings = bounded(settings);
    let options = ConsumerOptions { topics: vec![topic.to_owned()], group: None, start, timeout: KAFKA_TIMEOUT };
    let mut consumer = Consumer::open(&settings, &options)?;
    let mut last_message_at = Instant::now();
    let is_left = |at: &&PartitionProgress| at.next < at.high;
    while progress.iter().any(|at| is_left(&at)) {
        if cancel.is_cancelled() {
            return Err(AuditError::Stopped);
        }
        match consumer.next(POLL_INTERVAL)? {
            Some(Event::Message(message)) => {
                last_message_at = Instant::now();
                let Some(at) = progress.get_mut(usize::try_from(message.partition).unwrap_or(usize::MAX)) else {
                    continue;
                };
                at.retained_from = at.retained_from.or(message.timestamp);
                at.next = message.offset + 1;
                at.is_at_end = false;
                if message.offset < at.high {
                    each(&message)?;
                }
            }
            Some(Event::EndOfPartition { partition, offset, .. }) => {
                if let Some(at) = progress.get_mut(usize::try_from(partition).unwrap_or(usize::MAX)) {
                    last_message_at = Instant::now();
                    at.next = at.next.max(offset);
                    at.is_at_end = true;
                }
            }
            Some(Event::Assigned(_) | Event::Revoked(_)) => {}
            None => {
                // The end of what is committed, before the end of the partition: an open transaction lies between.
                let all_at_end = progress.iter().filter(is_left).all(|at| at.is_at_end);
                if all_at_end && last_message_at.elapsed() >= OPEN_TRANSACTION_TIMEOUT {
                    break;
                }
                if last_message_at.elapsed() >= IDLE_TIMEOUT {
                    return Err(consumer
                        .connection()
                        .diagnose_timeout(IDLE_TIMEOUT, &format!("reading topic `{topic}`"))
                        .into());
                }
            }
        }
    }
    let open = progress.iter().enumerate().find(|(_, at)| is_left(at));
    let open = open.map(|(partition, at)| (i32::try_from(partition).unwrap_or_default(), at.next));
    let retained_from = |at: &PartitionProgress| match at.low {
        0 => i64::MIN,
        // Nothing is left of what was there.
        _ => at.retained_from.unwrap_or(i64::MAX),
    };
    Ok(Some(TopicEnd {
        retained_from: progress.iter().map(retained_from).collect(),
        ends: progress.iter().map(|at| at.next.min(at.high)).collect(),
        open,
    }))
}

fn bounded(settings: &KafkaSettings) -> KafkaSettings {
    let mut settings = settings.clone();
    for (option, value) in MEMORY_BOUNDS {
        if settings.librdkafka.iter().all(|(known, _)| known != option) {
            settings.librdkafka.push((option.to_owned(), value.to_owned()));
        }
    }
    settings
}

/// The value of a header.
pub(super) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a [u8]> {
    message.headers.iter().find(|(known, _)| known == name)?.1.as_deref()
}

/// When the row of a message was written, ms since 1970; `None`: no fink sent it.
pub(super) fn timestamp(message: &Message) -> Option<i64> {
    std::str::from_utf8(header(message, TIMESTAMP_HEADER)?).ok()?.parse().ok()
}

/// The id of a message's alert; zero where it has none.
pub(super) fn alert_id(message: &Message) -> u128 {
    header(message, ALERT_HEADER).and_then(AlertId::from_hex).map_or(0, AlertId::hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, &[u8])]) -> Message {
        Message {
            topic: "t".to_owned(),
            partition: 0,
            offset: 0,
            timestamp: None,
            key: None,
            value: None,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.to_vec()))).collect(),
        }
    }

    #[test]
    fn headers_tell_alert_and_time() {
        let id = b"00000000000000000000000000000abc";
        let whole = message(&[(TIMESTAMP_HEADER, b"1572566400000"), (ALERT_HEADER, id)]);
        assert_eq!((timestamp(&whole), alert_id(&whole)), (Some(1_572_566_400_000), 0xabc));
        for strange in [&b"abc"[..], b"+0000000000000000000000000000abcg", b"\xff"] {
            let strange = message(&[(TIMESTAMP_HEADER, strange), (ALERT_HEADER, strange)]);
            assert_eq!((timestamp(&strange), alert_id(&strange)), (None, 0));
        }
        assert_eq!((timestamp(&message(&[])), alert_id(&message(&[]))), (None, 0));
    }
}

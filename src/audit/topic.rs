//! Reads the committed messages of a topic up to its present end.

use std::num::NonZeroU128;
use std::time::{Duration, Instant};

use super::error::AuditError;
use super::topic_scope::Retention;
use crate::cancel::CancellationToken;
use crate::distribution::{ALERT_HEADER, TIMESTAMP_HEADER};
use crate::kafka::KafkaSettings;
use crate::kafka::consumer::{ConsumerOptions, Event, StartAt};
use crate::kafka::{Admin, Consumer, Identity, Message};
use crate::ledger::AlertId;
use crate::timestamp::Timestamp;

/// Time-out of requests to the brokers.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);
/// Time without any message after which the brokers count as unreachable.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for the end of an open transaction.
const OPEN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time without a check for cancellation.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Bounds of the consumer's memory, if the configuration does not set them. Small messages take several times their size.
const MEMORY_BOUNDS: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "10000"),
    ("fetch.max.bytes", "8388608"),
    ("fetch.message.max.bytes", "1048576"),
];

/// The end up to which a topic was read.
#[derive(Clone, Debug)]
pub(super) struct TopicEnd {
    /// what each partition still holds
    pub retained: Vec<Retention>,
    /// for each partition the first offset that was not read
    pub ends: Vec<i64>,
    /// a partition that ends with an open transaction, and the offset at which it begins
    pub open: Option<(u32, i64)>,
}

/// How far a partition was read.
#[derive(Clone, Copy, Debug)]
struct PartitionProgress {
    low: i64,
    high: i64,
    next: i64,
    oldest: Option<Timestamp>,
    /// whether the consumer has nothing more to read at present
    is_at_end: bool,
}

impl PartitionProgress {
    fn is_incomplete(&self) -> bool {
        self.next < self.high
    }

    fn retained(&self) -> Retention {
        match (self.low, self.oldest) {
            (0, _) => Retention::All,
            (_, Some(oldest)) => Retention::Since(oldest),
            (_, None) => Retention::Nothing,
        }
    }
}

/// Reads a topic from `start` up to its present end, and calls `each` with the partition and each committed message. Waits a while for open
/// transactions. Calls `total` with the approximate number of messages. `None`: the topic does not exist.
///
/// # Errors
/// Kafka failed or does not answer, `cancel` was cancelled, or `each` failed.
pub(super) fn read(
    settings: &KafkaSettings,
    topic: &str,
    start: StartAt,
    cancel: &CancellationToken,
    each: &mut dyn FnMut(u32, &Message) -> Result<(), AuditError>,
    total: &dyn Fn(u64),
) -> Result<Option<TopicEnd>, AuditError> {
    let admin = Admin::open(settings, Identity::User, KAFKA_TIMEOUT)?;
    if admin.partitions(topic)?.is_none() {
        return Ok(None);
    }
    let watermarks = admin.watermarks(&[topic])?;
    total(watermarks.iter().map(|ends| ends.high.saturating_sub(ends.low).max(0).cast_unsigned()).sum());
    let mut partitions: Vec<PartitionProgress> = watermarks
        .iter()
        .map(|ends| PartitionProgress {
            low: ends.low,
            high: ends.high,
            next: ends.low,
            oldest: None,
            is_at_end: false,
        })
        .collect();
    let settings = with_memory_bounds(settings);
    let options = ConsumerOptions { topics: vec![topic.to_owned()], group: None, start, timeout: KAFKA_TIMEOUT };
    let mut consumer = Consumer::open(&settings, &options)?;
    let mut last_event = Instant::now();
    while partitions.iter().any(PartitionProgress::is_incomplete) {
        if cancel.is_cancelled() {
            return Err(AuditError::Stopped);
        }
        match consumer.next(POLL_INTERVAL)? {
            Some(Event::Message(message)) => {
                last_event = Instant::now();
                // Partitions that were added since have only messages from after the present end.
                let Some((number, partition)) = find(&mut partitions, message.partition) else { continue };
                partition.oldest = partition.oldest.or(message.timestamp.map(Timestamp::from_millis));
                partition.next = message.offset + 1;
                partition.is_at_end = false;
                if message.offset < partition.high {
                    each(number, &message)?;
                }
            }
            Some(Event::EndOfPartition { partition, offset, .. }) => {
                if let Some((_, partition)) = find(&mut partitions, partition) {
                    last_event = Instant::now();
                    partition.next = partition.next.max(offset);
                    partition.is_at_end = true;
                }
            }
            Some(Event::Assigned(_) | Event::Revoked(_)) => {}
            None => {
                // The committed messages end before the partition does: an open transaction is in between.
                let mut incomplete = partitions.iter().filter(|partition| partition.is_incomplete());
                if incomplete.all(|partition| partition.is_at_end) && last_event.elapsed() >= OPEN_TRANSACTION_TIMEOUT {
                    break;
                }
                if last_event.elapsed() >= IDLE_TIMEOUT {
                    let error =
                        consumer.connection().diagnose_timeout(IDLE_TIMEOUT, &format!("reading topic `{topic}`"));
                    return Err(error.into());
                }
            }
        }
    }
    let open = (0_u32..).zip(&partitions).find(|(_, partition)| partition.is_incomplete());
    Ok(Some(TopicEnd {
        retained: partitions.iter().map(PartitionProgress::retained).collect(),
        ends: partitions.iter().map(|partition| partition.next.min(partition.high)).collect(),
        open: open.map(|(number, partition)| (number, partition.next)),
    }))
}

fn find(partitions: &mut [PartitionProgress], number: i32) -> Option<(u32, &mut PartitionProgress)> {
    let number = u32::try_from(number).ok()?;
    Some((number, partitions.get_mut(number as usize)?))
}

fn with_memory_bounds(settings: &KafkaSettings) -> KafkaSettings {
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

/// The timestamp of the row of a message; `None` if fink did not send it.
pub(super) fn timestamp(message: &Message) -> Option<Timestamp> {
    let millis = std::str::from_utf8(header(message, TIMESTAMP_HEADER)?).ok()?.parse().ok()?;
    Some(Timestamp::from_millis(millis))
}

/// The id of a message's alert; `None` if it has none, as those of earlier versions.
pub(super) fn alert_id(message: &Message) -> Option<NonZeroU128> {
    NonZeroU128::new(header(message, ALERT_HEADER).and_then(AlertId::from_hex)?.hash())
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
    fn headers_carry_alert_and_timestamp() {
        let id = b"00000000000000000000000000000abc";
        let whole = message(&[(TIMESTAMP_HEADER, b"1572566400000"), (ALERT_HEADER, id)]);
        let expected = (Some(Timestamp::from_millis(1_572_566_400_000)), NonZeroU128::new(0xabc));
        assert_eq!((timestamp(&whole), alert_id(&whole)), expected);
        for strange in [&b"abc"[..], b"+0000000000000000000000000000abcg", b"\xff"] {
            let strange = message(&[(TIMESTAMP_HEADER, strange), (ALERT_HEADER, strange)]);
            assert_eq!((timestamp(&strange), alert_id(&strange)), (None, None));
        }
        assert_eq!((timestamp(&message(&[])), alert_id(&message(&[]))), (None, None));
    }
}

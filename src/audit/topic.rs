//! Reads what is committed on a topic, up to where it ends at the moment.

use std::time::{Duration, Instant};

use super::error::AuditError;
use crate::config::KafkaSettings;
use crate::distribution::{ALERT, TIMESTAMP};
use crate::kafka::client::As;
use crate::kafka::consumer::{ConsumerOptions, Event, StartAt};
use crate::kafka::watermarks::Watermarks;
use crate::kafka::{Admin, Consumer, Message};
use crate::ledger::AlertId;

/// How long brokers may take to answer.
pub(super) const WITHIN: Duration = Duration::from_secs(20);
/// How long nothing may come before the brokers count as away.
const SILENCE: Duration = Duration::from_secs(60);
/// How long an open transaction is waited for.
const OPEN_TRANSACTION: Duration = Duration::from_secs(15);
/// How long a wait goes on without looking whether it should end.
const TURN: Duration = Duration::from_millis(100);

/// Bounds of the consumer's memory, where the configuration does not set them. Small messages take several times their size.
const MEMORY: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "10000"),
    ("fetch.max.bytes", "8388608"),
    ("fetch.message.max.bytes", "1048576"),
];

/// An end of a topic that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicEnd {
    /// for each partition: ms since 1970; what was sent before may have been deleted
    pub held_from: Vec<i64>,
    /// for each partition: the first offset that was not read
    pub ends: Vec<i64>,
    /// a partition whose last messages belong to an open transaction, with the offset at which it begins
    pub open: Option<(i32, i64)>,
}

/// How far one partition was read.
#[derive(Clone, Copy, Debug)]
struct Reached {
    low: i64,
    high: i64,
    next: i64,
    held_from: Option<i64>,
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
    give_up: &dyn Fn() -> bool,
    each: &mut dyn FnMut(&Message) -> Result<(), AuditError>,
    total: &dyn Fn(u64),
) -> Result<Option<TopicEnd>, AuditError> {
    let admin = Admin::open(settings, As::User, WITHIN)?;
    if admin.partitions(topic)?.is_none() {
        return Ok(None);
    }
    let offsets = admin.watermarks(&[topic])?;
    total(offsets.iter().map(|ends| ends.high.saturating_sub(ends.low).max(0).cast_unsigned()).sum());
    let begin = |ends: &Watermarks| Reached {
        low: ends.low,
        high: ends.high,
        next: ends.low,
        held_from: None,
        is_at_end: false,
    };
    let mut reached: Vec<Reached> = offsets.iter().map(begin).collect();
    let settings = bounded(settings);
    let options = ConsumerOptions { topics: vec![topic.to_owned()], group: None, start, within: WITHIN };
    let mut consumer = Consumer::open(&settings, &options)?;
    let mut heard = Instant::now();
    let is_left = |at: &&Reached| at.next < at.high;
    while reached.iter().any(|at| is_left(&at)) {
        if give_up() {
            return Err(AuditError::Stopped);
        }
        match consumer.next(TURN)? {
            Some(Event::Message(message)) => {
                heard = Instant::now();
                let Some(at) = reached.get_mut(usize::try_from(message.partition).unwrap_or(usize::MAX)) else {
                    continue;
                };
                at.held_from = at.held_from.or(message.timestamp);
                at.next = message.offset + 1;
                at.is_at_end = false;
                if message.offset < at.high {
                    each(&message)?;
                }
            }
            Some(Event::EndOfPartition { partition, offset, .. }) => {
                if let Some(at) = reached.get_mut(usize::try_from(partition).unwrap_or(usize::MAX)) {
                    heard = Instant::now();
                    at.next = at.next.max(offset);
                    at.is_at_end = true;
                }
            }
            Some(Event::Assigned(_) | Event::Revoked(_)) => {}
            None => {
                // The end of what is committed, before the end of the partition: an open transaction lies between.
                let all_at_end = reached.iter().filter(is_left).all(|at| at.is_at_end);
                if all_at_end && heard.elapsed() >= OPEN_TRANSACTION {
                    break;
                }
                if heard.elapsed() >= SILENCE {
                    return Err(consumer.context().timed_out(SILENCE, &format!("reading topic `{topic}`")).into());
                }
            }
        }
    }
    let open = reached.iter().enumerate().find(|(_, at)| is_left(at));
    let open = open.map(|(partition, at)| (i32::try_from(partition).unwrap_or_default(), at.next));
    let held_from = |at: &Reached| match at.low {
        0 => i64::MIN,
        // Nothing is left of what was there.
        _ => at.held_from.unwrap_or(i64::MAX),
    };
    Ok(Some(TopicEnd {
        held_from: reached.iter().map(held_from).collect(),
        ends: reached.iter().map(|at| at.next.min(at.high)).collect(),
        open,
    }))
}

fn bounded(settings: &KafkaSettings) -> KafkaSettings {
    let mut settings = settings.clone();
    for (option, value) in MEMORY {
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
    std::str::from_utf8(header(message, TIMESTAMP)?).ok()?.parse().ok()
}

/// The id of a message's alert; zero where it has none.
pub(super) fn alert_id(message: &Message) -> u128 {
    header(message, ALERT).and_then(AlertId::from_hex).map_or(0, AlertId::hash)
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
        let whole = message(&[(TIMESTAMP, b"1572566400000"), (ALERT, id)]);
        assert_eq!((timestamp(&whole), alert_id(&whole)), (Some(1_572_566_400_000), 0xabc));
        for strange in [&b"abc"[..], b"+0000000000000000000000000000abcg", b"\xff"] {
            let strange = message(&[(TIMESTAMP, strange), (ALERT, strange)]);
            assert_eq!((timestamp(&strange), alert_id(&strange)), (None, 0));
        }
        assert_eq!((timestamp(&message(&[])), alert_id(&message(&[]))), (None, 0));
    }
}

//! The schema topic of a topic of alerts, `<topic>_schema`: its last message has the schema as JSON in its key.

use std::time::SystemTime;

use crate::kafka::ProducerRecord;
use crate::kafka::error::{Error, Result};
use crate::kafka::idempotent_producer::{FlushOutcome, IdempotentProducer};
use crate::kafka::message::Message;
use crate::kafka::tail::TailReader;
use crate::kafka::topics::TopicSpec;

/// How many of the last offsets are searched for the last message: transaction markers occupy offsets too.
const SEARCHED_OFFSETS: i64 = 10;

/// The specification of a schema topic: one partition, since one message is enough.
pub fn topic_spec() -> TopicSpec {
    TopicSpec::stream(1)
}

/// Whether a schema had to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaWrite {
    /// the last message has this schema
    Unchanged,
    /// the topic was empty
    First,
    /// the last message had another schema
    Replaced,
}

/// Writes a message with the key `schema` to the topic, unless the last message has this key. Its value is `described`, the topic of the alerts.
///
/// # Errors
/// Not authorized to read or write the topic, or no response.
pub fn write(
    reader: &TailReader,
    producer: &IdempotentProducer,
    topic: &str,
    partitions: i32,
    schema: &[u8],
    described: &str,
) -> Result<SchemaWrite> {
    let last = last_message(reader, topic, partitions)?;
    if last.as_ref().is_some_and(|message| message.key.as_deref() == Some(schema)) {
        return Ok(SchemaWrite::Unchanged);
    }
    let value = Some(described.as_bytes());
    let message = ProducerRecord { topic, partition: 0, key: Some(schema), value, headers: &[], id: 0 };
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok().map(|now| now.as_millis() as i64);
    producer.send(&message, &now)?;
    let failed = |reason: String| Error::Other {
        doing: format!("writing the schema to topic `{topic}`"),
        reason,
        transient: true,
    };
    match producer.flush()? {
        FlushOutcome::Failed(aborted) => match aborted.failures.iter().find(|failure| failure.is_permanent()) {
            Some(failure) => Err(Error::TooLarge { topic: topic.to_owned(), bytes: failure.bytes }),
            None => Err(failed(aborted.reason)),
        },
        FlushOutcome::Delivered | FlushOutcome::UnexpectedOffset(_) if last.is_some() => Ok(SchemaWrite::Replaced),
        FlushOutcome::Delivered | FlushOutcome::UnexpectedOffset(_) => Ok(SchemaWrite::First),
    }
}

fn last_message(reader: &TailReader, topic: &str, partitions: i32) -> Result<Option<Message>> {
    let ranges = reader.offset_ranges(topic, partitions)?;
    let from: Vec<i64> = ranges.iter().map(|range| range.begin.max(range.end - SEARCHED_OFFSETS)).collect();
    let until: Vec<i64> = ranges.iter().map(|range| range.end).collect();
    let mut last: Option<Message> = None;
    reader.read(topic, &from, &until, |message| {
        if last.as_ref().is_none_or(|last| (last.timestamp, last.offset) <= (message.timestamp, message.offset)) {
            last = Some(message);
        }
    })?;
    Ok(last)
}

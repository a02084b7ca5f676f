//! The topic beside a topic of alerts in which readers find the schema: `<topic>_schema`, one message whose key is the schema as JSON.

use std::time::SystemTime;

use crate::kafka::consumer::Message;
use crate::kafka::error::{Error, Result};
use crate::kafka::idempotent_producer::{FlushOutcome, IdempotentProducer};
use crate::kafka::producer::ProducerRecord;
use crate::kafka::tail::TailReader;
use crate::kafka::topics::TopicSpec;

/// How many of the last offsets are searched for the last message: transaction markers take offsets too.
const LAST: i64 = 10;

/// What a schema topic is made with: one partition, since one message is enough.
pub fn topic_spec() -> TopicSpec {
    TopicSpec::stream(1)
}

/// Whether a schema had to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaWrite {
    /// the last message has it already
    Unchanged,
    /// the topic was empty
    First,
    /// the last message has another schema
    Replaced,
}

/// Writes `schema` as the key of a message to the topic, unless the last message there has this key. The value is `described`, the topic of
/// the alerts.
///
/// # Errors
/// The topic may not be read or written, or Kafka does not answer.
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
        // Only what waiting may mend is tried again.
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
    let ends = reader.ends(topic, partitions)?;
    let from: Vec<i64> = ends.iter().map(|ends| ends.begin.max(ends.end - LAST)).collect();
    let until: Vec<i64> = ends.iter().map(|ends| ends.end).collect();
    let mut last: Option<Message> = None;
    reader.read(topic, &from, &until, |message| {
        if last.as_ref().is_none_or(|last| (last.timestamp, last.offset) <= (message.timestamp, message.offset)) {
            last = Some(message);
        }
    })?;
    Ok(last)
}

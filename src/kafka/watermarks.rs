//! The offsets at which a topic's partitions begin and end.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::config::KafkaSettings;
use crate::kafka::client::{self, As, Context};
use crate::kafka::error::{Resource, Result};
use crate::kafka::topics;

/// The offsets of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// the oldest offset that Kafka still has
    pub low: i64,
    /// the offset after the newest message, committed or not: the high watermark
    pub high: i64,
}

/// The watermarks of each partition of a topic, by its number; `None`: the topic does not exist. Open transactions are included.
///
/// # Errors
/// No right to see the topic, or no answer within the time.
pub fn watermarks(settings: &KafkaSettings, topic: &str, within: Duration) -> Result<Option<Vec<Watermarks>>> {
    let config = client::config(settings, As::User, &[], &[("isolation.level", "read_uncommitted")])?;
    let context = Context::new(settings, As::User);
    let consumer: BaseConsumer<Context> =
        config.create_with_context(context).map_err(|e| client::settings_error(&e))?;
    let context = consumer.client().context();
    // Serves the client's events, which tell why a broker does not answer.
    let serve = || drop(consumer.poll(Duration::ZERO));
    let Some(partitions) = topics::partitions_of(consumer.client(), context, topic, within, serve)? else {
        return Ok(None);
    };
    let ends = |partition| {
        let (low, high) = consumer.fetch_watermarks(topic, partition, within).map_err(|error| {
            match error.rdkafka_error_code().unwrap_or(Code::Fail) {
                Code::OperationTimedOut | Code::BrokerTransportFailure => {
                    context.timed_out(within, &format!("looking for the end of topic `{topic}`"))
                }
                code => context.refusal(code, "", "read", Resource::Topic(topic)),
            }
        })?;
        Ok(Watermarks { low, high })
    };
    (0..partitions).map(ends).collect::<Result<_>>().map(Some)
}

//! What has to be there before anything is sent: the producers, the topics, the rights, and the checkpoint.

use std::sync::Arc;
use std::time::Duration;

use super::{AbortReport, Destination, GiveUp, KafkaSink, SinkError, retry_transient};
use crate::config::{KafkaSettings, Settings, StreamSettings};
use crate::distribution::checkpoint_partition::{WriterPartition, choose_partition};
use crate::distribution::checkpoint_state::Record;
use crate::distribution::idempotent_sink::{IdempotentSink, SinkTopic};
use crate::distribution::owner::Owner;
use crate::distribution::pipeline::Pipeline;
use crate::kafka::acls::Operation;
use crate::kafka::checkpoint::Records;
use crate::kafka::client::Identity;
use crate::kafka::topics::TopicSpec;
use crate::kafka::{
    Admin, Error as KafkaError, Producer, ProducerOptions, checkpoint, idempotent_producer, schema_topic, topics,
};

/// How long one try to reach the brokers takes.
const TRY_TIMEOUT: Duration = Duration::from_secs(20);

impl KafkaSink {
    /// Opens the producer, which fences a former one of the same id, sees that every topic is there, and reads the checkpoint. `prefix`:
    /// what this writer's records begin with. `give_up_commit` ends the wait for a commit that is under way.
    ///
    /// # Errors
    /// A topic is missing and may not be created; wrong password, no right. Brokers that are away are waited for.
    pub fn open(
        settings: &Settings,
        streams: &[StreamSettings],
        pipeline: &Pipeline,
        (transactional_id, prefix): (&str, &str),
        (give_up, give_up_commit): (&GiveUp, &GiveUp),
    ) -> Result<(Self, Records), SinkError> {
        // A quarter of the memory, shared by both producers where there are two.
        let share = if streams.iter().any(|stream| !stream.transactions) { 8 } else { 4 };
        let options = ProducerOptions {
            transactional_id: transactional_id.to_owned(),
            memory: settings.distribution.memory / share,
            timeout: TRY_TIMEOUT,
        };
        let producer = open_producer(&settings.kafka, &options, (give_up, give_up_commit))?;
        let user = Admin::open(&settings.kafka, Identity::User, TRY_TIMEOUT)?;
        let rejected = &settings.distribution.rejected_topic;
        let wanted = streams.iter().map(|stream| (stream.topic.as_str(), idempotent_producer::topic_spec(stream)));
        let schema_topics: Vec<(usize, String)> =
            streams.iter().enumerate().filter_map(|(index, stream)| Some((index, stream.schema_topic()?))).collect();
        let of_schemas = schema_topics.iter().map(|(_, topic)| (topic.as_str(), schema_topic::topic_spec()));
        let wanted: Vec<_> =
            std::iter::once((rejected.as_str(), TopicSpec::stream(1))).chain(wanted).chain(of_schemas).collect();
        let mut partitions = retry_transient(give_up, || topics::ensure_all(&user, &wanted))?.into_iter();
        let names: Vec<&str> = wanted.iter().map(|(topic, _)| *topic).collect();
        retry_transient(give_up, || topics::require_retention(&user, &names))?;
        let rejected = Destination {
            topic: rejected.clone(),
            partitions: partitions.next().unwrap_or(1),
            key: None,
            name: "rejected".to_owned(),
            plain: None,
        };
        check_readable(&user, streams, give_up)?;
        for stream in streams.iter().filter(|stream| !stream.transactions) {
            retry_transient(give_up, || idempotent_producer::check_topic(&user, &stream.topic))?;
        }
        let mut plain_topics = Vec::new();
        let mut destinations = Vec::with_capacity(streams.len());
        for (index, (stream, partitions)) in streams.iter().zip(partitions.by_ref()).enumerate() {
            let topic = stream.topic.clone();
            let plain = (!stream.transactions).then_some(plain_topics.len());
            plain_topics.extend(plain.map(|_| SinkTopic { topic: topic.clone(), partitions }));
            let key = pipeline.constant_key(index).map(<[u8]>::to_vec);
            destinations.push(Destination { topic, partitions, key, name: stream.name.clone(), plain });
        }
        let plain = match plain_topics.is_empty() && schema_topics.is_empty() {
            true => None,
            false => {
                Some(IdempotentSink::open(&settings.kafka, &options, prefix, plain_topics, (give_up, give_up_commit))?)
            }
        };
        for ((index, topic), partitions) in schema_topics.into_iter().zip(partitions) {
            if let (Some(plain), Some(schema)) = (&plain, pipeline.schema(index)) {
                plain.write_schema(&SinkTopic { topic, partitions }, &destinations[index].topic, schema.as_bytes())?;
            }
        }
        let streams = destinations;
        let checkpoint = checkpoint::topic_of(&settings.distribution.name);
        let count = retry_transient(give_up, || checkpoint::ensure(&user, &checkpoint))?;
        let all: Vec<i32> = (0..count).collect();
        let found = retry_transient(give_up, || checkpoint::read(&user, &checkpoint, &all, &**give_up))?;
        let WriterPartition { partition, records, to_copy } = choose_partition(prefix, found);
        log::debug!("the checkpoint is topic `{checkpoint}` partition {partition}");
        let owner = Owner::new(prefix, &records);
        let mut unwritten: Vec<Record> = to_copy.into_iter().map(|(key, value)| (key, Some(value))).collect();
        unwritten.push(owner.record());
        let sink = Self {
            producer,
            plain,
            kafka: settings.kafka.clone(),
            options,
            give_up: Arc::clone(give_up),
            give_up_commit: Arc::clone(give_up_commit),
            user,
            streams,
            rejected,
            checkpoint,
            partition,
            owner,
            unwritten,
            sent: Vec::new(),
            is_open: false,
            is_broken: false,
            report: AbortReport::default(),
            too_large: Vec::new(),
            rejected_too_large: Vec::new(),
            record_too_large: None,
        };
        Ok((sink, records))
    }
}

/// Checks that the user may read back the topics without transactions and those of schemas: else this would come out after a crash only.
fn check_readable(user: &Admin, streams: &[StreamSettings], give_up: &GiveUp) -> Result<(), SinkError> {
    let topics: Vec<String> = streams.iter().flat_map(StreamSettings::read_back_topics).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let rights = retry_transient(give_up, || user.authorized_operations(&names))?;
    for (topic, operations) in topics.iter().zip(rights) {
        let operations = operations?;
        // Brokers before 2.3 do not tell.
        if !operations.is_empty() && !operations.iter().any(|o| matches!(o, Operation::Read | Operation::All)) {
            return Err(SinkError::Kafka(KafkaError::NotAuthorized {
                user: user.context().user().to_owned(),
                action: "read".to_owned(),
                resource: format!("topic `{topic}`"),
            }));
        }
    }
    Ok(())
}

pub(super) fn open_producer(
    settings: &KafkaSettings,
    options: &ProducerOptions,
    (give_up, give_up_commit): (&GiveUp, &GiveUp),
) -> Result<Producer, SinkError> {
    retry_transient(give_up, || {
        let give_up = Arc::clone(give_up_commit);
        Producer::open(settings, options, move || give_up())
    })
}

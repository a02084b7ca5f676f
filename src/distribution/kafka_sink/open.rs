//! Opens a sink: the producers, the topics, a check of the user's ACLs, and the checkpoint.

use super::{AbortReport, Destination, KafkaSink, SinkError};
use crate::cancel::CancellationToken;
use crate::distribution::checkpoint_partition::{WriterPartition, choose_partition};
use crate::distribution::checkpoint_state::Record;
use crate::distribution::idempotent_sink::{IdempotentSink, SinkTopic};
use crate::distribution::owner::Owner;
use crate::distribution::pipeline::Pipeline;
use crate::distribution::settings::{DistributionSettings, Settings, StreamSettings};
use crate::distribution::sink_error::{ATTEMPT_TIMEOUT, retry_creation, retry_existing, retry_transient};
use crate::kafka::Identity;
use crate::kafka::KafkaSettings;
use crate::kafka::acls::Operation;
use crate::kafka::checkpoint::Records;
use crate::kafka::topics::TopicDescription;
use crate::kafka::{Admin, Error as KafkaError, Producer, ProducerOptions, checkpoint, idempotent_producer, retention};

impl KafkaSink {
    /// Opens the producer, which fences an older one with the same id, ensures that every topic exists, and reads the checkpoint. `prefix` is
    /// the checkpoint name of this writer. `commit_cancel` ends the wait for a commit that is under way.
    ///
    /// # Errors
    /// A topic is missing and may not be created; a wrong password; a missing ACL. Waits for brokers that are away.
    pub fn open(
        settings: &Settings,
        streams: &[StreamSettings],
        pipeline: &Pipeline,
        (transactional_id, prefix): (&str, &str),
        (cancel, commit_cancel): (&CancellationToken, &CancellationToken),
    ) -> Result<(Self, Records), SinkError> {
        // An eighth of the memory, shared by both producers where there are two. More would not make them faster: few batches are in flight.
        let share = if streams.iter().any(|stream| !stream.transactions) { 16 } else { 8 };
        let options = ProducerOptions {
            transactional_id: transactional_id.to_owned(),
            memory: settings.distribution.memory / share,
            timeout: ATTEMPT_TIMEOUT,
        };
        let kafka = &settings.kafka;
        // It logs in while the producer does.
        let user = Admin::open(kafka, Identity::User, ATTEMPT_TIMEOUT)?;
        let producer = open_producer(kafka, &options, (cancel, commit_cancel))?;
        let rejected = ensure_rejected_topic(&user, &settings.distribution, cancel)?;

        let schema_topics = streams.iter().enumerate();
        let schema_topics = schema_topics.filter_map(|(index, stream)| Some((index, stream.schema_topic()?)));
        let schema_topics: Vec<(usize, String)> = schema_topics.collect();
        let of_streams = streams.iter().map(|stream| (&*stream.topic, stream.topic_spec()));
        let of_schemas =
            schema_topics.iter().map(|(index, topic)| (topic.as_str(), streams[*index].schema_topic_spec()));
        let topics: Vec<_> = of_streams.chain(of_schemas).collect();
        let mut partitions = retry_creation(cancel, || user.ensure_topics(&topics))?.into_iter();
        let names: Vec<&str> = topics.iter().map(|(topic, _)| *topic).chain([rejected.topic.as_str()]).collect();
        retry_existing(cancel, || retention::require_retention(&user, &names))?;
        check_readable(&user, streams, cancel)?;
        for stream in streams.iter().filter(|stream| !stream.transactions) {
            retry_transient(cancel, || idempotent_producer::check_topic(&user, &stream.topic))?;
        }

        let mut idempotent_topics = Vec::new();
        let mut destinations = Vec::with_capacity(streams.len());
        for (index, (stream, partitions)) in streams.iter().zip(partitions.by_ref()).enumerate() {
            let topic = stream.topic.to_string();
            let idempotent = (!stream.transactions).then_some(idempotent_topics.len());
            idempotent_topics.extend(idempotent.map(|_| SinkTopic { topic: topic.clone(), partitions }));
            let key = pipeline.constant_key(index).map(<[u8]>::to_vec);
            destinations.push(Destination { topic, partitions, key, stream: stream.name.clone(), idempotent });
        }
        let idempotent = match idempotent_topics.is_empty() && schema_topics.is_empty() {
            true => None,
            false => Some(IdempotentSink::open(kafka, &options, prefix, idempotent_topics, (cancel, commit_cancel))?),
        };
        for ((index, topic), partitions) in schema_topics.into_iter().zip(partitions) {
            if let (Some(sink), Some(schema)) = (&idempotent, pipeline.schema(index)) {
                sink.write_schema(&SinkTopic { topic, partitions }, &destinations[index].topic, schema.as_bytes())?;
            }
        }

        let checkpoint = checkpoint::topic_of(&settings.distribution.name);
        let spec = settings.distribution.checkpoint_spec();
        let count = retry_creation(cancel, || checkpoint::ensure(&user, &checkpoint, &spec))?;
        let all: Vec<i32> = (0..count).collect();
        let found = retry_existing(cancel, || checkpoint::read(&user, &checkpoint, &all, cancel))?;
        let WriterPartition { partition, records, to_copy } = choose_partition(prefix, found)
            .map_err(|partition| SinkError::NoCheckpointPartition { topic: checkpoint.clone(), partition })?;
        log::debug!("the checkpoint is topic `{checkpoint}` partition {partition}");
        let owner = Owner::new(prefix, &records);
        let mut unwritten: Vec<Record> = to_copy.into_iter().map(|(key, value)| (key, Some(value))).collect();
        unwritten.push(owner.record());
        let sink = Self {
            producer,
            idempotent,
            kafka: kafka.clone(),
            options,
            cancel: cancel.clone(),
            commit_cancel: commit_cancel.clone(),
            user,
            destinations,
            rejected,
            checkpoint,
            partition,
            owner,
            unwritten,
            sent: Vec::new(),
            is_open: false,
            is_broken: false,
            report: AbortReport::default(),
            record_too_large: None,
        };
        Ok((sink, records))
    }
}

fn ensure_rejected_topic(
    user: &Admin,
    settings: &DistributionSettings,
    cancel: &CancellationToken,
) -> Result<Destination, SinkError> {
    let (topic, spec) = (&settings.rejected_topic, settings.rejected_topic_spec());
    let partitions = retry_creation(cancel, || user.ensure_topic(topic, &spec))?;
    Ok(Destination { topic: topic.clone(), partitions, key: None, stream: "rejected".to_owned(), idempotent: None })
}

/// Checks that the user may read the topics without transactions and those of schemas: otherwise only a crash would show that it may not.
fn check_readable(user: &Admin, streams: &[StreamSettings], cancel: &CancellationToken) -> Result<(), SinkError> {
    let topics: Vec<String> = streams.iter().flat_map(StreamSettings::read_back_topics).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let describe =
        || user.describe_topics(&names)?.into_iter().map(|topic| topic.error.clone().map_or(Ok(topic), Err)).collect();
    let described: Vec<TopicDescription> = retry_existing(cancel, describe)?;
    for topic in described {
        // Brokers before 2.3 do not list the operations.
        let is_known = !topic.operations.is_empty();
        if is_known && !topic.operations.iter().any(|o| matches!(o, Operation::Read | Operation::All)) {
            return Err(SinkError::Kafka(KafkaError::NotAuthorized {
                user: user.connection().user().to_owned(),
                action: "read".to_owned(),
                resource: format!("topic `{}`", topic.name),
            }));
        }
    }
    Ok(())
}

pub(super) fn open_producer(
    settings: &KafkaSettings,
    options: &ProducerOptions,
    (cancel, commit_cancel): (&CancellationToken, &CancellationToken),
) -> Result<Producer, SinkError> {
    retry_transient(cancel, || Producer::open(settings, options, commit_cancel))
}

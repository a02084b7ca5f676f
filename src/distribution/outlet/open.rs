//! What has to be there before anything is sent: the producers, the topics, the rights, and the checkpoint.

use std::sync::Arc;
use std::time::Duration;

use super::{AbortReport, GiveUp, Outlet, SendError, Way, again};
use crate::config::{KafkaSettings, Settings, StreamSettings};
use crate::distribution::checkpoint_partition::{Place, choose};
use crate::distribution::owner::Owner;
use crate::distribution::plain::{PlainOutlet, PlainTopic};
use crate::distribution::progress::Record;
use crate::distribution::selection::Selection;
use crate::kafka::acls::Operation;
use crate::kafka::checkpoint::Records;
use crate::kafka::client::As;
use crate::kafka::topics::TopicShape;
use crate::kafka::{
    Admin, Error as KafkaError, Producer, ProducerOptions, checkpoint, plain_producer, schema_topic, topics,
};

/// How long one try to reach the brokers takes.
const TRY_TIMEOUT: Duration = Duration::from_secs(20);

impl Outlet {
    /// Opens the producer, which fences a former one of the same id, sees that every topic is there, and reads the checkpoint. `prefix`:
    /// what this writer's records begin with. `give_up_commit` ends the wait for a commit that is under way.
    ///
    /// # Errors
    /// A topic is missing and may not be created; wrong password, no right. Brokers that are away are waited for.
    pub fn open(
        settings: &Settings,
        streams: &[StreamSettings],
        selection: &Selection,
        (transactional_id, prefix): (&str, &str),
        (give_up, give_up_commit): (&GiveUp, &GiveUp),
    ) -> Result<(Self, Records), SendError> {
        // A quarter of the memory, shared by both producers where there are two.
        let share = if streams.iter().any(|stream| !stream.transactions) { 8 } else { 4 };
        let options = ProducerOptions {
            transactional_id: transactional_id.to_owned(),
            memory: settings.distribution.memory / share,
            within: TRY_TIMEOUT,
        };
        let producer = open_producer(&settings.kafka, &options, (give_up, give_up_commit))?;
        let user = Admin::open(&settings.kafka, As::User, TRY_TIMEOUT)?;
        let rejected = &settings.distribution.rejected_topic;
        let wanted = streams.iter().map(|stream| (stream.topic.as_str(), plain_producer::topic_shape(stream)));
        let schema_topics: Vec<(usize, String)> =
            streams.iter().enumerate().filter_map(|(index, stream)| Some((index, stream.schema_topic()?))).collect();
        let of_schemas = schema_topics.iter().map(|(_, topic)| (topic.as_str(), schema_topic::shape()));
        let wanted: Vec<_> =
            std::iter::once((rejected.as_str(), TopicShape::stream(1))).chain(wanted).chain(of_schemas).collect();
        let mut partitions = again(give_up, || topics::ensure_all(&user, &wanted))?.into_iter();
        let names: Vec<&str> = wanted.iter().map(|(topic, _)| *topic).collect();
        again(give_up, || topics::check_policies(&user, &names))?;
        let rejected = Way {
            topic: rejected.clone(),
            partitions: partitions.next().unwrap_or(1),
            key: None,
            name: "rejected".to_owned(),
            plain: None,
        };
        check_readable(&user, streams, give_up)?;
        for stream in streams.iter().filter(|stream| !stream.transactions) {
            again(give_up, || plain_producer::check_topic(&user, &stream.topic))?;
        }
        let mut plain_topics = Vec::new();
        let mut ways = Vec::with_capacity(streams.len());
        for (index, (stream, partitions)) in streams.iter().zip(partitions.by_ref()).enumerate() {
            let topic = stream.topic.clone();
            let plain = (!stream.transactions).then_some(plain_topics.len());
            plain_topics.extend(plain.map(|_| PlainTopic { topic: topic.clone(), partitions }));
            let key = selection.constant_key(index).map(<[u8]>::to_vec);
            ways.push(Way { topic, partitions, key, name: stream.name.clone(), plain });
        }
        let plain = match plain_topics.is_empty() && schema_topics.is_empty() {
            true => None,
            false => {
                Some(PlainOutlet::open(&settings.kafka, &options, prefix, plain_topics, (give_up, give_up_commit))?)
            }
        };
        for ((index, topic), partitions) in schema_topics.into_iter().zip(partitions) {
            if let (Some(plain), Some(schema)) = (&plain, selection.schema(index)) {
                plain.write_schema(&PlainTopic { topic, partitions }, &ways[index].topic, schema.as_bytes())?;
            }
        }
        let streams = ways;
        let checkpoint = checkpoint::topic_of(&settings.distribution.name);
        let count = again(give_up, || checkpoint::ensure(&user, &checkpoint))?;
        let all: Vec<i32> = (0..count).collect();
        let found = again(give_up, || checkpoint::read(&user, &checkpoint, &all, &**give_up))?;
        let Place { partition, records, to_copy } = choose(prefix, found);
        log::debug!("the checkpoint is topic `{checkpoint}` partition {partition}");
        let owner = Owner::new(prefix, &records);
        let mut unwritten: Vec<Record> = to_copy.into_iter().map(|(key, value)| (key, Some(value))).collect();
        unwritten.push(owner.record());
        let outlet = Self {
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
        Ok((outlet, records))
    }
}

/// Checks that the user may read back the topics without transactions and those of schemas: else this would come out after a crash only.
fn check_readable(user: &Admin, streams: &[StreamSettings], give_up: &GiveUp) -> Result<(), SendError> {
    let topics: Vec<String> = streams.iter().flat_map(StreamSettings::read_back_topics).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let rights = again(give_up, || user.own_rights(&names))?;
    for (topic, operations) in topics.iter().zip(rights) {
        let operations = operations?;
        // Brokers before 2.3 do not tell.
        if !operations.is_empty() && !operations.iter().any(|o| matches!(o, Operation::Read | Operation::All)) {
            return Err(SendError::Kafka(KafkaError::NotAuthorized {
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
) -> Result<Producer, SendError> {
    again(give_up, || {
        let give_up = Arc::clone(give_up_commit);
        Producer::open(settings, options, move || give_up())
    })
}

//! Topics: whether they exist, how they are made, what they look like.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::kafka::admin::Admin;
use crate::kafka::client::{As, Context};
use crate::kafka::diagnosis::{Address, Finding, Source};
use crate::kafka::error::{Error, Resource, Result};

/// How long one question for metadata may take before the connection's state is looked at.
const TURN: Duration = Duration::from_millis(500);

/// What a topic is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// partitions; −1: the cluster's default
    pub partitions: i32,
    /// copies of each partition; `None`: the cluster's default
    pub replication: Option<i32>,
    /// options of the topic, by Kafka's names
    pub config: Vec<(String, String)>,
}

impl TopicShape {
    /// A topic for alerts: the cluster's defaults but for the partitions.
    pub fn stream(partitions: i32) -> Self {
        Self { partitions, replication: None, config: Vec::new() }
    }
}

/// Whether a topic was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// it is new
    Now,
    /// it was there, in the wanted shape
    Before,
}

/// How a topic stands to a wanted shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// it does not exist, or the user may not see it
    Missing,
    /// it is as wanted
    Same,
    /// how it differs
    Other(String),
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// its name
    pub name: String,
    /// partitions
    pub partitions: usize,
    /// copies of each partition
    pub replication: usize,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// its number
    pub id: i32,
    /// the broker that serves it; −1: none
    pub leader: i32,
    /// the brokers that hold it
    pub replicas: Vec<i32>,
    /// those that are up to date
    pub in_sync: Vec<i32>,
}

/// An option of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOption {
    /// Kafka's name
    pub name: String,
    /// its value
    pub value: String,
    /// whether it was set for this topic, and is not a default
    pub is_own: bool,
}

/// All about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// its name
    pub name: String,
    /// partitions, by number
    pub partitions: Vec<PartitionDescription>,
    /// options by name; `None`: the user may not see them
    pub options: Option<Vec<TopicOption>>,
}

/// How many partitions a topic has; `None`: it does not exist. `meanwhile` is called between questions.
pub(super) fn partitions_of<C: ClientContext>(
    client: &Client<C>,
    context: &Context,
    topic: &str,
    within: Duration,
    meanwhile: impl Fn(),
) -> Result<Option<i32>> {
    let deadline = Instant::now() + within;
    let action = "look at";
    loop {
        let code = match client.fetch_metadata(Some(topic), TURN.min(within)) {
            Ok(metadata) => match metadata.topics().iter().find(|t| t.name() == topic) {
                None => return Ok(None),
                Some(found) => match found.error().map(Code::from) {
                    None => return Ok(i32::try_from(found.partitions().len()).ok()),
                    Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
                    Some(Code::LeaderNotAvailable) => Code::LeaderNotAvailable,
                    Some(code) => return Err(context.refusal(code, "", action, Resource::Topic(topic))),
                },
            },
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        meanwhile();
        if let Some(error) = context.refused() {
            return Err(error);
        }
        let waits = matches!(
            code,
            Code::BrokerTransportFailure | Code::OperationTimedOut | Code::LeaderNotAvailable | Code::AllBrokersDown
        );
        if !waits {
            return Err(context.refusal(code, "", action, Resource::Topic(topic)));
        }
        if Instant::now() >= deadline {
            return Err(context.timed_out(within, &format!("looking at topic `{topic}`")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes sure that a topic exists, and says how many partitions it has: those of `shape` if it has to be created. It is created as `user`,
/// the one of `[kafka]`, or as the administrator where one is configured and the user may not.
///
/// # Errors
/// The topic does not exist and may not be created ([`Error::UnknownTopic`], which names the command), or Kafka does not answer.
pub fn ensure(user: &Admin, topic: &str, shape: &TopicShape) -> Result<i32> {
    if let Some(partitions) = user.partitions(topic)? {
        return Ok(partitions);
    }
    let created = match user.create_topic(topic, shape) {
        Err(Error::NotAuthorized { .. }) if user.settings().admin.is_some() => {
            Admin::open(user.settings(), As::Admin, user.within())?.create_topic(topic, shape)
        }
        other => other,
    };
    match created {
        Ok(_) => Ok(shape.partitions),
        Err(Error::NotAuthorized { user, .. }) => Err(Error::UnknownTopic {
            topic: topic.to_owned(),
            hint: format!(", and user `{user}` has no right to create it"),
        }),
        // Somebody else made it just now.
        Err(Error::TopicShape { .. }) => Ok(user.partitions(topic)?.unwrap_or(shape.partitions)),
        Err(error) => Err(error),
    }
}

/// As [`ensure`] for many topics: the partitions of each, in their order.
///
/// # Errors
/// As [`ensure`], of the first topic at fault.
pub fn ensure_all(user: &Admin, topics: &[(&str, TopicShape)]) -> Result<Vec<i32>> {
    let known = user.list_topics()?;
    let partitions = |topic: &str| {
        let found = known.iter().find(|known| known.name == topic)?;
        i32::try_from(found.partitions).ok().filter(|partitions| *partitions > 0)
    };
    let ensured = topics.iter().map(|(topic, shape)| match partitions(topic) {
        Some(partitions) => Ok(partitions),
        None => ensure(user, topic, shape),
    });
    ensured.collect()
}

impl Admin {
    /// How many partitions a topic has; `None`: it does not exist.
    ///
    /// # Errors
    /// No right to see the topic, or no answer.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        partitions_of(self.client(), self.context(), topic, self.within(), || {
            crate::kafka::ffi::serve_events(self.client());
        })
    }

    /// Creates a topic and waits until it can be used. A topic that is there in the same shape is a success.
    ///
    /// # Errors
    /// It is there in another shape ([`Error::TopicShape`] names the difference), no right to create it, or refused by the cluster.
    pub fn create_topic(&self, topic: &str, shape: &TopicShape) -> Result<Created> {
        let action = "create";
        let new = shape.config.iter().fold(
            NewTopic::new(topic, shape.partitions, TopicReplication::Fixed(shape.replication.unwrap_or(-1))),
            |new, (name, value)| new.set(name, value),
        );
        let results =
            self.answer(action, Resource::Topic(topic), self.inner().create_topics([&new], &self.options()))?;
        match results.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => match self.standing(topic, shape)? {
                Standing::Other(difference) => Err(Error::TopicShape { topic: topic.to_owned(), difference }),
                Standing::Same | Standing::Missing => Ok(Created::Before),
            },
            Some(Err((_, code))) => Err(self.refusal(code, "", action, Resource::Topic(topic))),
            _ => self.await_partitions(topic).map(|()| Created::Now),
        }
    }

    fn await_partitions(&self, topic: &str) -> Result<()> {
        let deadline = Instant::now() + self.within();
        loop {
            match self.partitions(topic) {
                Ok(Some(_)) => return Ok(()),
                // An administrator's topic need not be its own to see.
                Err(Error::NotAuthorized { .. }) => return Ok(()),
                Ok(None) => self.check("create a topic", deadline)?,
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How a topic stands to a shape. What the shape leaves to the cluster is not compared, nor are options that the user may not see.
    ///
    /// # Errors
    /// No right to see the topic, or no answer.
    pub fn standing(&self, topic: &str, shape: &TopicShape) -> Result<Standing> {
        let Some(found) = self.describe_topic(topic)? else { return Ok(Standing::Missing) };
        let mut differences = Vec::new();
        if shape.partitions >= 0 && i32::try_from(found.partitions.len()) != Ok(shape.partitions) {
            differences.push(format!("it has {} partitions, not {}", found.partitions.len(), shape.partitions));
        }
        let copies = found.partitions.first().map_or(0, |p| p.replicas.len());
        if shape.replication.is_some_and(|wanted| usize::try_from(wanted) != Ok(copies)) {
            differences.push(format!("it has {copies} replicas, not {}", shape.replication.unwrap_or_default()));
        }
        for (name, wanted) in &shape.config {
            let value = found.options.iter().flatten().find(|option| option.name == *name).map(|option| &option.value);
            if let Some(value) = value.filter(|value| *value != wanted) {
                differences.push(format!("{name} is {value}, not {wanted}"));
            }
        }
        Ok(if differences.is_empty() { Standing::Same } else { Standing::Other(differences.join(", ")) })
    }

    /// Deletes a topic with everything in it.
    ///
    /// # Errors
    /// It does not exist, or no right to delete it.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        let action = "delete";
        let request = self.inner().delete_topics(&[topic], &self.options());
        match self.answer(action, Resource::Topic(topic), request)?.into_iter().next() {
            Some(Err((_, code))) => Err(self.refusal(code, "", action, Resource::Topic(topic))),
            _ => Ok(()),
        }
    }

    /// The brokers by the addresses that they give to clients (their `advertised.listeners`), each with what stands against using it from
    /// here; `None`: nothing. Every broker is connected to once.
    ///
    /// # Errors
    /// No answer.
    pub fn examine_brokers(&self) -> Result<Vec<(Address, Option<Finding>)>> {
        let deadline = Instant::now() + self.within();
        loop {
            if let Ok(metadata) = self.client().fetch_metadata(None, TURN) {
                let address = |broker: &rdkafka::metadata::MetadataBroker| Address {
                    host: broker.host().to_owned(),
                    port: u16::try_from(broker.port()).unwrap_or_default(),
                    source: Source::Brokers,
                };
                let addresses: Vec<Address> = metadata.brokers().iter().map(address).collect();
                return Ok(addresses.into_iter().map(|one| (one.clone(), self.context().examine(&one))).collect());
            }
            self.check("list brokers", deadline)?;
        }
    }

    /// All topics that the user may see, by name.
    ///
    /// # Errors
    /// No answer.
    pub fn list_topics(&self) -> Result<Vec<TopicSummary>> {
        let deadline = Instant::now() + self.within();
        loop {
            if let Ok(metadata) = self.client().fetch_metadata(None, TURN) {
                let mut topics: Vec<_> = metadata
                    .topics()
                    .iter()
                    .map(|topic| TopicSummary {
                        name: topic.name().to_owned(),
                        partitions: topic.partitions().len(),
                        replication: topic.partitions().first().map_or(0, |p| p.replicas().len()),
                    })
                    .collect();
                topics.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(topics);
            }
            self.check("list topics", deadline)?;
        }
    }

    /// All about one topic; `None`: it does not exist.
    ///
    /// # Errors
    /// No right to see it, or no answer.
    pub fn describe_topic(&self, topic: &str) -> Result<Option<TopicDescription>> {
        if self.partitions(topic)?.is_none() {
            return Ok(None);
        }
        let metadata = self.client().fetch_metadata(Some(topic), self.within()).map_err(|error| {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self.refusal(code, "", "look at", Resource::Topic(topic))
        })?;
        let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
        let mut partitions: Vec<_> = found
            .partitions()
            .iter()
            .map(|p| PartitionDescription {
                id: p.id(),
                leader: p.leader(),
                replicas: p.replicas().to_vec(),
                in_sync: p.isr().to_vec(),
            })
            .collect();
        partitions.sort_by_key(|p| p.id);
        Ok(Some(TopicDescription { name: topic.to_owned(), partitions, options: self.topic_options(topic)? }))
    }

    /// Where a partition begins and ends: the offset of its oldest message, and that of the next to come.
    ///
    /// # Errors
    /// No right to see the topic, no leader, or no answer.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        self.client().fetch_watermarks(topic, partition, self.within()).map_err(|error| {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self.refusal(code, "", "look at", Resource::Topic(topic))
        })
    }

    /// The options of a topic by name; `None`: the user may not see them, or the brokers do not tell them.
    ///
    /// # Errors
    /// It does not exist, or no answer.
    pub fn topic_options(&self, topic: &str) -> Result<Option<Vec<TopicOption>>> {
        Ok(self.ask_topic_options(topic)?.ok())
    }

    /// The options of a topic by name, or the code with which they are kept back: `TopicAuthorizationFailed`, or `UnsupportedFeature` where the
    /// brokers do not know the question.
    pub(super) fn ask_topic_options(&self, topic: &str) -> Result<std::result::Result<Vec<TopicOption>, Code>> {
        let action = "see the configuration of";
        let specifier = ResourceSpecifier::Topic(topic);
        // The topic's leader knows them as well as the controller, which not every server that speaks Kafka's protocol has.
        let options = self.options().broker_id(self.leader(topic));
        let request = async {
            match self.inner().describe_configs([&specifier], &options).await {
                Err(KafkaError::AdminOp(Code::UnsupportedFeature)) => Ok(vec![Err(Code::UnsupportedFeature)]),
                answer => answer,
            }
        };
        let resource = match self.answer(action, Resource::Topic(topic), request)?.into_iter().next() {
            // Where the user may not see them, rdkafka gives none instead of the refusal; a topic is never without options.
            Some(Ok(resource)) if resource.entries.is_empty() => return Ok(Err(Code::TopicAuthorizationFailed)),
            Some(Ok(resource)) => resource,
            Some(Err(code @ (Code::TopicAuthorizationFailed | Code::UnsupportedFeature))) => return Ok(Err(code)),
            Some(Err(code)) => return Err(self.refusal(code, "", action, Resource::Topic(topic))),
            None => return Ok(Err(Code::UnsupportedFeature)),
        };
        let mut found: Vec<_> = resource
            .entries
            .into_iter()
            .map(|entry| TopicOption {
                is_own: entry.source == rdkafka::admin::ConfigSource::DynamicTopic,
                name: entry.name,
                value: entry.value.unwrap_or_default(),
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Ok(found))
    }

    /// The broker that serves a topic's first partition; `None`: nobody does at the moment, or the user may not see it.
    fn leader(&self, topic: &str) -> Option<i32> {
        let metadata = self.client().fetch_metadata(Some(topic), TURN.min(self.within())).ok()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        found
            .partitions()
            .iter()
            .find(|partition| partition.id() == 0)
            .map(|partition| partition.leader())
            .filter(|id| *id >= 0)
    }
}

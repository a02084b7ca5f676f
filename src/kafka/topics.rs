//! Topics: whether they exist, and how they are made.

mod description;
mod retention;

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;

pub use description::{PartitionDescription, TopicConfigEntry, TopicDescription, TopicSummary};
pub use retention::{Retention, require_retention, retentions};

use crate::kafka::admin::Admin;
use crate::kafka::client::{Context, Identity};
use crate::kafka::diagnosis::{AddressSource, BrokerAddress, Diagnosis};
use crate::kafka::error::{Error, Resource, Result};

/// How long one question for metadata may take before the connection's state is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What a topic is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// partitions; −1: the cluster's default
    pub partitions: i32,
    /// copies of each partition; `None`: the cluster's default
    pub replication: Option<i32>,
    /// options of the topic, by Kafka's names
    pub config: Vec<(String, String)>,
}

impl TopicSpec {
    /// A topic for alerts: the cluster's defaults but for the partitions, and never compacted, since alerts share their keys.
    pub fn stream(partitions: i32) -> Self {
        let config = vec![(retention::CLEANUP_POLICY.to_owned(), "delete".to_owned())];
        Self { partitions, replication: None, config }
    }
}

/// Whether a topic was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// it is new
    Created,
    /// it was there, in the wanted spec
    AlreadyExists,
}

/// How a topic stands to a wanted spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicDiff {
    /// it does not exist, or the user may not see it
    Missing,
    /// it is as wanted
    Same,
    /// how it differs
    Different(String),
}

/// How many partitions a topic has; `None`: it does not exist. `meanwhile` is called between questions.
pub(super) fn partitions_of<C: ClientContext>(
    client: &Client<C>,
    context: &Context,
    topic: &str,
    timeout: Duration,
    meanwhile: impl Fn(),
) -> Result<Option<i32>> {
    let deadline = Instant::now() + timeout;
    let action = "look at";
    loop {
        let code = match client.fetch_metadata(Some(topic), POLL_INTERVAL.min(timeout)) {
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
            return Err(context.timed_out(timeout, &format!("looking at topic `{topic}`")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes sure that a topic exists, and says how many partitions it has: those of `spec` if it has to be created. It is created as `user`,
/// the one of `[kafka]`, or as the administrator where one is configured and the user may not.
///
/// # Errors
/// The topic does not exist and may not be created ([`Error::UnknownTopic`], which names the command), or Kafka does not answer.
pub fn ensure(user: &Admin, topic: &str, spec: &TopicSpec) -> Result<i32> {
    if let Some(partitions) = user.partitions(topic)? {
        return Ok(partitions);
    }
    let created = match user.create_topic(topic, spec) {
        Err(Error::NotAuthorized { .. }) if user.settings().admin.is_some() => {
            Admin::open(user.settings(), Identity::Admin, user.timeout())?.create_topic(topic, spec)
        }
        other => other,
    };
    match created {
        Ok(_) => Ok(spec.partitions),
        Err(Error::NotAuthorized { user, .. }) => Err(Error::UnknownTopic {
            topic: topic.to_owned(),
            hint: format!(", and user `{user}` has no right to create it"),
        }),
        // Somebody else made it just now.
        Err(Error::TopicMismatch { .. }) => Ok(user.partitions(topic)?.unwrap_or(spec.partitions)),
        Err(error) => Err(error),
    }
}

/// As [`ensure`] for many topics: the partitions of each, in their order.
///
/// # Errors
/// As [`ensure`], of the first topic at fault.
pub fn ensure_all(user: &Admin, topics: &[(&str, TopicSpec)]) -> Result<Vec<i32>> {
    let known = user.list_topics()?;
    let partitions = |topic: &str| {
        let found = known.iter().find(|known| known.name == topic)?;
        i32::try_from(found.partitions).ok().filter(|partitions| *partitions > 0)
    };
    let ensured = topics.iter().map(|(topic, spec)| match partitions(topic) {
        Some(partitions) => Ok(partitions),
        None => ensure(user, topic, spec),
    });
    ensured.collect()
}

impl Admin {
    /// How many partitions a topic has; `None`: it does not exist.
    ///
    /// # Errors
    /// No right to see the topic, or no answer.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        partitions_of(self.client(), self.context(), topic, self.timeout(), || {
            crate::kafka::ffi::serve_events(self.client());
        })
    }

    /// Creates a topic and waits until it can be used. A topic that is there in the same spec is a success.
    ///
    /// # Errors
    /// It is there in another spec ([`Error::TopicMismatch`] names the difference), no right to create it, or refused by the cluster.
    pub fn create_topic(&self, topic: &str, spec: &TopicSpec) -> Result<CreateOutcome> {
        let action = "create";
        let new = spec.config.iter().fold(
            NewTopic::new(topic, spec.partitions, TopicReplication::Fixed(spec.replication.unwrap_or(-1))),
            |new, (name, value)| new.set(name, value),
        );
        let results =
            self.answer(action, Resource::Topic(topic), self.inner().create_topics([&new], &self.options()))?;
        match results.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => match self.compare_topic(topic, spec)? {
                TopicDiff::Different(difference) => Err(Error::TopicMismatch { topic: topic.to_owned(), difference }),
                TopicDiff::Same | TopicDiff::Missing => Ok(CreateOutcome::AlreadyExists),
            },
            Some(Err((_, code))) => Err(self.refusal(code, "", action, Resource::Topic(topic))),
            _ => self.await_partitions(topic).map(|()| CreateOutcome::Created),
        }
    }

    fn await_partitions(&self, topic: &str) -> Result<()> {
        let deadline = Instant::now() + self.timeout();
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

    /// How a topic stands to a spec. What the spec leaves to the cluster is not compared, nor are options that the user may not see.
    ///
    /// # Errors
    /// No right to see the topic, or no answer.
    pub fn compare_topic(&self, topic: &str, spec: &TopicSpec) -> Result<TopicDiff> {
        let Some(found) = self.describe_topic(topic)? else { return Ok(TopicDiff::Missing) };
        let mut differences = Vec::new();
        if spec.partitions >= 0 && i32::try_from(found.partitions.len()) != Ok(spec.partitions) {
            differences.push(format!("it has {} partitions, not {}", found.partitions.len(), spec.partitions));
        }
        let copies = found.partitions.first().map_or(0, |p| p.replicas.len());
        if spec.replication.is_some_and(|wanted| usize::try_from(wanted) != Ok(copies)) {
            differences.push(format!("it has {copies} replicas, not {}", spec.replication.unwrap_or_default()));
        }
        for (name, wanted) in &spec.config {
            let value = found.options.iter().flatten().find(|option| option.name == *name).map(|option| &option.value);
            if let Some(value) = value.filter(|value| *value != wanted) {
                differences.push(format!("{name} is {value}, not {wanted}"));
            }
        }
        Ok(if differences.is_empty() { TopicDiff::Same } else { TopicDiff::Different(differences.join(", ")) })
    }

    /// Adds partitions to a topic until it has `partitions`, and waits until they can be used. More than that is left alone.
    ///
    /// # Errors
    /// It does not exist, no right to alter it, or refused by the cluster.
    pub fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let action = "add partitions to";
        let total = usize::try_from(partitions).unwrap_or_default();
        let new = NewPartitions::new(topic, total);
        let request = self.inner().create_partitions([&new], &self.options());
        match self.answer(action, Resource::Topic(topic), request)?.into_iter().next() {
            // Another process has added them just now, or more.
            Some(Err((_, Code::InvalidPartitions))) | Some(Ok(_)) | None => {}
            Some(Err((_, code))) => return Err(self.refusal(code, "", action, Resource::Topic(topic))),
        }
        let deadline = Instant::now() + self.timeout();
        while self.partitions(topic)?.is_none_or(|found| found < partitions) {
            self.check(action, deadline)?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
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
    pub fn probe_brokers(&self) -> Result<Vec<(BrokerAddress, Option<Diagnosis>)>> {
        let deadline = Instant::now() + self.timeout();
        loop {
            if let Ok(metadata) = self.client().fetch_metadata(None, POLL_INTERVAL) {
                let address = |broker: &rdkafka::metadata::MetadataBroker| BrokerAddress {
                    host: broker.host().to_owned(),
                    port: u16::try_from(broker.port()).unwrap_or_default(),
                    source: AddressSource::Brokers,
                };
                let addresses: Vec<BrokerAddress> = metadata.brokers().iter().map(address).collect();
                return Ok(addresses.into_iter().map(|one| (one.clone(), self.context().probe(&one))).collect());
            }
            self.check("list brokers", deadline)?;
        }
    }
}

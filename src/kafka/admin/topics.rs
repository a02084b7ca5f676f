//! Requests about topics: Metadata, DescribeTopics, CreateTopics, CreatePartitions and DeleteTopics.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::{Metadata, MetadataBroker, MetadataTopic};

use crate::kafka::admin::Admin;
use crate::kafka::client_config::Identity;
use crate::kafka::diagnosis::{self, AddressSource, BrokerAddress, Diagnosis};
use crate::kafka::error::{Error, Resource, Result, normalize_message};
use crate::kafka::ffi;
use crate::kafka::ffi::admin_call::{AdminCall, ResponseError};
use crate::kafka::ffi::topic_changes;
use crate::kafka::ffi::topics as native;
use crate::kafka::metadata::{POLL_INTERVAL, RETRY_BACKOFF, partition_count};
use crate::kafka::topics::{
    CreateOutcome, CreatedTopic, TopicConfig, TopicDescription, TopicDiff, TopicSpec, TopicSummary,
};

/// Kafka rejects a request that creates more than 10,000 partitions.
const MAX_PARTITIONS_PER_REQUEST: i64 = 10_000;

/// How long all brokers must be unreachable until that is reported: a connection that a broker closes is opened again at once.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(1);

impl Admin {
    /// All topics that the user may see, by name. One request.
    ///
    /// # Errors
    /// No response.
    pub fn list_topics(&self) -> Result<Vec<TopicSummary>> {
        let metadata = self.metadata("listing the topics")?;
        let summary = |topic: &MetadataTopic| TopicSummary {
            name: topic.name().to_owned(),
            partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
            replication: topic.partitions().first().map_or(0, |p| p.replicas().len()),
        };
        let mut topics: Vec<_> = metadata.topics().iter().map(summary).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    fn metadata(&self, doing: &str) -> Result<Metadata> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.client().fetch_metadata(None, POLL_INTERVAL) {
                Ok(metadata) => return Ok(metadata),
                Err(_) => self.check(doing, deadline)?,
            }
        }
    }

    /// The number of partitions of a topic; `None`: it does not exist.
    ///
    /// # Errors
    /// Not authorized to describe the topic, or no response.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>> {
        partition_count(self.client(), self.connection(), topic, self.timeout, || ffi::serve_events(self.client()))
    }

    /// Describes topics, in order. One request, which is repeated while a topic has no leader.
    ///
    /// # Errors
    /// No response.
    pub fn describe_topics(&self, topics: &[&str]) -> Result<Vec<TopicDescription>> {
        const ACTION: &str = "describe";
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            let found = self.submit(ACTION, |call| native::describe_topics(call, topics))?;
            let description = |topic: &&str| {
                let name = (*topic).to_owned();
                match found.iter().find(|(found, _)| found == topic) {
                    Some((_, Ok(found))) => {
                        let (partitions, operations) = (found.partitions.clone(), found.operations.clone());
                        TopicDescription { name, partitions, operations, error: None }
                    }
                    Some((_, Err(error))) => {
                        let resource = Resource::Topic(topic);
                        let error = self.connection().request_error(error.code, &error.reason, ACTION, resource);
                        TopicDescription { name, partitions: Vec::new(), operations: Vec::new(), error: Some(error) }
                    }
                    None => {
                        let error = Some(Error::UnknownTopic { topic: name.clone(), hint: String::new() });
                        TopicDescription { name, partitions: Vec::new(), operations: Vec::new(), error }
                    }
                }
            };
            let descriptions: Vec<TopicDescription> = topics.iter().map(description).collect();
            let is_complete = !descriptions.iter().any(|topic| topic.error.as_ref().is_some_and(Error::is_transient));
            if is_complete || Instant::now() >= deadline {
                return Ok(descriptions);
            }
            std::thread::sleep(RETRY_BACKOFF);
        }
    }

    /// Compares topics with their specifications, in order. What a specification leaves to the cluster is not compared, nor are options that
    /// the user may not see. A fixed number of requests.
    ///
    /// # Errors
    /// Not authorized to describe one of the topics, or no response.
    pub fn compare_topics(&self, topics: &[(&str, &TopicSpec)]) -> Result<Vec<TopicDiff>> {
        let names: Vec<&str> = topics.iter().map(|(topic, _)| *topic).collect();
        let found = self.describe_topics(&names)?;
        let existing: Vec<&str> =
            found.iter().filter(|topic| topic.error.is_none()).map(|topic| topic.name.as_str()).collect();
        let configs = self.describe_configs(&existing)?;
        let diff = |((topic, spec), found): (&(&str, &TopicSpec), TopicDescription)| match found.error {
            Some(Error::UnknownTopic { .. }) => Ok(TopicDiff::Missing),
            Some(error) => Err(error),
            None => Ok(compare(&found, configs.iter().find(|config| config.topic == *topic), spec)),
        };
        topics.iter().zip(found).map(diff).collect()
    }

    /// As [`compare_topics`](Self::compare_topics), for one topic.
    ///
    /// # Errors
    /// Not authorized to describe the topic, or no response.
    pub fn compare_topic(&self, topic: &str, spec: &TopicSpec) -> Result<TopicDiff> {
        Ok(self.compare_topics(&[(topic, spec)])?.pop().unwrap_or(TopicDiff::Missing))
    }

    /// Creates a topic and waits until clients see it. A topic that exists as specified is a success.
    ///
    /// # Errors
    /// It exists and differs ([`Error::TopicMismatch`]), not authorized to create it, or the cluster rejects the specification.
    pub fn create_topic(&self, topic: &str, spec: &TopicSpec) -> Result<CreateOutcome> {
        match self.request_topics(&[(topic, spec)])?.pop().flatten() {
            Some(ResponseError { code: Code::TopicAlreadyExists, .. }) => match self.compare_topic(topic, spec)? {
                TopicDiff::Different(difference) => Err(Error::TopicMismatch { topic: topic.to_owned(), difference }),
                TopicDiff::Same | TopicDiff::Missing => Ok(CreateOutcome::AlreadyExists),
            },
            Some(error) => Err(self.creation_error(topic, spec, &error)),
            None => {
                self.wait_for_topics(&[topic])?;
                Ok(CreateOutcome::Created)
            }
        }
    }

    /// Creates topics and waits until clients see them. Returns one entry for each, in order. Unlike with [`create_topic`](Self::create_topic),
    /// a topic that exists is an error.
    ///
    /// # Errors
    /// No response to the first request.
    pub fn create_topics(&self, topics: &[(&str, &TopicSpec)]) -> Result<Vec<CreatedTopic>> {
        let mut created: Vec<CreatedTopic> = Vec::with_capacity(topics.len());
        let mut rest = topics;
        while !rest.is_empty() {
            let mut partitions = 0;
            let fits = |(_, spec): &&(&str, &TopicSpec)| {
                partitions += i64::from(spec.partitions.unwrap_or(1));
                partitions <= MAX_PARTITIONS_PER_REQUEST
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (request, after) = rest.split_at(count);
            let errors: Vec<Option<Error>> = match self.request_topics(request) {
                Ok(refusals) => request
                    .iter()
                    .zip(refusals)
                    .map(|((topic, spec), refusal)| Some(self.creation_error(topic, spec, &refusal?)))
                    .collect(),
                Err(error) if created.is_empty() => return Err(error),
                // The topics of earlier requests exist: the caller must learn of them.
                Err(error) => vec![Some(error); count],
            };
            let row =
                |((topic, _), error): (&(&str, &TopicSpec), _)| CreatedTopic { topic: (*topic).to_owned(), error };
            created.extend(request.iter().zip(errors).map(row));
            rest = after;
        }
        let new: Vec<&str> =
            created.iter().filter(|topic| topic.error.is_none()).map(|topic| topic.topic.as_str()).collect();
        self.wait_for_topics(&new)?;
        Ok(created)
    }

    /// Sends one CreateTopics request. Returns why each topic was not created, in order.
    fn request_topics(&self, topics: &[(&str, &TopicSpec)]) -> Result<Vec<Option<ResponseError>>> {
        let resource = topics.first().map_or(Resource::Cluster, |(topic, _)| Resource::Topic(topic));
        let mut results = self.submit_about("create", resource, |call| topic_changes::create_topics(call, topics))?;
        let mut refusal =
            |(topic, _): &(&str, &TopicSpec)| results.iter_mut().find(|(name, _)| name == topic)?.1.take();
        Ok(topics.iter().map(&mut refusal).collect())
    }

    /// The error of a topic that was not created. Where brokers are missing, further requests find out how many.
    fn creation_error(&self, topic: &str, spec: &TopicSpec, refusal: &ResponseError) -> Error {
        if refusal.code != Code::InvalidReplicationFactor {
            return self.request_error(refusal.code, &refusal.reason, "create", Resource::Topic(topic));
        }
        let (live, members) = match self.metadata("listing the brokers") {
            Ok(metadata) => count_brokers(&metadata),
            Err(error) => return error,
        };
        // Not every user may see the defaults.
        let default = || self.topic_defaults().ok().and_then(|defaults| defaults.replication);
        let replication = spec.replication.or_else(default).and_then(|count| usize::try_from(count).ok());
        Error::TooFewBrokers {
            topic: topic.to_owned(),
            replication,
            live,
            members,
            reason: normalize_message(&refusal.reason),
        }
    }

    /// Waits until clients see topics that were just created. An administrator need not be authorized to see them.
    fn wait_for_topics(&self, topics: &[&str]) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let descriptions = self.describe_topics(topics)?;
            let is_missing = |topic: &TopicDescription| matches!(topic.error, Some(Error::UnknownTopic { .. }));
            if !descriptions.iter().any(is_missing) {
                return Ok(());
            }
            self.check("waiting for new topics", deadline)?;
            std::thread::sleep(RETRY_BACKOFF);
        }
    }

    /// Ensures that a topic exists. Creates it where that is allowed: as this user, or as the administrator where one is configured. Returns
    /// its number of partitions.
    ///
    /// # Errors
    /// The topic does not exist and may not be created ([`Error::UnknownTopic`]), or no response.
    pub fn ensure_topic(&self, topic: &str, spec: &TopicSpec) -> Result<i32> {
        if let Some(partitions) = self.partitions(topic)? {
            return Ok(partitions);
        }
        let created = match self.create_topic(topic, spec) {
            Err(Error::NotAuthorized { .. }) if self.settings.admin.is_some() => {
                Self::open(&self.settings, Identity::Admin, self.timeout)?.create_topic(topic, spec)
            }
            other => other,
        };
        match (created, spec.partitions) {
            (Ok(_), Some(partitions)) => Ok(partitions),
            // `TopicMismatch`: another process has created it meanwhile.
            (Ok(_) | Err(Error::TopicMismatch { .. }), _) => self.partitions(topic)?.ok_or_else(|| {
                Error::UnknownTopic { topic: topic.to_owned(), hint: ", although it was just created".to_owned() }
            }),
            (Err(Error::NotAuthorized { user, .. }), _) => Err(Error::UnknownTopic {
                topic: topic.to_owned(),
                hint: format!(", and user `{user}` is not authorized to create it"),
            }),
            (Err(error), _) => Err(error),
        }
    }

    /// As [`ensure_topic`](Self::ensure_topic), for many topics: the number of partitions of each, in order. One request where all exist.
    ///
    /// # Errors
    /// As [`ensure_topic`](Self::ensure_topic), for the first topic that fails.
    pub fn ensure_topics(&self, topics: &[(&str, TopicSpec)]) -> Result<Vec<i32>> {
        let known = self.list_topics()?;
        let partitions = |topic: &str| known.iter().find(|known| known.name == topic && known.partitions > 0);
        let ensured = topics.iter().map(|(topic, spec)| match partitions(topic) {
            Some(known) => Ok(known.partitions),
            None => self.ensure_topic(topic, spec),
        });
        ensured.collect()
    }

    /// Adds partitions to a topic until it has `partitions`, and waits until clients see them. Does nothing where it has as many or more.
    ///
    /// # Errors
    /// It does not exist, not authorized to alter it, or the cluster rejects the number.
    pub fn add_partitions(&self, topic: &str, partitions: i32) -> Result<()> {
        let action = "add partitions to";
        let count = usize::try_from(partitions).unwrap_or_default();
        let request = |call: &AdminCall<'_>| topic_changes::create_partitions(call, topic, count);
        match self.submit_about(action, Resource::Topic(topic), request)?.pop() {
            // With an invalid number, another process has added as many or more meanwhile.
            Some((_, Some(error))) if error.code != Code::InvalidPartitions => {
                return Err(self.request_error(error.code, "", action, Resource::Topic(topic)));
            }
            _ => {}
        }
        let deadline = Instant::now() + self.timeout;
        while self.partitions(topic)?.is_none_or(|found| found < partitions) {
            self.check("waiting for new partitions", deadline)?;
            std::thread::sleep(RETRY_BACKOFF);
        }
        Ok(())
    }

    /// Deletes a topic with all its messages.
    ///
    /// # Errors
    /// It does not exist, or not authorized to delete it.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        let action = "delete";
        let request = |call: &AdminCall<'_>| topic_changes::delete_topic(call, topic);
        match self.submit_about(action, Resource::Topic(topic), request)?.pop() {
            Some((_, Some(error))) => Err(self.request_error(error.code, "", action, Resource::Topic(topic))),
            _ => Ok(()),
        }
    }

    /// The id and the address of each broker that the cluster has now. `topic`: one that exists; without it, the response lists all topics. Fails
    /// a second after the brokers became unreachable, without waiting for the timeout.
    ///
    /// # Errors
    /// No response.
    pub(crate) fn live_brokers(&self, topic: Option<&str>) -> Result<Vec<(i32, String)>> {
        const DOING: &str = "listing the brokers";
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.client().fetch_metadata(topic, POLL_INTERVAL) {
                Ok(metadata) => {
                    self.connection().status().mark_connected();
                    let address =
                        |broker: &MetadataBroker| (broker.id(), format!("{}:{}", broker.host(), broker.port()));
                    return Ok(metadata.brokers().iter().map(address).collect());
                }
                Err(_) => self.check(DOING, deadline)?,
            }
            let fault = self.connection().status().fault();
            if fault.is_some_and(|fault| fault.first.elapsed() >= UNREACHABLE_AFTER) {
                return Err(self.connection().diagnose_timeout(self.timeout, DOING));
            }
        }
    }

    /// Connects to each broker at its advertised address. Returns each with what prevents its use; `None`: nothing.
    ///
    /// # Errors
    /// No response to the request for the addresses.
    pub fn probe_brokers(&self) -> Result<Vec<(BrokerAddress, Option<Diagnosis>)>> {
        let metadata = self.metadata("listing the brokers")?;
        let address = |broker: &MetadataBroker| BrokerAddress {
            host: broker.host().to_owned(),
            port: u16::try_from(broker.port()).unwrap_or_default(),
            source: AddressSource::Brokers,
        };
        let probe = |address: BrokerAddress| {
            let diagnosis = self.connection().probe(&address);
            (address, diagnosis)
        };
        Ok(metadata.brokers().iter().map(address).map(probe).collect())
    }

    /// Opens a TCP connection to each of these brokers, the [live ones](Self::live_brokers): a bootstrap address lists them even where none of their
    /// advertised addresses can be reached.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: a broker that does not accept connections.
    pub(crate) fn require_reachable(&self, brokers: &[(i32, String)]) -> Result<()> {
        let mut addresses = brokers.iter().filter_map(|(_, text)| BrokerAddress::parse(text, AddressSource::Brokers));
        let unreachable = addresses.find_map(|address| diagnosis::unreachable(&address));
        unreachable.map_or(Ok(()), |reason| Err(self.connection().unreachable(reason)))
    }
}

/// The number of brokers that are available, and of all that the cluster is known to have: those that are away hold replicas of topics.
fn count_brokers(metadata: &Metadata) -> (usize, usize) {
    let live: BTreeSet<i32> = metadata.brokers().iter().map(MetadataBroker::id).collect();
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    let replicas = partitions.flat_map(|partition| partition.replicas().iter().copied());
    let members: BTreeSet<i32> = live.iter().copied().chain(replicas).collect();
    (live.len(), members.len())
}

fn compare(found: &TopicDescription, config: Option<&TopicConfig>, spec: &TopicSpec) -> TopicDiff {
    let mut differences = Vec::new();
    let partitions = found.partitions.len();
    if let Some(wanted) = spec.partitions.filter(|wanted| usize::try_from(*wanted) != Ok(partitions)) {
        differences.push(format!("it has {partitions} partitions, not {wanted}"));
    }
    let replicas = found.partitions.first().map_or(0, |partition| partition.replicas.len());
    if let Some(wanted) = spec.replication.filter(|wanted| usize::try_from(*wanted) != Ok(replicas)) {
        differences.push(format!("it has {replicas} replicas, not {wanted}"));
    }
    for (name, wanted) in &spec.config {
        if let Some(value) = config.and_then(|config| config.value(name)).filter(|value| value != wanted) {
            differences.push(format!("{name} is {value}, not {wanted}"));
        }
    }
    if differences.is_empty() { TopicDiff::Same } else { TopicDiff::Different(differences.join(", ")) }
}

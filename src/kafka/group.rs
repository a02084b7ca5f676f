//! A consumer group seen from outside: its members and the offsets that it has committed.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;

use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, Resource, Result, settings_error};
use crate::kafka::ffi;
use crate::kafka::settings::KafkaSettings;

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// what its client calls itself
    pub client_id: String,
    /// the address that it comes from
    pub host: String,
}

/// Who is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Kafka's word: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`; empty: Kafka does not know the group
    pub state: String,
    /// its members
    pub members: Vec<GroupMember>,
}

impl GroupState {
    /// Whether partitions are being shared out at this moment.
    pub fn is_rebalancing(&self) -> bool {
        self.state.ends_with("Rebalance")
    }
}

/// A consumer group, asked without joining it.
pub struct ConsumerGroup {
    inner: BaseConsumer<Connection>,
    group: String,
    timeout: Duration,
}

impl ConsumerGroup {
    /// Nothing is sent before the first question.
    ///
    /// # Errors
    /// The settings are refused by librdkafka.
    pub fn open(settings: &KafkaSettings, group: &str, timeout: Duration) -> Result<Self> {
        let fixed = [("group.id", group), ("enable.auto.commit", "false")];
        let config = client_config(settings, Identity::User, &[], &fixed)?;
        let connection = Connection::new(settings, Identity::User);
        let inner = config.create_with_context(connection).map_err(|e| settings_error(&e))?;
        Ok(Self { inner, group: group.to_owned(), timeout })
    }

    /// The state and the members. Takes the right to describe the group, which the right to read includes; without it the group looks
    /// unknown.
    ///
    /// # Errors
    /// No answer.
    pub fn state(&self) -> Result<GroupState> {
        let found = self.inner.client().fetch_group_list(Some(&self.group), self.timeout);
        let found = found.map_err(|e| self.error(&e, "look at"))?;
        let Some(group) = found.groups().iter().find(|group| group.name() == self.group) else {
            return Ok(GroupState { state: String::new(), members: Vec::new() });
        };
        let members = group.members().iter().map(|member| GroupMember {
            client_id: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        });
        Ok(GroupState { state: group.state().to_owned(), members: members.collect() })
    }

    /// The committed offset of each partition, in their order; `None`: there is none.
    ///
    /// # Errors
    /// No right to use the group, or no answer.
    pub fn committed(&self, partitions: &[(String, i32)]) -> Result<Vec<Option<i64>>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let found =
            self.inner.committed_offsets(list, self.timeout).map_err(|e| self.error(&e, "see the offsets of"))?;
        let found = found.to_topic_map();
        let offset = |place: &(String, i32)| match found.get(place) {
            Some(Offset::Offset(offset)) => Some(*offset),
            _ => None,
        };
        Ok(partitions.iter().map(offset).collect())
    }

    /// Commits an offset for each (topic, partition). The brokers refuse it while the group has members.
    ///
    /// # Errors
    /// The group has members, no right to use it, or no answer.
    pub fn commit(&self, offsets: &[(String, i32, i64)]) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in offsets {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            added.map_err(|e| self.error(&e, "commit offsets of"))?;
        }
        self.inner.commit(&list, CommitMode::Sync).map_err(|error| match error.rdkafka_error_code() {
            Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress) => Error::Other {
                doing: format!("commit offsets of consumer group `{}`", self.group),
                reason: "the group has members: stop its consumers first".to_owned(),
                transient: false,
            },
            _ => self.error(&error, "commit offsets of"),
        })
    }

    fn error(&self, error: &KafkaError, action: &str) -> Error {
        let connection = self.inner.client().context();
        ffi::serve_events(self.inner.client());
        if let Err(fault) = connection.check() {
            return fault;
        }
        match error.rdkafka_error_code().unwrap_or(Code::Fail) {
            Code::OperationTimedOut | Code::BrokerTransportFailure | Code::AllBrokersDown => connection
                .diagnose_timeout(self.timeout, &format!("trying to {action} consumer group `{}`", self.group)),
            code => connection.request_error(code, "", action, Resource::Group(&self.group)),
        }
    }
}

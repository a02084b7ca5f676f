//! What can go wrong with Kafka. Errors are plain data: building one sends nothing. [`Connection`](super::connection::Connection) looks for
//! the reason of a connection that does not work.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// `Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a Kafka client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No broker responds. Transient.
    #[error("cannot connect to kafka at {servers}: {reason}")]
    Unreachable {
        /// the configured `bootstrap_servers`
        servers: String,
        /// which broker, why, and what to do
        reason: String,
    },
    /// The brokers refuse the user name or the password. Permanent.
    #[error(
        "kafka at {servers} refused the login of user `{user}`: {reason}; check the user name, the password and sasl_mechanism"
    )]
    AuthenticationRefused {
        /// the configured `bootstrap_servers`
        servers: String,
        /// the user, or `(none)` where no login is configured
        user: String,
        /// the broker's message
        reason: String,
    },
    /// The settings do not match the brokers: TLS, certificates, login. Permanent.
    #[error("the kafka settings do not match the brokers at {servers}: {reason}")]
    ConfigurationMismatch {
        /// the configured `bootstrap_servers`
        servers: String,
        /// which broker, why, and what to do
        reason: String,
    },
    /// No ACL allows the request, or one denies it. Permanent.
    #[error(
        "user `{user}` is not authorized to {action} {resource}; see `fink kafka grant` and `fink kafka list-acls`"
    )]
    NotAuthorized {
        /// the user, or `(none)` where no login is configured
        user: String,
        /// what was tried, such as `write to`
        action: String,
        /// on what: type and name
        resource: String,
    },
    /// The brokers do not implement the request. Permanent.
    #[error("the brokers do not support the request to {action} {resource}")]
    Unsupported {
        /// what was tried, such as `see the configuration of`
        action: String,
        /// on what: type and name
        resource: String,
    },
    /// The topic does not exist and cannot be created here. Permanent.
    #[error("topic `{topic}` does not exist{hint}; create it with `fink kafka create-topic {topic}`")]
    UnknownTopic {
        /// its name
        topic: String,
        /// why it was not created, with a leading comma, or empty
        hint: String,
    },
    /// The topic exists with another number of partitions, replication or configuration than needed. Permanent.
    #[error("topic `{topic}` is not as required: {difference}")]
    TopicMismatch {
        /// its name
        topic: String,
        /// what it is, and what is required
        difference: String,
    },
    /// A new topic needs more brokers than are available. Transient if the cluster is known to have as many.
    #[error(
        "topic `{topic}` cannot be created: {}, and {} ({reason}); start the missing brokers, or lower the replication factor",
        replicas(.replication), available(.live, .members)
    )]
    TooFewBrokers {
        /// its name
        topic: String,
        /// its replication factor; `None`: the cluster's default, which is not known
        replication: Option<usize>,
        /// the number of brokers that are available
        live: usize,
        /// the number of brokers of the cluster, as far as known
        members: usize,
        /// the broker's message
        reason: String,
    },
    /// Another producer uses the same transactional id. Permanent.
    #[error("another fink with the same distribution.name has taken over (transactional id `{transactional_id}`)")]
    Fenced {
        /// the id
        transactional_id: String,
    },
    /// The brokers aborted the transaction because it was open for too long. The producer has to be reopened, and the checkpoint read again.
    #[error(
        "the transaction of `{transactional_id}` was open for {} s, longer than transaction.timeout.ms", .open.as_secs()
    )]
    TransactionExpired {
        /// the producer's id
        transactional_id: String,
        /// how long it was open
        open: Duration,
    },
    /// The producer cannot be used any more, and was not fenced. It has to be reopened, and the checkpoint read again.
    #[error("the producer `{transactional_id}` has failed: {reason}")]
    ProducerFailed {
        /// the producer's id
        transactional_id: String,
        /// librdkafka's message
        reason: String,
    },
    /// The transaction cannot be committed: abort it and read the checkpoint again.
    #[error("the transaction has to be aborted: {reason}")]
    MustAbort {
        /// why
        reason: String,
    },
    /// The offsets of a consumer group cannot be changed while it has members. Permanent.
    #[error("consumer group `{group}` has members, so its position cannot be moved: {members}; stop them first")]
    GroupHasMembers {
        /// its name
        group: String,
        /// client id and host of each
        members: String,
    },
    /// One message is larger than librdkafka or its topic accepts; the transaction is unaffected.
    #[error("a message of {bytes} bytes is too large for topic `{topic}`: raise max.message.bytes of the topic")]
    TooLarge {
        /// its topic
        topic: String,
        /// key and value together
        bytes: usize,
    },
    /// librdkafka or this module rejects the settings. Permanent.
    #[error("kafka settings: {0}")]
    Settings(String),
    /// The caller cancelled the operation.
    #[error("cancelled while {0}")]
    Cancelled(String),
    /// The brokers can be reached but did not respond in time. Transient.
    #[error("kafka did not respond within {timeout:?} while {doing}")]
    TimedOut {
        /// the limit
        timeout: Duration,
        /// what was being done
        doing: String,
    },
    /// Any other failure, with librdkafka's message.
    #[error("{doing}: {reason}")]
    Other {
        /// what was being done
        doing: String,
        /// librdkafka's message
        reason: String,
        /// whether a retry may succeed
        transient: bool,
    },
}

impl Error {
    /// Whether a retry may succeed without a change by an operator.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Other { transient, .. } => *transient,
            // Without any broker, the cluster has just started.
            Self::TooFewBrokers { replication, live, members, .. } => {
                *live == 0 || replication.is_some_and(|replication| replication <= *members)
            }
            _ => false,
        }
    }

    /// Whether the caller can continue by reopening the producer and reading the checkpoint again.
    pub fn requires_reopening(&self) -> bool {
        matches!(self, Self::TransactionExpired { .. } | Self::ProducerFailed { .. }) || self.is_transient()
    }
}

fn replicas(replication: &Option<usize>) -> String {
    match replication {
        Some(1) => "it needs a broker".to_owned(),
        Some(count) => format!("it needs {count} brokers for its replicas"),
        None => "it needs more brokers for its replicas".to_owned(),
    }
}

fn available(live: &usize, members: &usize) -> String {
    match (live, members) {
        (live, members) if live < members => format!("{live} of {members} brokers are available"),
        (1, _) => "the cluster has 1 broker".to_owned(),
        (live, _) => format!("the cluster has {live} brokers"),
    }
}

/// What a failed request was about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    TransactionalId(&'a str),
    User(&'a str),
    Cluster,
}

impl std::fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic `{name}`"),
            Self::Group(name) => write!(f, "consumer group `{name}`"),
            Self::TransactionalId(name) => write!(f, "transactional id `{name}`"),
            Self::User(name) => write!(f, "user `{name}`"),
            Self::Cluster => f.write_str("the cluster"),
        }
    }
}

/// The error of a request of `user` that Kafka refused with `code`. `action` is what was tried, such as `write to`; an empty `reason` stands
/// for the code's own message.
pub(crate) fn request_error(code: Code, reason: &str, action: &str, resource: Resource<'_>, user: &str) -> Error {
    let denied = |resource: String| Error::NotAuthorized { user: user.to_owned(), action: action.to_owned(), resource };
    match (code, resource) {
        (Code::UnknownTopic | Code::UnknownTopicOrPartition, Resource::Topic(topic)) => {
            Error::UnknownTopic { topic: topic.to_owned(), hint: String::new() }
        }
        (Code::TopicAuthorizationFailed, Resource::Topic(_))
        | (Code::GroupAuthorizationFailed, Resource::Group(_))
        | (Code::TransactionalIdAuthorizationFailed, Resource::TransactionalId(_))
        | (Code::ClusterAuthorizationFailed, Resource::Cluster) => denied(resource.to_string()),
        // The broker may refuse access to something else than the resource: to the cluster when a topic is created, for example.
        (Code::TopicAuthorizationFailed, _) => denied("a topic".to_owned()),
        (Code::GroupAuthorizationFailed, _) => denied("the consumer group".to_owned()),
        (Code::TransactionalIdAuthorizationFailed, _) => denied("the transactional id".to_owned()),
        (Code::ClusterAuthorizationFailed, _) => denied(format!("the cluster (for {resource})")),
        (Code::UnsupportedFeature, _) => {
            Error::Unsupported { action: action.to_owned(), resource: resource.to_string() }
        }
        _ => Error::Other {
            doing: format!("{action} {resource}"),
            reason: if reason.is_empty() { message_of(code) } else { normalize_message(reason) },
            transient: is_transient(code),
        },
    }
}

/// librdkafka's message for a code, without the code's name: it is displayed as `Name (Broker: Message)`.
fn message_of(code: Code) -> String {
    let text = code.to_string();
    let message = text.split_once(" (").and_then(|(_, message)| message.strip_suffix(')'));
    normalize_message(message.unwrap_or(&text))
}

/// Whether the code says that no ACL allows the request.
pub(crate) fn is_authorization_failure(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

/// Whether the same request may succeed later: a broker is unreachable, or a partition, coordinator or controller moves.
pub(crate) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::NotController
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::ListenerNotFound
            | Code::KafkaStorageError
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::WaitCache
            | Code::ConcurrentTransactions
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ThrottlingQuotaExceeded
    )
}

/// librdkafka's message as part of a sentence: without its prefix, its connection state and the full stop, in lower case.
pub(crate) fn normalize_message(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let message =
        message.split_once(" (after ").filter(|(_, rest)| rest.contains("in state")).map_or(message, |(head, _)| head);
    let message = message.strip_prefix("Broker: ").or_else(|| message.strip_prefix("Local: ")).unwrap_or(message);
    let mut letters = message.chars();
    match (letters.next(), letters.next()) {
        // `SASL …` keeps its capitals.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(message.chars().skip(1)).collect()
        }
        _ => message.to_owned(),
    }
}

/// librdkafka's error about an option, without the option's value.
pub(crate) fn settings_error(error: &KafkaError) -> Error {
    Error::Settings(match error {
        KafkaError::ClientConfig(_, text, name, value) => {
            let text = if value.is_empty() { text.clone() } else { text.replace(value.as_str(), "…") };
            format!("librdkafka option `{name}`: {}", normalize_message(&text))
        }
        KafkaError::ClientCreation(text) => normalize_message(text),
        other => normalize_message(&other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(code: Code, resource: Resource<'_>) -> String {
        request_error(code, "", "write to", resource, "bob").to_string()
    }

    #[test]
    fn an_authorization_failure_names_user_action_and_resource() {
        let text = denial(Code::TopicAuthorizationFailed, Resource::Topic("fink_a"));
        assert!(text.starts_with("user `bob` is not authorized to write to topic `fink_a`"), "{text}");
        let text = denial(Code::TransactionalIdAuthorizationFailed, Resource::TransactionalId("fink-0"));
        assert!(text.contains("transactional id `fink-0`"), "{text}");
        let text = denial(Code::ClusterAuthorizationFailed, Resource::Topic("fink_a"));
        assert!(text.contains("the cluster (for topic `fink_a`)"), "{text}");
    }

    #[test]
    fn a_missing_topic_names_the_command() {
        let text = denial(Code::UnknownTopicOrPartition, Resource::Topic("fink_a"));
        assert_eq!(text, "topic `fink_a` does not exist; create it with `fink kafka create-topic fink_a`");
    }

    #[test]
    fn a_code_without_a_reason_has_librdkafkas_message() {
        let text = denial(Code::InvalidPartitions, Resource::Topic("fink_a"));
        assert_eq!(text, "write to topic `fink_a`: invalid number of partitions");
    }

    #[test]
    fn brokers_that_are_missing_are_waited_for_if_the_cluster_has_them() {
        let error = |replication, live, members| Error::TooFewBrokers {
            topic: "fink_a".to_owned(),
            replication,
            live,
            members,
            reason: "only 2 are registered".to_owned(),
        };
        assert!(error(Some(3), 2, 3).is_transient() && error(None, 0, 0).is_transient());
        assert!(error(Some(1), 1, 1).is_transient(), "one has joined meanwhile");
        assert!(!error(Some(3), 2, 2).is_transient() && !error(None, 2, 3).is_transient());
        let text = error(Some(3), 2, 3).to_string();
        assert!(text.contains("it needs 3 brokers for its replicas, and 2 of 3 brokers are available"), "{text}");
        let text = error(Some(3), 1, 1).to_string();
        assert!(text.contains("and the cluster has 1 broker (only 2 are registered); start"), "{text}");
    }

    #[test]
    fn answers_of_a_cluster_that_starts_are_transient() {
        for code in [
            Code::CoordinatorNotAvailable,
            Code::CoordinatorLoadInProgress,
            Code::NotCoordinator,
            Code::LeaderNotAvailable,
            Code::NotController,
            Code::BrokerNotAvailable,
            Code::ListenerNotFound,
            Code::KafkaStorageError,
            Code::RequestTimedOut,
        ] {
            assert!(request_error(code, "", "create", Resource::Topic("fink_a"), "bob").is_transient(), "{code:?}");
        }
    }

    #[test]
    fn librdkafkas_messages_become_part_of_a_sentence() {
        assert_eq!(normalize_message("Broker: Message size too large."), "message size too large");
        assert_eq!(normalize_message("SASL authentication error: no"), "SASL authentication error: no");
        assert_eq!(
            normalize_message("127.0.0.1:1/bootstrap: Connect failed: refused (after 0ms in state CONNECT)"),
            "127.0.0.1:1/bootstrap: Connect failed: refused"
        );
    }
}

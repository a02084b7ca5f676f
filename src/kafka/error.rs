//! What goes wrong with Kafka, said so that the reader knows what to do.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

/// `Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of something that was done with Kafka.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No broker answers. Waiting may help.
    #[error("kafka at {servers} cannot be reached: {reason}")]
    Unreachable {
        /// the configured `bootstrap_servers`
        servers: String,
        /// which broker, why, and what to do
        reason: String,
    },
    /// The login was refused. Waiting does not help.
    #[error(
        "kafka at {servers} refused the login of user `{user}`: {reason}; check the user's name, its password and sasl_mechanism"
    )]
    AuthenticationRefused {
        /// the configured `bootstrap_servers`
        servers: String,
        /// the user, or `(none)` where no login is configured
        user: String,
        /// the broker's words
        reason: String,
    },
    /// The brokers and the settings do not fit together: TLS, certificates, whether there is a login. Waiting does not help.
    #[error("no connection with kafka at {servers}: {reason}")]
    ConfigurationMismatch {
        /// the configured `bootstrap_servers`
        servers: String,
        /// which broker, why, and what to do
        reason: String,
    },
    /// The user lacks a right.
    #[error("user `{user}` has no right to {action} {resource}; see `fink kafka grant` and `fink kafka list-acls`")]
    NotAuthorized {
        /// the user, or `(none)` where no login is configured
        user: String,
        /// what was tried
        action: String,
        /// on what: kind and name
        resource: String,
    },
    /// The topic does not exist and nobody makes it.
    #[error("topic `{topic}` does not exist{hint}; create it with `fink kafka create-topic {topic}`")]
    UnknownTopic {
        /// its name
        topic: String,
        /// why it was not created, beginning with a space, or nothing
        hint: String,
    },
    /// The topic exists, but not as it is needed.
    #[error("topic `{topic}` is not as it should be: {difference}")]
    TopicMismatch {
        /// its name
        topic: String,
        /// what it is, and what it should be
        difference: String,
    },
    /// Another producer uses the same transactional id.
    #[error("another fink with the same distribution.name has taken over (transactional id `{transactional_id}`)")]
    Fenced {
        /// the id
        transactional_id: String,
    },
    /// The brokers gave the transaction up, because it was open for longer than they allow. The producer must be opened again.
    #[error(
        "the transaction of `{transactional_id}` was open for {open:?}, longer than transaction.timeout.ms; open the producer again and read again"
    )]
    TransactionExpired {
        /// the producer's id
        transactional_id: String,
        /// how long it was open
        open: Duration,
    },
    /// The producer is of no use any more, though nobody has taken over. It must be opened again, and the checkpoint read again.
    #[error("the producer `{transactional_id}` has failed: {reason}; open it again and read again")]
    ProducerFailed {
        /// the producer's id
        transactional_id: String,
        /// librdkafka's words
        reason: String,
    },
    /// The running transaction cannot be committed any more: abort it and read again.
    #[error("the transaction has to be aborted: {reason}")]
    MustAbort {
        /// why
        reason: String,
    },
    /// One message is larger than Kafka takes; nothing else is touched.
    #[error("a message of {bytes} bytes is too large for topic `{topic}`: raise max.message.bytes of the topic")]
    TooLarge {
        /// where it was to go
        topic: String,
        /// key and value together
        bytes: usize,
    },
    /// The configuration is refused by librdkafka.
    #[error("kafka settings: {0}")]
    Settings(String),
    /// The caller's signal ended the wait.
    #[error("stopped while {0}")]
    Stopped(String),
    /// Nothing came in time, though the brokers can be reached.
    #[error("kafka did not answer within {timeout:?} while {doing}")]
    TimedOut {
        /// the bound
        timeout: Duration,
        /// what was being done
        doing: String,
    },
    /// Anything else, in librdkafka's words.
    #[error("{doing}: {reason}")]
    Other {
        /// what was being done
        doing: String,
        /// librdkafka's words
        reason: String,
        /// whether the same may work later
        transient: bool,
    },
}

impl Error {
    /// Whether the same may succeed later without anybody's help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Other { transient, .. } => *transient,
            _ => false,
        }
    }

    /// Whether opening the producer again, and reading the checkpoint again, is the way on.
    pub fn requires_reopening(&self) -> bool {
        matches!(self, Self::TransactionExpired { .. } | Self::ProducerFailed { .. }) || self.is_transient()
    }
}

/// What a refused request was about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    TransactionalId(&'a str),
    Cluster,
}

/// An answer of Kafka, to be turned into an [`Error`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal<'a> {
    pub code: Code,
    /// librdkafka's words; empty: the code's own
    pub reason: &'a str,
    /// what was being done, as in `write to` or `read`
    pub action: &'a str,
    pub resource: Resource<'a>,
    pub user: &'a str,
}

impl Refusal<'_> {
    /// The error that says it.
    pub fn error(&self) -> Error {
        let (kind, name) = match self.resource {
            Resource::Topic(name) => ("topic", name),
            Resource::Group(name) => ("consumer group", name),
            Resource::TransactionalId(name) => ("transactional id", name),
            Resource::Cluster => ("the cluster", ""),
        };
        let described = if name.is_empty() {
            format!("the {}", kind.trim_start_matches("the "))
        } else {
            format!("{kind} `{name}`")
        };
        match (self.code, self.resource) {
            (Code::UnknownTopic | Code::UnknownTopicOrPartition, Resource::Topic(topic)) => {
                Error::UnknownTopic { topic: topic.to_owned(), hint: String::new() }
            }
            // The broker may refuse something else than what was asked for: the cluster when a topic is created, for example.
            (Code::TopicAuthorizationFailed, Resource::Topic(_))
            | (Code::GroupAuthorizationFailed, Resource::Group(_))
            | (Code::TransactionalIdAuthorizationFailed, Resource::TransactionalId(_))
            | (Code::ClusterAuthorizationFailed, Resource::Cluster) => self.denied(described),
            (Code::TopicAuthorizationFailed, _) => self.denied("a topic".to_owned()),
            (Code::GroupAuthorizationFailed, _) => self.denied("the consumer group".to_owned()),
            (Code::TransactionalIdAuthorizationFailed, _) => self.denied("the transactional id".to_owned()),
            (Code::ClusterAuthorizationFailed, _) => self.denied(format!("the cluster (for {described})")),
            _ => Error::Other {
                doing: format!("{} {described}", self.action),
                reason: if self.reason.is_empty() { words_of(self.code) } else { lower(self.reason) },
                transient: is_transient(self.code),
            },
        }
    }

    fn denied(&self, resource: String) -> Error {
        Error::NotAuthorized { user: self.user.to_owned(), action: self.action.to_owned(), resource }
    }
}

/// A code in librdkafka's words, without its name: it is displayed as `Name (Broker: Words)`.
fn words_of(code: Code) -> String {
    let text = code.to_string();
    let words = text.split_once(" (").and_then(|(_, words)| words.strip_suffix(')'));
    lower(words.unwrap_or(&text))
}

/// Whether a user without this right would get this code.
pub(crate) fn is_authorization_failure(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

/// Codes after which the same request may work: the brokers are moving things or cannot be reached.
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

/// librdkafka's words as the middle of a sentence: first letter small, its prefixes and full stop gone.
pub(crate) fn lower(words: &str) -> String {
    let words = words.trim().trim_end_matches('.');
    let words =
        words.split_once(" (after ").filter(|(_, rest)| rest.contains("in state")).map_or(words, |(head, _)| head);
    let words = words.strip_prefix("Broker: ").or_else(|| words.strip_prefix("Local: ")).unwrap_or(words);
    let mut letters = words.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(words.chars().skip(1)).collect()
        }
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: Code, resource: Resource<'_>) -> String {
        Refusal { code, reason: "", action: "write to", resource, user: "bob" }.error().to_string()
    }

    #[test]
    fn a_missing_right_names_user_action_and_resource() {
        let text = refusal(Code::TopicAuthorizationFailed, Resource::Topic("fink_a"));
        assert!(text.starts_with("user `bob` has no right to write to topic `fink_a`"), "{text}");
        let text = refusal(Code::TransactionalIdAuthorizationFailed, Resource::TransactionalId("fink-0"));
        assert!(text.contains("transactional id `fink-0`"), "{text}");
        let text = refusal(Code::ClusterAuthorizationFailed, Resource::Topic("fink_a"));
        assert!(text.contains("the cluster (for topic `fink_a`)"), "{text}");
    }

    #[test]
    fn a_missing_topic_names_the_command() {
        let text = refusal(Code::UnknownTopicOrPartition, Resource::Topic("fink_a"));
        assert_eq!(text, "topic `fink_a` does not exist; create it with `fink kafka create-topic fink_a`");
    }

    #[test]
    fn a_code_without_a_reason_is_said_in_words() {
        let text = refusal(Code::InvalidReplicationFactor, Resource::Topic("fink_a"));
        assert_eq!(text, "write to topic `fink_a`: invalid replication factor");
    }

    #[test]
    fn librdkafkas_words_become_the_middle_of_a_sentence() {
        assert_eq!(lower("Broker: Message size too large."), "message size too large");
        assert_eq!(lower("SASL authentication error: no"), "SASL authentication error: no");
        assert_eq!(
            lower("127.0.0.1:1/bootstrap: Connect failed: refused (after 0ms in state CONNECT)"),
            "127.0.0.1:1/bootstrap: Connect failed: refused"
        );
    }
}

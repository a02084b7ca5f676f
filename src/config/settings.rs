//! The settings as typed data. All rules between them were checked when they were read.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::librdkafka::is_secret_option;
use super::start::Start;
pub use crate::alert::{Encoding, MessageKey};
pub use crate::science_db::{CompleteRows, RowPrefixes, ScienceDbSettings, StoreKind};
use crate::secret::Secret;

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[science_db]`
    pub science_db: ScienceDbSettings,
    /// `[kafka]`
    pub kafka: KafkaSettings,
    /// `[consumer]`
    pub consumer: ConsumerSettings,
    /// `[distribution]`
    pub distribution: DistributionSettings,
    /// `[[stream]]`, at least one
    pub streams: Vec<StreamSettings>,
    /// `[filters]`
    pub filters: FilterSettings,
    /// `[slack]`
    pub slack: SlackSettings,
}

impl Settings {
    /// The topics that a distribution reads back: those without transactions, and those of schemas.
    pub fn read_back_topics(&self) -> Vec<String> {
        self.streams.iter().flat_map(StreamSettings::read_back_topics).collect()
    }
}

/// How a connection to Kafka is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// no TLS, no login
    Plaintext,
    /// TLS, no login
    Ssl,
    /// login without TLS
    SaslPlaintext,
    /// login over TLS
    SaslSsl,
}

/// A Kafka user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// user name
    pub username: String,
    /// its password
    pub password: Secret,
}

/// `[kafka]`
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// brokers to ask first, `host:port,…`
    pub bootstrap_servers: String,
    /// TLS and login
    pub security_protocol: SecurityProtocol,
    /// `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`
    pub sasl_mechanism: String,
    /// the producer's and consumer's user; `None`: no login configured
    pub login: Option<Login>,
    /// the administrator; `None`: none configured
    pub admin: Option<Login>,
    /// file of trusted CA certificates, PEM
    pub ssl_ca: Option<PathBuf>,
    /// client certificate, PEM
    pub ssl_certificate: Option<PathBuf>,
    /// client key, PEM; present exactly where the certificate is
    pub ssl_key: Option<PathBuf>,
    /// what the client key is encrypted with; `None`: it is not
    pub ssl_key_password: Option<Secret>,
    /// raw librdkafka options; none of them is set by another key
    pub librdkafka: Vec<(String, String)>,
}

impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let librdkafka: Vec<(&str, &str)> = self
            .librdkafka
            .iter()
            .map(|(option, value)| (option.as_str(), if is_secret_option(option) { "***" } else { value.as_str() }))
            .collect();
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("security_protocol", &self.security_protocol)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("login", &self.login)
            .field("admin", &self.admin)
            .field("ssl_ca", &self.ssl_ca)
            .field("ssl_certificate", &self.ssl_certificate)
            .field("ssl_key", &self.ssl_key)
            .field("ssl_key_password", &self.ssl_key_password)
            .field("librdkafka", &librdkafka)
            .finish()
    }
}

/// `[consumer]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// the consumer group that keeps the position; `None`: none configured
    pub group: Option<String>,
    /// the topics that are read where the command names none
    pub topics: Vec<String>,
}

/// `[distribution]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionSettings {
    /// names the checkpoint and the transactional ids
    pub name: String,
    /// where a service begins
    pub start: Start,
    /// how often the live lane looks
    pub poll: Duration,
    /// rows younger than this are left alone
    pub settle: Duration,
    /// how far back a sweep goes
    pub overlap: Duration,
    /// how late a row may become visible and still be sent
    pub repair: Duration,
    /// time between two repairs
    pub repair_every: Duration,
    /// whether the status column is read and written
    pub status: bool,
    /// 2019's offset file; `None`: not kept
    pub offset_file: Option<PathBuf>,
    /// bound of the memory for alerts under way, bytes
    pub memory: u64,
    /// where alerts go that cannot be decoded, encoded or sent
    pub rejected_topic: String,
}

/// One `[[stream]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// its name, unique
    pub name: String,
    /// topic
    pub topic: String,
    /// partitions the topic is created with, where it may be created
    pub partitions: i32,
    /// XML rules
    pub rules: Option<PathBuf>,
    /// Python filters, `package.module:function`
    pub filters: Vec<String>,
    /// the telescope's schema; `None`: derived from the catalog
    pub schema: Option<PathBuf>,
    /// framing of the value
    pub encoding: Encoding,
    /// content of the key
    pub key: MessageKey,
    /// the schema's number in a registry; present exactly where the encoding is [`Encoding::Confluent`]
    pub schema_id: Option<u32>,
    /// whether the alerts are part of the transactions; `false`: an idempotent producer sends them, and the topic has no transaction markers
    pub transactions: bool,
    /// whether the schema is also written to [`schema_topic_of`] this topic
    pub schema_topic: bool,
}

impl StreamSettings {
    /// The topics of the stream that a distribution reads back: its own, where it has no transactions, and that of its schema.
    pub fn read_back_topics(&self) -> impl Iterator<Item = String> {
        let own = (!self.transactions).then(|| self.topic.clone());
        own.into_iter().chain(self.schema_topic())
    }

    /// The topic that holds the stream's schema, where one is wanted.
    pub fn schema_topic(&self) -> Option<String> {
        self.schema_topic.then(|| schema_topic_of(&self.topic))
    }
}

/// The topic in which `finkctl transfer` looks for the schema of a topic's alerts.
pub fn schema_topic_of(topic: &str) -> String {
    format!("{topic}_schema")
}

/// The most partitions of a topic without transactions: all their offsets stand in one record of the checkpoint.
pub const MAX_PARTITIONS_WITHOUT_TRANSACTIONS: i32 = 10_000;

/// What happens to a batch whose filter failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// the alerts that it fails for go to the rejected topic
    Reject,
    /// the service ends
    Stop,
}

/// `[filters]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// interpreter
    pub python: String,
    /// folders put on its `sys.path`
    pub path: Vec<PathBuf>,
    /// worker processes
    pub workers: usize,
    /// most alerts in one call
    pub batch: usize,
    /// for one batch
    pub timeout: Duration,
    /// bytes that a worker may take beyond what it has when its filters are imported
    pub memory: u64,
    /// policy for a failed batch
    pub on_error: OnError,
}

/// `[slack]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackSettings {
    /// file of channels; `None`: no notices
    pub channels: Option<PathBuf>,
    /// where messages are posted
    pub endpoint: Endpoint,
    /// what proves to Slack who is posting: read from the variable SLACK_API_TOKEN where `channels` is set
    pub token: Option<Secret>,
}

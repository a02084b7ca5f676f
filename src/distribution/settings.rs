//! The settings of a distribution and of the modules that it uses. All rules between them were checked when `config` read them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use super::start::Start;
use crate::alert::{Encoding, MessageKey};
use crate::filters::FilterSettings;
use crate::kafka::topics::{Durability, TopicSpec};
use crate::kafka::{KafkaSettings, checkpoint, idempotent_producer, schema_topic};
use crate::notify::SlackSettings;
use crate::science_db::ScienceDbSettings;

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
    /// `[metrics]`
    pub metrics: MetricsSettings,
}

/// `[metrics]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// where a service answers requests for its metrics; `None`: nowhere
    pub listen: Option<SocketAddr>,
}

impl Settings {
    /// The topics that a distribution reads back: those without transactions, and those of schemas.
    pub fn read_back_topics(&self) -> Vec<String> {
        self.streams.iter().flat_map(StreamSettings::read_back_topics).collect()
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
    /// of the topic of rejected alerts; the checkpoint topic has the same replicas
    pub durability: Durability,
}

impl DistributionSettings {
    /// What the topic of rejected alerts is created with.
    pub fn rejected_topic_spec(&self) -> TopicSpec {
        TopicSpec::stream(1).with(self.durability)
    }

    /// What the checkpoint topic is created with. It is compacted, so it has no retention.
    pub fn checkpoint_spec(&self) -> TopicSpec {
        checkpoint::topic_spec().with(Durability { retention: None, ..self.durability })
    }
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
    /// of the topic, where it is created; the schema topic has the same replicas
    pub durability: Durability,
}

impl StreamSettings {
    /// What the topic is created with.
    pub fn topic_spec(&self) -> TopicSpec {
        let spec = match self.transactions {
            true => TopicSpec::stream(self.partitions),
            false => idempotent_producer::topic_spec(self.partitions),
        };
        spec.with(self.durability)
    }

    /// What the topic of the schema is created with. The schema stays as long as the topic.
    pub fn schema_topic_spec(&self) -> TopicSpec {
        schema_topic::topic_spec().with(Durability { retention: None, ..self.durability })
    }

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

use super::distribution::{check_durability, count};
use crate::alert::{Encoding, MessageKey};
use crate::config::definition::{Default, Key, key};
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, RawValue, StreamTable};
use crate::config::origin::{FileLine, Origin};
use crate::config::reader::Reader;
use crate::config::value::IntegerInRange;
use crate::distribution::settings::{DistributionSettings, MAX_PARTITIONS_WITHOUT_TRANSACTIONS, StreamSettings};
use crate::kafka::topics::Durability;
use crate::messages::{RegistryAccess, RegistryClient};
use crate::topic::Topic;

const NAME: Key =
    key("name", "The name of the stream, for `--stream`, its variables and counts: letters, digits, `_` and `-`.")
        .example("\"full\"");

/// The stream without a configuration file, or in one without streams.
const DEFAULT_NAME: &str = "full";
const DEFAULT_TOPIC: &str = "fink_outstream";

/// Reads the streams of the file; without any, the default stream.
pub(super) fn read_all(
    reader: &mut Reader<'_>,
    file: Option<&ConfigFile>,
    distribution: &DistributionSettings,
) -> Vec<StreamSettings> {
    reader.section("stream", "One block for each stream.");
    reader.define::<String>(NAME, Default::Required);
    let tables = file.map_or(&[][..], |file| &file.streams);
    if tables.is_empty() {
        reader.stream(DEFAULT_NAME, None, true);
        return vec![read(reader, DEFAULT_NAME.to_owned(), None, distribution)];
    }
    let mut streams: Vec<StreamSettings> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let name = match stream_name(table) {
            Ok(name) => name,
            Err(error) => {
                reader.errors.push(error);
                continue;
            }
        };
        if let Some(other) = streams.iter().find(|other| variable_part(&other.name) == variable_part(&name)) {
            let reason = format!("the name must differ from `{}` by more than case, `-` and `_`", other.name);
            let origin = Origin::File(table.place.clone());
            reader.errors.push(ConfigError::Value { key: format!("stream.{name}"), origin, reason });
        }
        reader.stream(&name, Some(index), tables.len() == 1);
        let stream = read(reader, name, Some(&table.place), distribution);
        check_topics_differ(reader, &stream, &streams, distribution);
        streams.push(stream);
    }
    if tables.len() > 1 {
        reader.reject_ambiguous_variables();
    }
    streams
}

/// The part of a stream's variables that is its name: names that are equal there cannot be told apart.
fn variable_part(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}

fn stream_name(table: &StreamTable) -> Result<String, ConfigError> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let key = "stream.name".to_owned();
    match table.values.iter().find(|value| value.key == NAME.name) {
        Some(value) => match &value.given {
            RawValue::Text(name) if is_name(name) => Ok(name.clone()),
            _ => Err(ConfigError::Value {
                key,
                origin: Origin::File(value.place.clone()),
                reason: "expected a string of letters, digits, `_` and `-`".to_owned(),
            }),
        },
        None => {
            let reason = "each [[stream]] needs a name".to_owned();
            Err(ConfigError::Missing { key, place: Some(table.place.clone()), reason })
        }
    }
}

/// Reads the keys of the stream that `reader` has started. The topic is empty after an error.
fn read(
    reader: &mut Reader<'_>,
    name: String,
    place: Option<&FileLine>,
    distribution: &DistributionSettings,
) -> StreamSettings {
    let topic = key("topic", "The topic of the stream.").example("\"fink_outstream\"");
    let settings = StreamSettings {
        name,
        topic: reader.required(topic, place, DEFAULT_TOPIC.to_owned()).unwrap_or_default(),
        partitions: reader
            .read(
                key("partitions", "The number of partitions, if the service creates the topic."),
                IntegerInRange::<1, 100_000>(4),
            )
            .0 as i32,
        rules: reader.optional(
            key("rules", "XML rules, which select columns and alerts. If unset: all columns of all alerts.")
                .example("\"conf/distribution-rules.xml\""),
        ),
        filters: reader.read(
            key("filters", "Python filters, package.module:function. An alert is sent if all of them keep it.")
                .example("[\"userfilters.leveltwo:sigmapsf_and_sgscore\"]"),
            Vec::<String>::new(),
        ),
        schema: reader.optional(
            key("schema", "The Avro schema (.avsc) of the alerts. If unset: derived from the catalog.")
                .example("\"conf/schemas/ztf.avsc\""),
        ),
        encoding: reader.read(
            key(
                "encoding",
                "The encoding of the message value: a bare Avro datum (datum), with a schema id (confluent), as a single object, or as \
                 an Avro file (container).",
            ),
            Encoding::Datum,
        ),
        key: reader.read(
            key(
                "key",
                "The message key: schema (for fink-client 4 and later), object-id, version (for fink-client 2.1 to 3) or none.",
            ),
            MessageKey::Schema,
        ),
        schema_id: reader
            .optional::<IntegerInRange<0, { u32::MAX }>>(
                key("schema_id", "The id of the schema in the registry, for encoding = \"confluent\".").example("1"),
            )
            .map(|id| id.0),
        registry: reader.optional(
            key(
                "registry",
                "The address of a schema registry, for encoding = \"confluent\": the service registers the schema at its start, subject \
                 `<topic>-value`, and uses its id. The login, if any, is that of the variables FINK_REGISTRY_USERNAME and \
                 FINK_REGISTRY_PASSWORD; FINK_REGISTRY_CA names a file with the authorities to trust instead of the system's.",
            )
            .example("\"https://registry.example.org\""),
        ),
        transactions: reader.read(
            key(
                "transactions",
                "Whether to send in transactions. false: for consumers that take a number of messages for an offset, such as \
                 `finkctl transfer`.",
            ),
            true,
        ),
        schema_topic: reader.read(
            key(
                "schema_topic",
                "Whether to also write the schema, as the key of a message, to the topic `<topic>_schema`, where `finkctl transfer` reads \
                 it.",
            ),
            false,
        ),
        durability: Durability {
            replication: count(
                reader,
                key("replication", "The number of replicas of the topic, if it is new. If unset: distribution.replication.").example("3"),
            )
            .or(distribution.durability.replication),
            min_insync_replicas: count(
                reader,
                key(
                    "min_insync_replicas",
                    "The number of replicas that must have a message before it counts as sent, if the topic is new. If unset: \
                     distribution.min_insync_replicas.",
                )
                .example("2"),
            )
            .or(distribution.durability.min_insync_replicas),
            retention: reader.optional(
                key("retention", "How long the topic retains alerts, if it is new. If unset: the cluster's default.")
                    .example("\"7d\""),
            ),
        },
    };
    check(reader, &settings);
    check_durability(reader, settings.durability, "retention");
    settings
}

fn check(reader: &mut Reader<'_>, settings: &StreamSettings) {
    if !settings.transactions && settings.partitions > MAX_PARTITIONS_WITHOUT_TRANSACTIONS {
        let reason = format!("with transactions = false it must be at most {MAX_PARTITIONS_WITHOUT_TRANSACTIONS}");
        reader.add_error("partitions", reason);
    }
    if let Some(topic) = settings.schema_topic().filter(|_| !settings.topic.is_empty())
        && let Err(error) = topic.parse::<Topic>()
    {
        reader.add_error("schema_topic", error.to_string());
    }
    if !settings.topic.is_empty()
        && let Err(error) = settings.topic.parse::<Topic>()
    {
        reader.add_error("topic", error.to_string());
    }
    for filter in &settings.filters {
        let parts = filter
            .split_once(':')
            .map(|(module, function)| module.split('.').all(is_identifier) && is_identifier(function));
        if parts != Some(true) {
            reader.add_error("filters", format!("`{filter}` is not a filter: use `package.module:function`"));
        }
    }
    let is_confluent = settings.encoding == Encoding::Confluent;
    match (&settings.schema_id, &settings.registry) {
        (Some(_), Some(_)) => reader.add_error("registry", "it gives the id of the schema: remove `schema_id`"),
        (None, None) if is_confluent => {
            reader.add_error("encoding", "`confluent` requires `registry` or `schema_id`");
        }
        (Some(_), _) if !is_confluent => reader.add_error("schema_id", "it requires encoding = \"confluent\""),
        (_, Some(_)) if !is_confluent => reader.add_error("registry", "it requires encoding = \"confluent\""),
        _ => {}
    }
    if let Some(Err(reason)) =
        settings.registry.as_deref().map(|address| RegistryClient::new(address, &RegistryAccess::default()))
    {
        reader.add_error("registry", reason);
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_numeric())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Two streams on one topic would send its consumers each alert twice. A schema topic holds nothing but schemas.
fn check_topics_differ(
    reader: &mut Reader<'_>,
    stream: &StreamSettings,
    others: &[StreamSettings],
    distribution: &DistributionSettings,
) {
    if stream.topic.is_empty() {
        return;
    }
    if let Some(other) = others.iter().find(|other| other.topic == stream.topic) {
        reader.add_error("topic", format!("the stream `{}` is sent to `{}` already", other.name, stream.topic));
    }
    if stream.topic == distribution.rejected_topic {
        reader.add_error("topic", "it is also distribution.rejected_topic: use another topic");
    }
    let checkpoint = format!("fink_checkpoint_{}", distribution.name);
    if stream.topic == checkpoint {
        reader.add_error("topic", "it is also the checkpoint topic: use another topic");
    }
    if let Some(other) = others.iter().find(|other| other.schema_topic().as_ref() == Some(&stream.topic)) {
        reader.add_error("topic", format!("the schema of the stream `{}` is written to it (schema_topic)", other.name));
    }
    if let Some(topic) = stream.schema_topic() {
        if let Some(other) = others.iter().find(|other| other.topic == topic) {
            reader.add_error("schema_topic", format!("the stream `{}` is sent to `{topic}`", other.name));
        }
        if topic == distribution.rejected_topic || topic == checkpoint {
            reader.add_error("schema_topic", format!("`{topic}` is a topic of the distribution already"));
        }
    }
}

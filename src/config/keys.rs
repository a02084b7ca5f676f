//! Every key with its default and its rules. What is not read here is no key.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::ConfigError;
use super::file::{ConfigFile, RawValue};
use super::librdkafka::{is_secret_option, key_that_sets};
use super::login::{LoginSource, PasswordSource};
use super::origin::Origin;
use super::reader::{KeyScope, Reader};
use super::settings::*;
use super::value::{Addresses, ByteSize, IntegerInRange, SaslMechanism};

/// The variable that holds Slack's token.
const SLACK_TOKEN: &str = "SLACK_API_TOKEN";

/// What was read: the settings without passwords, and where these are to be had.
pub(super) struct Keys {
    pub settings: Settings,
    pub login: LoginSource,
    pub consumer: LoginSource,
    pub admin: LoginSource,
    pub key_password: Option<PasswordSource>,
}

/// Reads everything; what is wrong is left in the reader.
pub(super) fn read(reader: &mut Reader<'_>, file: Option<&ConfigFile>) -> Keys {
    let science_db = science_db(reader);
    let (kafka, login, admin, key_password) = kafka(reader, file);
    let (consumer_settings, consumer) = super::consumer::read(reader, kafka.security_protocol);
    let distribution = distribution(reader);
    let filters = filters(reader);
    let slack = slack(reader);
    let streams = streams(reader, file, &distribution);
    let settings = Settings { science_db, kafka, consumer: consumer_settings, distribution, streams, filters, slack };
    Keys { settings, login, consumer, admin, key_password }
}

fn science_db(reader: &mut Reader<'_>) -> ScienceDbSettings {
    let settings = ScienceDbSettings {
        kind: reader.read("science_db.kind", StoreKind::Thrift2),
        addresses: reader.read("science_db.address", Addresses(vec!["127.0.0.1:9090".to_owned()])).0,
        path: reader.read("science_db.path", PathBuf::from("science.db")),
        catalog: reader.read("science_db.catalog", PathBuf::from("conf/catalog.json")),
        table: reader.optional("science_db.table"),
        trigger: reader.optional("science_db.trigger"),
        object_id: reader.optional("science_db.object_id"),
        complete_rows: reader.read("science_db.complete_rows", CompleteRows::WhenPartial),
        skip_rows: RowPrefixes(reader.read("science_db.skip_rows", vec!["schema_".to_owned()])),
    };
    if let Some(table) = &settings.table
        && !is_table_name(table)
    {
        reader.add_error("science_db.table", format!("`{table}` is not a table's name: write `name` or `namespace:name`, of letters, digits, `_`, `-` and `.`"));
    }
    settings
}

/// Whether HBase takes this as the name of a table.
fn is_table_name(name: &str) -> bool {
    let part = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || others.contains(&b))
    };
    let (namespace, table) = name.split_once(':').unwrap_or(("default", name));
    part(namespace, b"") && part(table, b"-.") && !table.starts_with(['-', '.'])
}

fn kafka(
    reader: &mut Reader<'_>,
    file: Option<&ConfigFile>,
) -> (KafkaSettings, LoginSource, LoginSource, Option<PasswordSource>) {
    let servers: Addresses = reader.read("kafka.bootstrap_servers", Addresses(vec!["127.0.0.1:9093".to_owned()]));
    let security_protocol = reader.read("kafka.security_protocol", SecurityProtocol::SaslPlaintext);
    let mechanism = reader.read("kafka.sasl_mechanism", SaslMechanism("SCRAM-SHA-512"));
    let login = LoginSource::read(reader, "kafka", security_protocol);
    let admin = LoginSource::read(reader, "kafka.admin", security_protocol);
    let settings = KafkaSettings {
        bootstrap_servers: servers.0.join(","),
        security_protocol,
        sasl_mechanism: mechanism.0.to_owned(),
        login: None,
        admin: None,
        ssl_ca: reader.optional("kafka.ssl_ca"),
        ssl_certificate: reader.optional("kafka.ssl_certificate"),
        ssl_key: reader.optional("kafka.ssl_key"),
        ssl_key_password: None,
        librdkafka: Vec::new(),
    };
    let key_password = PasswordSource::read(reader, "kafka.ssl_key_password");
    match (&settings.ssl_certificate, &settings.ssl_key) {
        (Some(_), None) => reader.add_error("kafka.ssl_certificate", "it needs `ssl_key`, the file of its key"),
        (None, Some(_)) => reader.add_error("kafka.ssl_key", "it needs `ssl_certificate`, the file of its certificate"),
        _ => {}
    }
    let settings = KafkaSettings { librdkafka: librdkafka(reader, file), ..settings };
    (settings, login, admin, key_password)
}

fn librdkafka(reader: &mut Reader<'_>, file: Option<&ConfigFile>) -> Vec<(String, String)> {
    let mut options = Vec::new();
    for value in file.map_or(&[][..], |file| &file.values) {
        let Some(option) = value.key.strip_prefix("kafka.librdkafka.") else { continue };
        let origin = Origin::File(value.place.clone());
        let text = match &value.given {
            RawValue::Text(text) | RawValue::Float(text) => text.clone(),
            RawValue::Integer(integer) => integer.to_string(),
            RawValue::Boolean(boolean) => boolean.to_string(),
            other => {
                let reason = format!("expected a string, a number, true or false, found {}", other.kind());
                reader.errors.push(ConfigError::Value { key: value.key.clone(), origin, reason });
                continue;
            }
        };
        if let Some(by) = key_that_sets(option) {
            let reason = format!("this raw option is already set by {by}: leave it out");
            reader.errors.push(ConfigError::Value { key: value.key.clone(), origin, reason });
            continue;
        }
        let shown = if is_secret_option(option) { "***" } else { text.as_str() };
        reader.record(&value.key, Value::from(shown), origin);
        options.push((option.to_owned(), text));
    }
    options
}

fn distribution(reader: &mut Reader<'_>) -> DistributionSettings {
    let settings = DistributionSettings {
        name: reader.read("distribution.name", "fink".to_owned()),
        start: reader.read("distribution.start", Start::Latest),
        poll: reader.read("distribution.poll", Duration::from_millis(500)),
        settle: reader.read("distribution.settle", Duration::ZERO),
        overlap: reader.read("distribution.overlap", Duration::from_secs(30)),
        repair: reader.read("distribution.repair", Duration::from_secs(600)),
        repair_every: reader.read("distribution.repair_every", Duration::from_secs(60)),
        status: reader.read("distribution.status", true),
        offset_file: reader.optional("distribution.offset_file"),
        memory: reader.read("distribution.memory", ByteSize(256_000_000)).0,
        rejected_topic: reader.read("distribution.rejected_topic", "fink_rejected".to_owned()),
    };
    if let Err(reason) = check_topic(&format!("fink_checkpoint_{}", settings.name)) {
        reader.add_error("distribution.name", format!("it names the topic of the checkpoint, and {reason}"));
    }
    if let Err(reason) = check_topic(&settings.rejected_topic) {
        reader.add_error("distribution.rejected_topic", reason);
    }
    for (key, duration) in [("distribution.poll", settings.poll), ("distribution.repair_every", settings.repair_every)]
    {
        if duration < Duration::from_millis(1) {
            reader.add_error(key, "it must be at least 1ms");
        }
    }
    if settings.settle >= settings.overlap {
        reader.add_error(
            "distribution.overlap",
            "it must be longer than distribution.settle, else the live lane sees nothing",
        );
    }
    if settings.repair < settings.overlap {
        reader.add_error(
            "distribution.repair",
            "it must not be shorter than distribution.overlap, the stretch that each sweep reads again",
        );
    }
    if settings.memory < 16_000_000 {
        reader
            .add_error("distribution.memory", "it must be at least 16MB: an alert can take several hundred kilobytes");
    }
    settings
}

fn filters(reader: &mut Reader<'_>) -> FilterSettings {
    let settings = FilterSettings {
        python: reader.read("filters.python", "python3".to_owned()),
        path: reader.read("filters.path", Vec::<PathBuf>::new()),
        workers: reader.read("filters.workers", IntegerInRange::<1, 1024>(2)).0 as usize,
        batch: reader.read("filters.batch", IntegerInRange::<1, 1_000_000>(1000)).0 as usize,
        timeout: reader.read("filters.timeout", Duration::from_secs(30)),
        memory: reader.read("filters.memory", ByteSize(1_000_000_000)).0,
        on_error: reader.read("filters.on_error", OnError::Reject),
    };
    if settings.memory < 64_000_000 {
        reader
            .add_error("filters.memory", "it must be at least 64MB: a batch of alerts as pandas has it can take that");
    }
    if settings.timeout < Duration::from_millis(1) {
        reader.add_error("filters.timeout", "it must be at least 1ms");
    }
    settings
}

fn slack(reader: &mut Reader<'_>) -> SlackSettings {
    let channels = reader.optional("slack.channels");
    let endpoint = reader.read("slack.endpoint", Endpoint::slack());
    let token = reader.secret(SLACK_TOKEN).filter(|_| channels.is_some());
    let token = token.map(|token| match token {
        Ok(token) if token.reveal().bytes().all(|b| b.is_ascii_graphic()) => Ok(token),
        Ok(_) => Err("it holds blanks or other characters that no token has".to_owned()),
        Err(reason) => Err(reason),
    });
    let token = token.and_then(|token| {
        let wrong = |reason| {
            let origin = Origin::Variable(SLACK_TOKEN.to_owned());
            reader.errors.push(ConfigError::Value { key: "slack.token".to_owned(), origin, reason });
        };
        token.map_err(wrong).ok()
    });
    SlackSettings { channels, endpoint, token }
}

fn streams(
    reader: &mut Reader<'_>,
    file: Option<&ConfigFile>,
    distribution: &DistributionSettings,
) -> Vec<StreamSettings> {
    let tables = file.map_or(&[][..], |file| &file.streams);
    let mut streams: Vec<StreamSettings> = Vec::new();
    if tables.is_empty() {
        reader.set_scope(KeyScope::Stream { name: "full".to_owned(), index: None, only: true });
        streams.push(stream(reader, "full".to_owned(), Some("fink_outstream".to_owned())));
    }
    for (index, table) in tables.iter().enumerate() {
        let missing = |key: &str, reason: &str| ConfigError::Missing {
            key: key.to_owned(),
            place: Some(table.place.clone()),
            reason: reason.to_owned(),
        };
        let name = match table.values.iter().find(|value| value.key == "name") {
            Some(value) => match &value.given {
                RawValue::Text(name) if is_stream_name(name) => name.clone(),
                _ => {
                    let reason = "a stream's name is a string of letters, digits, `_` and `-`".to_owned();
                    let origin = Origin::File(value.place.clone());
                    reader.errors.push(ConfigError::Value { key: "stream.name".to_owned(), origin, reason });
                    continue;
                }
            },
            None => {
                reader.errors.push(missing("stream.name", "each [[stream]] has a name of its own"));
                continue;
            }
        };
        let same_variable =
            |other: &&StreamSettings| other.name.replace('-', "_").eq_ignore_ascii_case(&name.replace('-', "_"));
        if let Some(other) = streams.iter().find(same_variable) {
            let reason =
                format!("its name must differ from that of the stream `{}` by more than case, `-` and `_`", other.name);
            let origin = Origin::File(table.place.clone());
            reader.errors.push(ConfigError::Value { key: format!("stream.{name}"), origin, reason });
        }
        reader.set_scope(KeyScope::Stream { name: name.clone(), index: Some(index), only: tables.len() == 1 });
        let stream = stream(reader, name, None);
        if stream.topic.is_empty()
            && !reader
                .errors
                .iter()
                .any(|error| matches!(error, ConfigError::Value { key, .. } if *key == reader.full_key("topic")))
        {
            reader.errors.push(missing(&reader.full_key("topic"), "a stream is sent to a topic"));
        }
        check_topics_differ(reader, &stream, &streams, distribution);
        streams.push(stream);
    }
    if tables.len() > 1 {
        reader.reject_ambiguous_variables();
    }
    streams
}

fn is_stream_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// Reads the keys of the stream that was entered; an empty topic where there is none.
fn stream(reader: &mut Reader<'_>, name: String, topic: Option<String>) -> StreamSettings {
    let topic = match topic {
        Some(topic) => reader.read("topic", topic),
        None => reader.optional("topic").unwrap_or_default(),
    };
    let settings = StreamSettings {
        name,
        topic,
        partitions: reader.read("partitions", IntegerInRange::<1, 100_000>(4)).0 as i32,
        rules: reader.optional("rules"),
        filters: reader.read("filters", Vec::<String>::new()),
        schema: reader.optional("schema"),
        encoding: reader.read("encoding", Encoding::Datum),
        key: reader.read("key", MessageKey::Schema),
        schema_id: reader.optional::<IntegerInRange<0, { u32::MAX }>>("schema_id").map(|id| id.0),
        transactions: reader.read("transactions", true),
        schema_topic: reader.read("schema_topic", false),
    };
    if !settings.transactions && settings.partitions > MAX_PARTITIONS_WITHOUT_TRANSACTIONS {
        reader.add_error(
            "partitions",
            format!("with transactions = false it must be at most {MAX_PARTITIONS_WITHOUT_TRANSACTIONS}"),
        );
    }
    if let Some(topic) = settings.schema_topic().filter(|_| !settings.topic.is_empty())
        && let Err(reason) = check_topic(&topic)
    {
        reader.add_error("schema_topic", reason);
    }
    if !settings.topic.is_empty()
        && let Err(reason) = check_topic(&settings.topic)
    {
        reader.add_error("topic", reason);
    }
    for filter in &settings.filters {
        let parts = filter
            .split_once(':')
            .map(|(module, function)| module.split('.').all(is_identifier) && is_identifier(function));
        if parts != Some(true) {
            reader.add_error("filters", format!("`{filter}` is not a filter: write `package.module:function`"));
        }
    }
    match (settings.encoding, settings.schema_id) {
        (Encoding::Confluent, None) => {
            reader.add_error("encoding", "`confluent` needs `schema_id`, the schema's number in the registry")
        }
        (Encoding::Confluent, Some(_)) | (_, None) => {}
        (_, Some(_)) => reader.add_error("schema_id", "it has a meaning only with encoding = \"confluent\""),
    }
    settings
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_numeric())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Two streams on one topic would show each alert twice to its readers; a topic of schemas holds nothing else.
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
        reader.add_error("topic", "it is distribution.rejected_topic, where alerts go that cannot be sent");
    }
    let checkpoint = format!("fink_checkpoint_{}", distribution.name);
    if stream.topic == checkpoint {
        reader.add_error("topic", "it is the topic of the checkpoint");
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

/// Kafka's rule for the names of topics.
///
/// # Errors
/// What is wrong with the name, in words.
pub fn check_topic(topic: &str) -> Result<(), String> {
    let legal = topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    match legal && (1..=249).contains(&topic.len()) && topic != "." && topic != ".." {
        true => Ok(()),
        false => {
            Err(format!("`{topic}` is not a topic's name: Kafka takes up to 249 letters, digits, `.`, `_` and `-`"))
        }
    }
}

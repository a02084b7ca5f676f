//! The cluster under test: its settings, its users, and topics that vanish with the test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fink::config::{KafkaSettings, Login, Secret, SecurityProtocol};
use fink::kafka::client::Identity;
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, Message, StartAt};
use fink::kafka::topics::TopicSpec;
use fink::kafka::{Admin, Producer, ProducerOptions, ProducerRecord};

pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The variables of the cluster's `cluster.env`.
fn environment() -> BTreeMap<String, String> {
    let dir = std::env::var_os("FINK_TEST_CLUSTER").map(PathBuf::from).expect(
        "FINK_TEST_CLUSTER is not set: this test needs real servers; start them with scripts/cluster and name their folder",
    );
    let file = dir.join("cluster.env");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            (name.trim_start_matches("export ").to_owned(), value.trim_matches(['"', '\'']).to_owned())
        })
        .collect()
}

fn login(env: &BTreeMap<String, String>, who: &str) -> Login {
    let password = std::fs::read_to_string(&env[&format!("FINK_TEST_{who}_PASSWORD_FILE")]).expect("password file");
    Login {
        username: env[&format!("FINK_TEST_{who}_USER")].clone(),
        password: Secret::new(password.trim_end().to_owned()),
    }
}

/// Settings of the producer's user, with the administrator.
pub fn settings() -> KafkaSettings {
    let env = environment();
    KafkaSettings {
        bootstrap_servers: env["FINK_TEST_BOOTSTRAP"].clone(),
        security_protocol: SecurityProtocol::SaslPlaintext,
        sasl_mechanism: env["FINK_TEST_SASL_MECHANISM"].clone(),
        login: Some(login(&env, "PRODUCER")),
        admin: Some(login(&env, "ADMIN")),
        ssl_ca: None,
        ssl_certificate: None,
        ssl_key: None,
        ssl_key_password: None,
        librdkafka: Vec::new(),
    }
}

/// Settings of the consumer's user, without the administrator.
pub fn consumer_settings() -> KafkaSettings {
    let env = environment();
    KafkaSettings { login: Some(login(&env, "CONSUMER")), admin: None, ..settings() }
}

pub fn with_option(mut settings: KafkaSettings, name: &str, value: &str) -> KafkaSettings {
    settings.librdkafka.push((name.to_owned(), value.to_owned()));
    settings
}

/// A name that no other run uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_millis();
    format!("fink_kafkatest_{name}_{now}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn admin() -> Admin {
    Admin::open(&settings(), Identity::Admin, TIMEOUT).expect("administrator")
}

/// A topic that is deleted when the test ends.
pub struct Topic(pub String);

impl Topic {
    pub fn new(name: &str, partitions: i32) -> Self {
        Self::with(name, partitions, &[])
    }

    pub fn with(name: &str, partitions: i32, config: &[(&str, &str)]) -> Self {
        let config = config.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let topic = Self(unique(name));
        admin().create_topic(&topic.0, &TopicSpec { partitions, replication: None, config }).expect("topic");
        topic
    }

    /// A name without a topic, to be deleted in case one appears.
    pub fn named(name: String) -> Self {
        Self(name)
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let _ = admin().delete_topic(&self.0);
    }
}

pub fn options(id: &str) -> ProducerOptions {
    ProducerOptions { transactional_id: id.to_owned(), memory: 64 << 20, timeout: TIMEOUT }
}

pub fn producer(id: &str) -> Producer {
    Producer::open(&settings(), &options(id), || false).expect("producer")
}

pub fn message<'a>(topic: &'a str, key: &'a [u8], value: &'a [u8]) -> ProducerRecord<'a> {
    ProducerRecord { topic, partition: 0, key: Some(key), value: Some(value), headers: &[], id: 0 }
}

/// Everything committed in these topics.
pub fn read(topics: &[&str]) -> Vec<Message> {
    let topics: Vec<String> = topics.iter().map(|t| (*t).to_owned()).collect();
    let options = ConsumerOptions { topics, group: None, start: StartAt::Earliest, timeout: TIMEOUT };
    let mut consumer = Consumer::open(&consumer_settings(), &options).expect("consumer");
    let mut messages = Vec::new();
    let mut open = consumer.assigned();
    let deadline = Instant::now() + TIMEOUT;
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "the end of {open:?} was not reached");
        match consumer.next(Duration::from_secs(1)).expect("event") {
            Some(Event::Message(message)) => messages.push(message),
            Some(Event::EndOfPartition { topic, partition, .. }) => {
                open.retain(|place| *place != (topic.clone(), partition))
            }
            _ => {}
        }
    }
    messages
}

/// The values of what is committed in a topic, as text.
pub fn values(topic: &str) -> Vec<String> {
    read(&[topic]).into_iter().map(|m| String::from_utf8(m.value.unwrap_or_default()).expect("text")).collect()
}

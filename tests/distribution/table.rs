//! A small table of alerts on the real HBase, and what a reader of the real Kafka sees of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use fink::alert::decoder::{BytesFormat, SchemaCache};
use fink::config::{KafkaSettings, Login, Secret, SecurityProtocol};
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, Message, StartAt};
use fink::science_db::{NewTable, Put, PutCell, ScienceDb, Thrift2, Timeouts};

use crate::common::Fixture;

/// Now, ms since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

/// The columns of the table beside its key.
const COLUMNS: &str = r#"
    "objectId": {"cf": "i", "col": "objectId", "type": "string"},
    "candid": {"cf": "i", "col": "candid", "type": "long"},
    "candidate_magpsf": {"cf": "i", "col": "candidate_magpsf", "type": "double"},
    "candidate_ra": {"cf": "i", "col": "candidate_ra", "type": "double"}"#;

/// A fixture with a table of its own.
pub struct Table {
    /// the fixture
    pub fixture: Fixture,
    /// a session with the table
    pub db: Thrift2,
}

impl Table {
    /// A table with a catalog, and no rows.
    pub fn new(what: &str) -> Self {
        Self::with_columns(what, "")
    }

    /// A table with further columns in its catalog, as JSON that begins with a comma.
    pub fn with_columns(what: &str, more: &str) -> Self {
        let fixture = Fixture::with_servers(what);
        let catalog = format!(
            r#"{{"table": {{"namespace": "default", "name": "{}"}}, "rowkey": "key", "columns": {{
            "key": {{"cf": "rowkey", "col": "key", "type": "string"}},{COLUMNS}{more}}}}}"#,
            fixture.name
        );
        std::fs::write(fixture.path("catalog.json"), catalog).expect("the fixture's folder");
        let cluster = fixture.cluster.as_ref().expect("a fixture with servers");
        let addresses: Vec<String> = cluster.value("FINK_TEST_THRIFT2").split(',').map(str::to_owned).collect();
        let splits = vec![b"row00300".to_vec(), b"row00600".to_vec()];
        let new = NewTable { families: vec!["i".into()], splits };
        let create = || {
            let mut db = Thrift2::open(&addresses, &format!("default:{}", fixture.name), 0, Timeouts::default())?;
            db.create_table(&new).map(|_| db)
        };
        // Another test may be restarting the gateways.
        let deadline = Instant::now() + Duration::from_secs(60);
        let db = loop {
            match create() {
                Err(error) if error.is_transient() && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(500));
                }
                created => break created.expect("a new table"),
            }
        };
        Self { fixture, db }
    }

    /// Writes the rows `numbers` at `timestamp` (`None`: the server's clock).
    pub fn put(&mut self, numbers: std::ops::Range<u32>, timestamp: Option<i64>) {
        let puts: Vec<Put> = numbers.map(|number| row(number, timestamp)).collect();
        for puts in puts.chunks(500) {
            self.db.put(puts).expect("rows are written");
        }
    }

    /// All messages of a topic that are committed now.
    pub fn messages(&self, topic: &str) -> Vec<Message> {
        let options = ConsumerOptions {
            topics: vec![topic.to_owned()],
            group: None,
            start: StartAt::Earliest,
            timeout: Duration::from_secs(20),
        };
        let mut consumer = match Consumer::open(&self.reader(), &options) {
            Err(fink::kafka::Error::UnknownTopic { .. }) => return Vec::new(),
            consumer => consumer.expect("a reader"),
        };
        let (mut messages, mut open) = (Vec::new(), usize::MAX);
        while open > 0 {
            match consumer.next(Duration::from_secs(20)).expect("the topic can be read") {
                Some(Event::Message(message)) => messages.push(message),
                Some(Event::Assigned(partitions)) => open = partitions.len(),
                Some(Event::EndOfPartition { .. }) => open -= 1,
                other => panic!("the end of {topic} was expected, not {other:?}"),
            }
        }
        messages
    }

    /// How often each alert stands on the fixture's topic, by `candid`.
    pub fn published(&self) -> BTreeMap<i64, u32> {
        let mut schemas = SchemaCache::default();
        let mut published = BTreeMap::new();
        for message in self.messages(&self.fixture.name) {
            let decoder = schemas.get(message.key.as_deref().expect("a key")).expect("the key is a schema");
            let alert =
                decoder.value(message.value.as_deref().expect("a value"), BytesFormat::Base64).expect("a datum");
            *published.entry(alert["candid"].as_i64().expect("candid")).or_default() += 1;
        }
        published
    }

    /// That each of `numbers` was published once, and nothing else.
    pub fn assert_published(&self, numbers: std::ops::Range<u32>) {
        let published = self.published();
        let missing: Vec<u32> = numbers.clone().filter(|number| !published.contains_key(&i64::from(*number))).collect();
        let twice: Vec<_> = published.iter().filter(|(_, count)| **count > 1).collect();
        assert!(missing.is_empty() && twice.is_empty(), "missing: {missing:?}; more than once: {twice:?}");
        assert_eq!(published.len(), numbers.len(), "strange alerts were published");
    }

    /// Settings of the readers' user.
    pub fn reader(&self) -> KafkaSettings {
        self.settings_of("CONSUMER")
    }

    /// The login of `PRODUCER`, `CONSUMER` or `ADMIN`.
    pub fn login(&self, who: &str) -> Login {
        let cluster = self.fixture.cluster.as_ref().expect("a fixture with servers");
        let password = cluster.value(&format!("FINK_TEST_{who}_PASSWORD_FILE"));
        let password = std::fs::read_to_string(password).expect("a password");
        let username = cluster.value(&format!("FINK_TEST_{who}_USER")).to_owned();
        Login { username, password: Secret::new(password.trim().to_owned()) }
    }

    /// Settings with one of these logins.
    pub fn settings_of(&self, who: &str) -> KafkaSettings {
        let cluster = self.fixture.cluster.as_ref().expect("a fixture with servers");
        KafkaSettings {
            bootstrap_servers: cluster.value("FINK_TEST_BOOTSTRAP").to_owned(),
            security_protocol: SecurityProtocol::SaslPlaintext,
            sasl_mechanism: "SCRAM-SHA-512".to_owned(),
            login: Some(self.login(who)),
            admin: None,
            ssl_ca: None,
            ssl_certificate: None,
            ssl_key: None,
            ssl_key_password: None,
            librdkafka: Vec::new(),
        }
    }
}

/// One row: three alerts share an object.
pub fn row(number: u32, timestamp: Option<i64>) -> Put {
    let cell = |qualifier: &str, value: Vec<u8>| PutCell { family: "i".into(), qualifier: qualifier.into(), value };
    Put {
        key: key(number),
        timestamp,
        cells: vec![
            cell("objectId", format!("ZTF{}", number / 3).into_bytes()),
            cell("candid", i64::from(number).to_be_bytes().to_vec()),
            cell("candidate_magpsf", (16.0 + f64::from(number) / 1000.0).to_be_bytes().to_vec()),
            cell("candidate_ra", f64::from(number % 360).to_be_bytes().to_vec()),
        ],
    }
}

/// The key of a row.
pub fn key(number: u32) -> Vec<u8> {
    format!("row{number:05}").into_bytes()
}

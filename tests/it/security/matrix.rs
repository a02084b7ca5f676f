//! Which user may do what: each cell is tried on the brokers and compared with the table in docs/security.md.

use std::time::{Duration, Instant};

use fink::cancel::CancellationToken;
use fink::config::{KafkaSettings, SecurityProtocol};
use fink::kafka::Identity;
use fink::kafka::acls::AclFilter;
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use fink::kafka::topics::TopicSpec;
use fink::kafka::{Admin, Error, Producer, ProducerOptions};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use super::security_page;
use crate::fixture::cluster::{TIMEOUT, User};
use crate::fixture::kafka_cli::KafkaCli;

const PASSWORD: &str = "password-of-the-matrix";

/// What comes of an attempt, in the page's words.
fn word<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "yes",
        // What one may not see does not exist.
        Err(Error::NotAuthorized { .. } | Error::UnknownTopic { .. }) => "no",
        Err(Error::AuthenticationRefused { .. } | Error::ConfigurationMismatch { .. }) => "no login",
        Err(error) => panic!("{error}"),
    }
}

/// Notes what becomes of the one message.
struct Outcome(std::sync::Mutex<Option<Result<(), rdkafka::error::KafkaError>>>);

impl rdkafka::ClientContext for Outcome {}

impl ProducerContext for Outcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        *self.0.lock().unwrap() = Some(result.as_ref().map(drop).map_err(|(error, _)| error.clone()));
    }
}

/// Writes one message without a transaction: the right to the topic alone.
fn write(settings: &KafkaSettings, topic: &str) -> Result<(), Error> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap_servers).set("message.timeout.ms", "10000");
    let Some(login) = &settings.login else {
        return Admin::open(settings, Identity::User, TIMEOUT)?.list_topics().map(drop);
    };
    config.set("security.protocol", "sasl_plaintext").set("sasl.mechanism", settings.sasl_mechanism.name());
    config.set("sasl.username", &login.username).set("sasl.password", login.password.reveal());
    // The login first, so that a refused one is not taken for a message that does not arrive.
    Admin::open(settings, Identity::User, TIMEOUT)?.list_topics()?;
    let producer: ThreadedProducer<Outcome> =
        config.create_with_context(Outcome(std::sync::Mutex::new(None))).expect("a producer");
    producer.send(BaseRecord::<(), [u8]>::to(topic).payload(b"v")).map_err(|(error, _)| error).expect("room for one");
    producer.flush(TIMEOUT).expect("an answer");
    let outcome = producer.context().0.lock().unwrap().take().expect("a report");
    outcome.map_err(|error| match error.rdkafka_error_code() {
        Some(rdkafka::error::RDKafkaErrorCode::TopicAuthorizationFailed) => Error::NotAuthorized {
            user: login.username.clone(),
            action: "write".to_owned(),
            resource: topic.to_owned(),
        },
        other => panic!("{other:?}"),
    })
}

/// Reads the first message of a topic, in a group or in none.
fn read(settings: &KafkaSettings, topic: &str, group: Option<&str>) -> Result<(), Error> {
    let options = ConsumerOptions {
        topics: vec![topic.to_owned()],
        group: group.map(str::to_owned),
        start: StartAt::Earliest,
        timeout: TIMEOUT,
    };
    let mut consumer = Consumer::open(settings, &options)?;
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        if let Some(Event::Message(_)) = consumer.next(Duration::from_millis(200))? {
            return Ok(());
        }
    }
    panic!("nothing came from {topic}")
}

#[test]
fn every_user_may_do_what_the_page_says_and_nothing_else() {
    let cli = KafkaCli::new("matrix");
    let (t, u) = (cli.name("_t"), cli.name("_u"));
    let checkpoint = format!("fink_checkpoint_{}", cli.name("_d"));
    let admin = cli.admin();
    for topic in [&t, &u, &checkpoint] {
        admin.create_topic(topic, &TopicSpec::stream(1)).unwrap();
    }
    let group = cli.name("_g");
    let named = |who: &str| cli.name(&format!("_{who}"));
    let users = ["producer", "consumer", "elsewhere", "host", "removed", "stranger"].map(named);
    let [producer, consumer, elsewhere, host, removed, stranger] = &users;
    for user in &users {
        cli.add_user(user, PASSWORD);
    }
    let distribution = cli.name("_d");
    let consume = ["--consume", "--topic", &t, "--group", &group, "--yes"];
    cli.ok(&[
        &["grant", producer, "--produce", "--topic", &t, "--transactional-id", &distribution][..],
        &["--host", "127.0.0.1", "--yes"],
    ]
    .concat());
    cli.ok(&[&["grant", consumer, "--any-host"], &consume[..]].concat());
    cli.ok(&["grant", elsewhere, "--any-host", "--consume", "--topic", &t, "--group", elsewhere, "--yes"]);
    cli.ok(&[&["grant", host, "--host", "192.0.2.7"], &consume[..]].concat());
    cli.ok(&[&["grant", removed, "--any-host"], &consume[..]].concat());
    cli.ok(&["remove-user", removed, "--yes"]);
    assert!(cli.acls(removed).is_empty(), "its rights went with it");

    let cluster = cli.fixture.cluster();
    let password = std::fs::read_to_string(cluster.password_file(User::Admin)).unwrap();
    let administrator = cli.as_user(cluster.username(User::Admin), password.trim());
    let nobody = KafkaSettings { security_protocol: SecurityProtocol::Plaintext, ..cli.as_user("", "") };
    let nobody = KafkaSettings { login: None, ..nobody };
    let rows = [
        ("the administrator", administrator),
        ("a producer of T", cli.as_user(producer, PASSWORD)),
        ("a consumer of T in the group G", cli.as_user(consumer, PASSWORD)),
        ("a consumer of T in another group", cli.as_user(elsewhere, PASSWORD)),
        ("a consumer of T from another host", cli.as_user(host, PASSWORD)),
        ("a user who was removed", cli.as_user(removed, PASSWORD)),
        ("a user without rights", cli.as_user(stranger, PASSWORD)),
        ("a client without a password", nobody),
    ];
    // Something to be read.
    for topic in [&t, &u, &checkpoint] {
        write(&rows[0].1, topic).unwrap();
    }
    let mut found = Vec::new();
    for (number, (who, settings)) in rows.iter().enumerate() {
        let id = format!("{}-0", cli.name("_another"));
        let options = ProducerOptions { transactional_id: id, memory: 1 << 24, timeout: TIMEOUT };
        let as_user = Admin::open(settings, Identity::User, TIMEOUT).unwrap();
        let cells = [
            word(write(settings, &t)),
            word(read(settings, &t, None)),
            word(read(settings, &u, None)),
            word(read(settings, &t, Some(&group))),
            word(read(settings, &checkpoint, None)),
            word(Producer::open(settings, &options, &CancellationToken::new())),
            word(as_user.create_topic(&cli.name(&format!("_new_{number}")), &TopicSpec::stream(1))),
            word(as_user.describe_acls(&AclFilter::any())),
        ];
        println!("| {who} | {} |", cells.join(" | "));
        let row: Vec<String> = std::iter::once(*who).chain(cells).map(str::to_owned).collect();
        found.push(row);
    }
    assert_eq!(found, security_page::table("who"), "docs/security.md says otherwise");
}

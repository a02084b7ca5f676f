//! `fink doctor`: which checks pass, and what it says of those that fail.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fixture::cluster::{User, python};
use crate::fixture::small_table::{science_db, write_catalog};
use crate::fixture::{Finished, Fixture};
use fink::science_db::{NewTable, Put, PutCell};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What is said of a check: its state and text, joined where there are several of one name.
fn said(finished: &Finished, check: &str) -> String {
    let checks: Vec<Value> =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let text = |value: &Value| format!("{}: {}", value["state"].as_str().unwrap(), value["text"].as_str().unwrap());
    let texts: Vec<String> = checks.iter().filter(|value| value["check"] == check).map(text).collect();
    assert!(!texts.is_empty(), "nothing about {check}: {finished:?}");
    texts.join("\n")
}

fn make_table(fixture: &Fixture) {
    write_catalog(fixture);
    let table = NewTable { families: vec!["i".to_owned()], splits: Vec::new() };
    assert!(science_db(fixture).create_table(&table).unwrap());
}

#[test]
fn a_wrong_configuration_is_one_bad_check() {
    let mut fixture = Fixture::embedded("doctor");
    fixture.config.push_str("[kafak]\n[distribution]\npoll = \"x\"\n");
    let finished = fixture.run(&["doctor", "--format", "json"]);
    finished.assert_stderr(1, &["2 of 2 checks failed"]);
    assert!(said(&finished, "configuration").contains("did you mean `kafka`?"));
}

#[test]
fn what_cannot_be_reached_is_bad() {
    let mut fixture = Fixture::embedded("doctor");
    fixture
        .config
        .push_str("[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\nusername = \"me\"\npassword_file = \"password\"\n");
    fixture.config.push_str(
        "[[stream]]\nname = \"a\"\ntopic = \"fink_a\"\nrules = \"rules.xml\"\n[slack]\nchannels = \"channels\"\n",
    );
    fs::write(fixture.path("channels"), "a\n").unwrap();
    let finished = fixture.run(&["doctor", "--timeout", "2s", "--format", "json"]);
    finished.assert_stderr(1, &["checks failed"]);
    assert!(said(&finished, "rules of stream a").starts_with("bad: cannot read"));
    assert!(said(&finished, "slack channels").starts_with("good: "));
    assert!(said(&finished, "slack token").contains("SLACK_API_TOKEN"));
    assert!(said(&finished, "catalog").contains("fink ingest"));
    assert!(said(&finished, "science database").starts_with("unknown: not tried"));
    assert!(said(&finished, "kafka").contains("password"));

    let password = fixture.path("password");
    fs::write(&password, "hunter2").unwrap();
    fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let finished = fixture.run(&["doctor", "--timeout", "2s", "--format", "json"]);
    assert!(said(&finished, "kafka").contains("chmod 600"));
    fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let finished = fixture.run(&["doctor", "--timeout", "2s"]);
    assert!(
        finished.stdout.contains("✖ kafka: ") && finished.stdout.contains("kafka.bootstrap_servers"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains('\u{1b}'), "colours without a terminal: {finished:?}");
    assert!(fixture.run(&["doctor", "--timeout", "2s", "--color", "always"]).stdout.contains("\u{1b}[31m✖"));
}

#[test]
fn an_embedded_table_is_found_and_its_clock_compared() {
    let fixture = Fixture::embedded("doctor");
    write_catalog(&fixture);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    let place = format!("science database at {}", fixture.path("science.db").display());
    assert!(said(&finished, "catalog").contains("2 columns"));
    assert!(said(&finished, "trigger").contains("candid"));
    assert!(said(&finished, "object identifier").contains("objectId"));
    assert!(said(&finished, &place).starts_with("bad: "), "{finished:?}");

    make_table(&fixture);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    assert!(said(&finished, &place).starts_with("good: "), "{finished:?}");
    assert!(said(&finished, "clock").starts_with("good: no alert"), "{finished:?}");

    let cell = |value: &[u8]| PutCell { family: "i".to_owned(), qualifier: "candid".to_owned(), value: value.to_vec() };
    let put = |key: &[u8], ahead: i64| {
        let timestamp = Some(jiff::Timestamp::now().as_millisecond() + ahead);
        science_db(&fixture).put(&[Put { key: key.to_vec(), timestamp, cells: vec![cell(&[0; 8])] }]).unwrap();
        said(&fixture.run(&["doctor", "--format", "json"]), "clock")
    };
    assert!(put(b"schema_0.7_0.3", 3_600_000).starts_with("good: no alert"));
    assert!(put(b"a", 20_000).starts_with("good: alerts have timestamps up to 1"));
    assert!(put(b"a", 3_600_000).starts_with("bad: alerts have timestamps 59m"));
}

#[test]
fn rules_and_filters_are_tried_on_the_catalog() {
    let mut fixture = Fixture::embedded("doctor");
    make_table(&fixture);
    let python = python();
    fixture.config += &format!(
        "[filters]\npython = \"{python}\"\npath = [\".\"]\n[[stream]]\nname = \"a\"\ntopic = \"a\"\nrules = \"rules.xml\"\nfilters = [\"mine:odd\"]\n"
    );
    let rules = |column: &str| {
        let rules = format!("<distribution-rules><select><column name=\"{column}\"/></select></distribution-rules>");
        fs::write(fixture.path("rules.xml"), rules).unwrap();
    };
    let doctor = || fixture.run(&["doctor", "--timeout", "1s", "--format", "json"]);
    rules("candid");
    fs::write(fixture.path("mine.py"), "def odd(candid):\n    return candid % 2 == 1\n").unwrap();
    let finished = doctor();
    assert!(said(&finished, "streams").starts_with("good: "), "{finished:?}");
    assert!(said(&finished, "filters").starts_with("good: 1 "), "{finished:?}");

    fs::write(fixture.path("mine.py"), "def odd(candidd):\n    return candidd % 2 == 1\n").unwrap();
    rules("candid_");
    let finished = doctor();
    assert!(
        said(&finished, "streams").starts_with("bad: ") && said(&finished, "streams").contains("`candid_`"),
        "{finished:?}"
    );
    assert!(
        said(&finished, "filters").starts_with("bad: ") && said(&finished, "filters").contains("candidd"),
        "{finished:?}"
    );
}

#[test]
fn real_servers_are_examined() {
    let mut fixture = Fixture::with_servers("doctor");
    fixture.use_gateways();
    let cluster = crate::fixture::cluster::Cluster::get();
    let thrift2 = cluster.value("FINK_TEST_THRIFT2").to_owned();
    let address = thrift2.split(',').next().unwrap().to_owned();
    let place = format!("science database at {address}");
    write_catalog(&fixture);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    finished.assert_stderr(1, &["checks failed"]);
    assert!(said(&finished, &place).contains("has no table"), "{finished:?}");
    assert!(said(&finished, "clock").starts_with("unknown: "));

    make_table(&fixture);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(said(&finished, &place).starts_with("good: "), "{finished:?}");
    assert!(said(&finished, "clock").starts_with("good: "), "{finished:?}");
    let servers = said(&finished, "region servers");
    assert!(servers.starts_with("good: 1, reachable") && servers.contains("science_db.kind = \"hbase\""), "{servers}");
    let user = cluster.username(User::Producer);
    assert!(said(&finished, "kafka").starts_with("good: ") && said(&finished, "kafka").contains(user), "{finished:?}");
    assert!(said(&finished, "topic of stream full").contains("does not exist"), "{finished:?}");
    assert!(said(&finished, "checkpoint").contains("does not exist yet"), "{finished:?}");
    assert!(said(&finished, "right to write").starts_with("unknown: only an administrator"), "{finished:?}");

    let admin = format!(
        "[kafka.admin]\nusername = \"{}\"\npassword_file = \"{}\"\n[distribution]",
        cluster.username(User::Admin),
        cluster.password_file(User::Admin),
    );
    fixture.replace("[distribution]", &admin);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    assert!(said(&finished, "kafka.admin").starts_with("good: "), "{finished:?}");
    assert!(!said(&finished, "right to write").starts_with("bad: "), "{finished:?}");

    fs::write(fixture.path("wrong"), "hunter2").unwrap();
    fs::set_permissions(fixture.path("wrong"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fixture.replace(&format!("\"{}\"", cluster.password_file(User::Producer)), "\"wrong\"");
    fixture.replace(&thrift2, cluster.value("FINK_TEST_THRIFT1"));
    let finished = fixture.run(&["doctor", "--format", "json"]);
    finished.assert_stderr(1, &["checks failed"]);
    assert!(said(&finished, "kafka").contains("refused the login"), "{finished:?}");
    let place = format!("science database at {}", cluster.value("FINK_TEST_THRIFT1"));
    assert!(said(&finished, &place).contains("thrift1"), "{finished:?}");
    assert!(!finished.stdout.contains("hunter2") && !finished.stderr.contains("hunter2"));
}

#[test]
fn region_servers_are_examined() {
    let mut fixture = Fixture::with_servers("doctordirect");
    let hbase = fixture.cluster().value("FINK_TEST_HBASE").to_owned();
    write_catalog(&fixture);
    make_table(&fixture);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    for address in hbase.split(',') {
        let place = format!("science database at {address}");
        assert!(said(&finished, &place).starts_with("good: "), "{finished:?}");
    }
    let servers = said(&finished, "region servers");
    assert!(servers.starts_with("good: 1, called directly") && servers.contains("0.12 ms"), "{servers}");

    let gateway = fixture.cluster().thrift2().remove(0);
    fixture.replace(&hbase, &gateway);
    let finished = fixture.run(&["doctor", "--format", "json"]);
    finished.assert_stderr(1, &["checks failed"]);
    assert!(said(&finished, &format!("science database at {gateway}")).contains("Thrift 2 gateway"), "{finished:?}");
}

/// Opens a transaction with one record, stamped `age` ms ago. The producer's user may not read the topic.
fn open_transaction(producer: &BaseProducer, topic: &str, partition: i32, age: i64) {
    producer.begin_transaction().unwrap();
    let timestamp = jiff::Timestamp::now().as_millisecond() - age;
    let record = BaseRecord::<str, str>::to(topic).partition(partition).timestamp(timestamp).payload("x");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(TIMEOUT).unwrap();
}

fn transactional(cluster: &crate::fixture::cluster::Cluster, id: &str) -> BaseProducer {
    let password = fs::read_to_string(cluster.password_file(User::Producer)).unwrap();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "SCRAM-SHA-512")
        .set("sasl.username", cluster.username(User::Producer))
        .set("sasl.password", password.trim())
        .set("transactional.id", id)
        .set("linger.ms", "0");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(TIMEOUT).unwrap();
    producer
}

#[test]
fn a_transaction_that_stays_open_is_named_with_its_place_and_age() {
    const WHAT: &str = "open transactions";
    let fixture = Fixture::with_servers("doctoropen");
    let cluster = crate::fixture::cluster::Cluster::get();
    make_table(&fixture);
    let doctor = || fixture.run(&["doctor", "--format", "json"]);
    assert!(said(&doctor(), WHAT).starts_with("unknown: not checked"));
    // Makes the topics.
    fixture.ok(&["start", "distribution", "--exit-after", "1s"]);
    let finished = doctor();
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(said(&finished, WHAT), "good: none holds back consumers, partitions: 21");

    let producer = transactional(&cluster, &format!("{}-job-x", fixture.name));
    open_transaction(&producer, &fixture.name, 1, 0);
    let finished = doctor();
    let text = said(&finished, WHAT);
    let place = format!("topic {}, partition 1 (offsets 0 to 1, 1 held back)", fixture.name);
    assert!(text.starts_with("unknown: ") && text.contains(&place) && text.contains("open for 4s to 30s"), "{text}");
    assert_eq!(finished.code, 0, "{finished:?}");
    producer.abort_transaction(TIMEOUT).unwrap();

    open_transaction(&producer, &fixture.name, 3, 600_000);
    let rejected = format!("{}_rejected", fixture.name);
    producer.send(BaseRecord::<str, str>::to(&rejected).payload("x")).map_err(|(error, _)| error).unwrap();
    producer.flush(TIMEOUT).unwrap();
    let finished = doctor();
    finished.assert_stderr(1, &["1 of "]);
    let text = said(&finished, WHAT);
    let (first, second) = text.split_once('\n').expect("two topics");
    assert!(first.starts_with("bad: ") && first.contains("partition 3 (offsets 0 to 1, 1 held back)"), "{text}");
    assert!(first.contains("more than 5m") && first.contains("describe-producers --topic"), "{text}");
    assert!(second.starts_with("unknown: ") && second.contains(&format!("topic {rejected}, partition 0")), "{text}");
    producer.abort_transaction(TIMEOUT).unwrap();
    assert!(said(&doctor(), WHAT).starts_with("good: "));
}

#[test]
fn the_transactions_of_a_producer_at_work_are_not_named() {
    let fixture = Fixture::with_servers("doctorbusy");
    let cluster = crate::fixture::cluster::Cluster::get();
    make_table(&fixture);
    fixture.ok(&["start", "distribution", "--exit-after", "1s"]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let producer = transactional(&cluster, &format!("{}-job-x", fixture.name));
        let (topic, done) = (&fixture.name, &done);
        // A transaction is open nearly all the time.
        open_transaction(&producer, topic, 0, 0);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(700));
                producer.commit_transaction(TIMEOUT).unwrap();
                open_transaction(&producer, topic, 0, 0);
            }
        });
        let finished = fixture.run(&["doctor", "--format", "json"]);
        done.store(true, Ordering::Relaxed);
        assert!(said(&finished, "open transactions").starts_with("good: none"), "{finished:?}");
    });
}

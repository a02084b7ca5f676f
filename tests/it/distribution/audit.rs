//! `fink audit` finds, names and repairs differences between the science database and the topics.

use fink::cancel::CancellationToken;
use fink::config::KafkaSettings;
use fink::kafka::{CommitOutcome, Message, Producer, ProducerOptions, ProducerRecord};
use fink::science_db::{Put, PutCell};
use rustix::process::Signal;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::fixture::alert_table::{Table, key, now, row};
use crate::fixture::cluster::{TIMEOUT, User, python};
use crate::fixture::wait_until;

/// A time long before `distribution.repair`.
fn past() -> i64 {
    now() - 3_600_000
}

/// The arguments of an audit around `past`.
fn audit<'a>(from: &'a str, until: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["audit", "--as-admin", "--from", from, "--until", until], more].concat()
}

/// A table whose topics the administrator may read: the producer's user may only write to them.
pub fn table(what: &str) -> Table {
    let mut table = Table::new(what);
    let admin = format!("{}[distribution]\n", table.fixture.cluster().admin_section());
    table.fixture.replace("[distribution]\n", &admin);
    table
}

/// The counts of the only stream, of an audit that is expected to end with `code`.
fn counts(table: &Table, from: &str, until: &str, code: i32) -> Value {
    let finished = table.fixture.run(&audit(from, until, &["--format", "json"]));
    assert_eq!(finished.code, code, "{finished:?}");
    let document: Value = serde_json::from_str(&finished.stdout).expect("one JSON document");
    document["streams"][0].clone()
}

/// A producer beside fink.
pub fn producer(table: &Table) -> Producer {
    // The audit waits for an open transaction; the brokers are not to give it up meanwhile.
    let librdkafka = vec![("transaction.timeout.ms".to_owned(), "300000".to_owned())];
    let settings = KafkaSettings { librdkafka, ..table.fixture.cluster().kafka(User::Producer) };
    let options = ProducerOptions {
        transactional_id: format!("{}-by-hand", table.fixture.name),
        memory: 1 << 20,
        timeout: TIMEOUT,
    };
    Producer::open(&settings, &options, &CancellationToken::new()).expect("a producer")
}

fn header(message: &Message, name: &str) -> Option<String> {
    let (_, value) = message.headers.iter().find(|(known, _)| known == name)?;
    String::from_utf8(value.clone()?).ok()
}

/// A message to be sent again: with another value, without its headers, or with the id of row `id`.
pub struct MessageCopy<'a> {
    message: &'a Message,
    value: Vec<u8>,
    timestamp: Option<i64>,
    id: Option<u32>,
}

impl<'a> MessageCopy<'a> {
    /// The message as it is; its id is left out.
    pub fn of(message: &'a Message) -> Self {
        let timestamp = header(message, "fink-timestamp").and_then(|digits| digits.parse().ok());
        Self { message, value: message.value.clone().expect("a value"), timestamp, id: None }
    }

    /// Sends it within the open transaction.
    pub fn send(&self, producer: &Producer, topic: &str) {
        let timestamp = self.timestamp.map(|at| at.to_string());
        let id = self.id.zip(self.timestamp);
        let id = id.map(|(number, at)| format!("{:032x}", xxh3_128_with_seed(&key(number), at as u64)));
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        headers.extend(timestamp.iter().map(|at| ("fink-timestamp", at.as_bytes())));
        headers.extend(id.iter().map(|id| ("fink-alert", id.as_bytes())));
        let outgoing = ProducerRecord {
            topic,
            partition: self.message.partition,
            key: self.message.key.as_deref(),
            value: Some(&self.value),
            headers: &headers,
            id: 0,
        };
        producer.send(&outgoing).expect("a message is taken");
    }
}

/// Twelve alerts on a topic, by hand: 3 is missing, 5 is there twice, 7 has another value; beside them a message of another program, and one of a row that is
/// gone.
fn differences_are_found_and_the_missing_repaired(what: &str, has_ids: bool) {
    let mut table = table(what);
    let at = past();
    table.put(0..12, Some(at));
    let (from, until) = (at.to_string(), (at + 1).to_string());
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    let sent = table.messages(&table.fixture.name);
    assert_eq!(sent.len(), 12);
    assert_eq!(counts(&table, &from, &until, 0)["matched"], 12);

    let topic = format!("{}_by_hand", table.fixture.name);
    table.fixture.replace(&format!("topic = \"{}\"", table.fixture.name), &format!("topic = \"{topic}\""));
    // Makes the topic: an empty job.
    table.fixture.ok(&["start", "distribution", "--from", "1", "--until", "2"]);
    let producer = producer(&table);
    producer.begin().expect("a transaction");
    let mut schemas = fink::alert::decoder::SchemaCache::default();
    for message in &sent {
        let decoder = schemas.get(message.key.as_deref().expect("a key")).expect("a schema");
        let alert =
            decoder.value(message.value.as_deref().expect("a value"), fink::alert::decoder::BytesFormat::Base64);
        let number = alert.expect("a datum")["candid"].as_u64().expect("candid") as u32;
        let mut copy = MessageCopy { id: has_ids.then_some(number), ..MessageCopy::of(message) };
        match number {
            3 => continue,
            5 => copy.send(&producer, &topic),
            // The last digits of candidate.ra.
            7 => *copy.value.last_mut().expect("bytes") ^= 1,
            9 => {
                MessageCopy { timestamp: None, id: None, ..MessageCopy::of(message) }.send(&producer, &topic);
                let gone = has_ids.then_some(900);
                // A row of another time, which is gone: its own identity is that of no row at this time.
                MessageCopy { value: b"\0".to_vec(), id: gone, ..MessageCopy::of(message) }.send(&producer, &topic);
            }
            _ => {}
        }
        copy.send(&producer, &topic);
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));

    let finished = table.fixture.run(&audit(&from, &until, &["--format", "ndjson"]));
    finished.assert_stderr(1, &["1 missing, 1 duplicated, 1 altered"]);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in finished.stdout.lines() {
        let difference: Value = serde_json::from_str(line).expect("a JSON document");
        assert_eq!((&difference["timestamp"], &difference["topic"]), (&at.into(), &topic.as_str().into()));
        let messages = difference["messages"].as_array().expect("messages").len();
        assert_eq!(
            messages,
            ["missing", "altered", "duplicated"]
                .iter()
                .position(|kind| difference["difference"] == *kind)
                .expect("a kind")
        );
        let text = |field: &str| difference[field].as_str().expect("text").to_owned();
        found.push((text("row_key"), text("difference")));
    }
    found.sort();
    let expected = [("row00003", "missing"), ("row00005", "duplicated"), ("row00007", "altered")];
    assert_eq!(found, expected.map(|(row, what)| (row.to_owned(), what.to_owned())));
    let counted = counts(&table, &from, &until, 1);
    for (count, expected) in
        [("in_database", 12), ("kept", 12), ("on_topic", 13), ("matched", 9), ("superseded", 1), ("foreign", 1)]
    {
        assert_eq!(counted[count], expected, "{count} of {counted}");
    }

    // Without a terminal nothing is done unasked; a dry run does nothing.
    table.fixture.run(&audit(&from, &until, &["--repair"])).assert_stderr(2, &["--yes"]);
    table
        .fixture
        .run(&audit(&from, &until, &["--repair", "--dry-run"]))
        .assert_stderr(1, &["nothing was published", &topic]);
    assert_eq!(counts(&table, &from, &until, 1)["missing"], 1);
    let repaired = table.fixture.run(&audit(&from, &until, &["--repair", "--yes"]));
    repaired.assert_stderr(1, &["1 missing alerts were published", "1 duplicated, 1 altered"]);
    assert!(!repaired.stderr.contains("1 missing,"), "{repaired:?}");
    let again = table.fixture.run(&audit(&from, &until, &["--repair", "--yes"]));
    again.assert_stderr(1, &["there is nothing to publish"]);
    let after = table.messages(&topic);
    assert_eq!(after.len(), 15);
    let original = |wanted: &&Message| sent.iter().find(|sent| sent.value == wanted.value);
    let new: Vec<&Message> =
        after.iter().filter(|message| header(message, "fink-alert") == Some(id_of(3, at))).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    let before = original(&new[0]).expect("the value that the service sent");
    assert_eq!((new[0].partition, &new[0].key), (before.partition, &before.key));
    assert_eq!(header(new[0], "fink-timestamp"), Some(at.to_string()));
}

fn id_of(number: u32, at: i64) -> String {
    format!("{:032x}", xxh3_128_with_seed(&key(number), at as u64))
}

#[test]
fn differences_are_found_by_the_alerts_ids() {
    differences_are_found_and_the_missing_repaired("auditids", true);
}

#[test]
fn differences_are_found_without_ids() {
    differences_are_found_and_the_missing_repaired("auditnoids", false);
}

#[test]
fn a_row_that_became_visible_late_is_missing_and_a_repaired_topic_agrees() {
    let mut table = table("auditlate");
    let at = past();
    table.put(0..50, Some(at));
    let (from, until) = ((at - 10).to_string(), (at + 10).to_string());
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    table.put(50..53, Some(at));
    let temp = table.fixture.path("temp");
    std::fs::create_dir(&temp).expect("the fixture's folder");
    let temp = temp.to_str().expect("UTF-8");
    let repair = audit(&from, &until, &["--repair", "--yes", "--temp-dir", temp]);
    let finished = table.fixture.ok(&repair);
    assert!(finished.stdout.contains("row00050") && finished.stdout.contains("3 of 3 differences"), "{finished:?}");
    table.assert_published(0..53);
    table.fixture.ok(&audit(&from, &until, &[]));
    table.fixture.ok(&repair);
    table.assert_published(0..53);
    assert_eq!(std::fs::read_dir(temp).expect("a folder").count(), 0, "temporary files are left");
}

#[test]
fn changed_rows_are_altered_and_rewritten_ones_are_not() {
    let mut table = table("auditrows");
    let at = past();
    table.put(0..9, Some(at));
    let (from, until) = (at.to_string(), (at + 10).to_string());
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    let magnitude =
        PutCell { family: "i".into(), qualifier: "candidate_magpsf".into(), value: 1_f64.to_be_bytes().to_vec() };
    table.db.put(&[Put { key: key(4), timestamp: Some(at + 5), cells: vec![magnitude] }]).expect("a cell is written");
    table.db.put(&[row(6, Some(at + 100))]).expect("a row is written");
    let finished = table.fixture.run(&audit(&from, &until, &[]));
    finished.assert_stderr(1, &["1 altered"]);
    assert!(finished.stdout.contains("row00004"), "{finished:?}");
    let counted = counts(&table, &from, &until, 1);
    // HBase may still return the version that was replaced.
    let count = |what: &str| counted[what].as_u64().expect("a count");
    assert_eq!((count("superseded") + count("matched"), count("missing"), count("altered")), (8, 0, 1), "{counted}");
}

#[test]
fn a_row_version_that_was_replaced_before_it_was_sent_is_not_missing() {
    let mut table = table("auditgone");
    let at = past();
    table.put(0..5, Some(at));
    table.put(0..5, Some(at + 100));
    let (from, middle, until) = (at.to_string(), (at + 10).to_string(), (at + 200).to_string());
    table.fixture.ok(&["start", "distribution", "--from", &middle, "--until", &until]);
    assert_eq!(counts(&table, &from, &middle, 0)["missing"], 0);
    assert_eq!(counts(&table, &from, &until, 0)["matched"], 5);
}

#[test]
fn rejected_refused_and_fresh_alerts_are_no_differences() {
    let mut table = table("auditkinds");
    let at = past();
    table.put(0..20, Some(at));
    let mut bad = row(7, Some(at));
    bad.cells[2].value = vec![1, 2, 3];
    table.db.put(&[bad]).expect("a row is written");
    let from = at.to_string();
    table.fixture.ok(&["start", "distribution", "--until", &(at + 1).to_string(), "--allow-rejected"]);
    table.put(30..33, None);
    let counted = counts(&table, &from, "now", 0);
    for (count, expected) in [("in_database", 23), ("matched", 19), ("rejected", 1), ("not_due", 3), ("missing", 0)] {
        assert_eq!(counted[count], expected, "{count} of {counted}");
    }
}

#[test]
fn every_encoding_and_what_rules_and_filters_refuse_are_compared() {
    let mut table = table("auditstreams");
    let name = table.fixture.name.clone();
    std::fs::write(table.fixture.path("judges.py"), "def even(candid):\n    return candid % 2 == 0\n").expect("a file");
    let counting = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/distribution-rules-counting.xml");
    let python = python();
    let mut config = String::new();
    for (stream, settings) in [
        ("confluent", "encoding = \"confluent\"\nschema_id = 7"),
        ("single", "encoding = \"single-object\"\nkey = \"object-id\""),
        ("container", "encoding = \"container\"\nkey = \"none\""),
        ("count", &format!("rules = \"{counting}\"")),
        ("even", "filters = [\"judges:even\"]"),
    ] {
        config += &format!("[[stream]]\nname = \"{stream}\"\ntopic = \"{name}_{stream}\"\n{settings}\n");
    }
    table.fixture.config += &format!("{config}[filters]\npython = \"{python}\"\npath = [\".\"]\n");
    let at = past();
    table.put(0..31, Some(at));
    let (from, until) = (at.to_string(), (at + 1).to_string());
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    let all = |table: &Table, code: i32| {
        let finished = table.fixture.run(&audit(&from, &until, &["--format", "json"]));
        assert_eq!(finished.code, code, "{finished:?}");
        let document: Value = serde_json::from_str(&finished.stdout).expect("one JSON document");
        let streams = document["streams"].as_array().expect("streams").clone();
        let count = |stream: &Value, what: &str| stream[what].as_u64().expect("a count");
        streams.iter().map(|s| (count(s, "matched"), count(s, "refused"), count(s, "missing"))).collect::<Vec<_>>()
    };
    let six =
        |kept, even, missing| vec![kept, kept, kept, kept, kept, even].into_iter().map(move |(m, r)| (m, r, missing));
    assert_eq!(all(&table, 0), six((31, 0), (16, 15), 0).collect::<Vec<_>>());
    // An alert that its object's stream cannot tell from the one before, and that the filter refuses.
    table.put(31..32, Some(at));
    let mut late: Vec<_> = six((31, 0), (16, 16), 1).collect();
    late[5].2 = 0;
    assert_eq!(all(&table, 1), late);
    let one = table.fixture.run(&audit(&from, &until, &["--stream", "count", "--repair", "--yes"]));
    assert_eq!(one.code, 0, "{one:?}");
    table.fixture.ok(&audit(&from, &until, &["--repair", "--yes"]));
    assert_eq!(all(&table, 0), six((32, 0), (16, 16), 0).collect::<Vec<_>>());
    let lengths = ["", "_confluent", "_single", "_container", "_count", "_even"];
    assert_eq!(lengths.map(|topic| table.messages(&format!("{name}{topic}")).len()), [32, 32, 32, 32, 32, 16]);
}

#[test]
fn what_a_service_has_yet_to_send_is_not_due() {
    let mut table = table("auditdue");
    table.fixture.add("[distribution]", "poll = \"100ms\"");
    let at = past();
    let running = table.fixture.start(&["start", "distribution", "--from", &(at - 1_000).to_string()], "log");
    running.wait_for("distributing what is written");
    running.terminate();
    // The service stood still before it reached these.
    table.put(0..5, Some(now() - 1_000));
    let counted = counts(&table, &(at - 1_000).to_string(), "now", 0);
    assert_eq!((&counted["not_due"], &counted["missing"]), (&5.into(), &0.into()));
}

#[test]
fn nothing_is_repaired_beside_an_open_transaction() {
    let mut table = table("auditopen");
    let at = past();
    table.put(0..5, Some(at));
    let until = (at + 1).to_string();
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    let producer = producer(&table);
    let sent = table.messages(&table.fixture.name);
    table.put(5..6, Some(at));
    producer.begin().expect("a transaction");
    MessageCopy::of(&sent[0]).send(&producer, &table.fixture.name);
    wait_until(|| "the message is not sent".to_owned(), || (producer.in_flight() == 0).then_some(()));
    let finished = table.fixture.run(&audit(&at.to_string(), &until, &["--repair", "--yes"]));
    finished.assert_stderr(1, &["open transaction", &table.fixture.name]);
    let temp = table.fixture.path("temp");
    std::fs::create_dir(&temp).expect("the fixture's folder");
    let temp = temp.to_str().expect("UTF-8");
    let running = table.fixture.start(&audit(&at.to_string(), &until, &["--temp-dir", temp]), "log");
    running.wait_for("reading topic");
    running.signal(Signal::TERM);
    let (code, log) = running.wait();
    assert_eq!(code, 130, "{log}");
    assert_eq!(std::fs::read_dir(temp).expect("a folder").count(), 0, "temporary files are left");
    producer.abort().expect("an abort");
    table.assert_published(0..5);
}

#[test]
fn nights_are_counted_from_noon_to_noon() {
    let mut table = table("auditnights");
    let noon = 1_769_947_200_000; // 2026-02-01T12:00:00Z
    table.put(0..3, Some(noon - 1));
    table.put(3..8, Some(noon));
    let finished = table.fixture.run(&audit("earliest", "now", &["--by-night"]));
    finished.assert_stderr(1, &["topic", "does not exist", "8 missing"]);
    let line = |date: &str| {
        finished.stdout.lines().find(|line| line.contains(date)).unwrap_or_default().split_whitespace().nth(2)
    };
    assert_eq!((line("2026-01-31"), line("2026-02-01")), (Some("3"), Some("5")), "{finished:?}");
}

#[test]
fn an_empty_table_agrees_with_an_empty_topic() {
    let table = table("auditempty");
    let finished = table.fixture.ok(&audit("earliest", "now", &[]));
    assert!(finished.stderr.contains("the science database and the topics agree"), "{finished:?}");
}

#[test]
fn wrong_arguments_are_refused_before_any_connection() {
    let mut table = table("auditargs");
    table.fixture.replace("bootstrap_servers = \"", "bootstrap_servers = \"127.0.0.1:1,");
    table.fixture.run(&audit("2000", "1000", &[])).assert_stderr(2, &["--from", "--until"]);
    table.fixture.run(&audit("0", "2999-01-01T00:00:00Z", &[])).assert_stderr(2, &["--until", "future"]);
    table.fixture.run(&audit("latest", "now", &[])).assert_stderr(2, &["--from latest"]);
    table.fixture.run(&audit("0", "1000", &["--stream", "fool"])).assert_stderr(2, &["fool", "full"]);
    table.fixture.run(&audit("0", "1000", &["--yes"])).assert_stderr(2, &["--repair"]);
    table.fixture.run(&audit("0", "1000", &["--temp-dir", "/nowhere"])).assert_stderr(1, &["/nowhere", "--temp-dir"]);
}

#[test]
fn a_user_who_may_not_read_the_topics_is_named() {
    let mut table = table("auditright");
    table.put(0..1, Some(past()));
    table.fixture.ok(&["start", "distribution", "--until", "now"]);
    let finished = table.fixture.run(&["audit", "--from", "0", "--until", "now"]);
    finished.assert_stderr(1, &["finkProducer", "not authorized to read", "--as-admin"]);
}

#[test]
fn a_closed_port_ends_the_audit_with_its_address() {
    let mut table = table("auditports");
    let cluster = table.fixture.cluster();
    let (hbase, kafka) = (cluster.value("FINK_TEST_HBASE").to_owned(), cluster.bootstrap_servers().to_owned());
    table.fixture.replace(&hbase, "127.0.0.1:1");
    table.fixture.run(&audit("0", "1000", &[])).assert_stderr(1, &["127.0.0.1:1"]);
    table.fixture.replace("127.0.0.1:1", &hbase);
    table.fixture.replace(&kafka, "127.0.0.1:2");
    table.fixture.run(&audit("0", "1000", &[])).assert_stderr(1, &["127.0.0.1:2"]);
}

//! Messages as faulty or hostile producers send them.

use fink::avro::{write_bytes, write_long};
use fink::kafka::CommitOutcome;

use super::Consumer;
use crate::fixture::topics::{admin, message, producer, unique};
use crate::fixture::wait_until;

const SCHEMA: &str = r#"{"type":"record","name":"alert","fields":[{"name":"objectId","type":"string"},{"name":"candid","type":"long"},
    {"name":"cdsxmatch","type":"string"},{"name":"stamp","type":"bytes"}]}"#;

fn alert(object: &str, id: i64, class: &str, stamp: usize) -> Vec<u8> {
    let mut datum = Vec::new();
    write_bytes(object.as_bytes(), &mut datum);
    write_long(id, &mut datum);
    write_bytes(class.as_bytes(), &mut datum);
    write_bytes(&vec![7; stamp], &mut datum);
    datum
}

/// The key and the value of a message.
type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Commits messages, a key and a value each, to partition 0.
fn send(consumer: &Consumer, messages: &[KeyValue<'_>]) {
    let producer = producer(&unique("broken"));
    producer.begin().expect("a transaction");
    for (id, (key, value)) in messages.iter().enumerate() {
        let mut record = message(&consumer.topic.0, b"", b"");
        (record.key, record.value, record.id) = (*key, *value, id);
        producer.send(&record).expect("a message");
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    // The brokers end a transaction a moment after its commit: until then its messages are behind the end that a consumer sees.
    let is_over = || {
        let watermarks = admin().watermarks(&[&consumer.topic.0]).expect("watermarks");
        watermarks.iter().all(|partition| !partition.has_open_transaction()).then_some(())
    };
    wait_until(|| "the transaction is open".to_owned(), is_over);
}

/// What a terminal would act upon.
fn acts_on_a_terminal(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c))
}

#[test]
fn messages_that_cannot_be_decoded_are_named_and_the_others_are_read() {
    let consumer = Consumer::new("undecodable");
    let good = alert("ZTF18abc", 1, "Star", 3);
    let (cut, long) = (&good[..good.len() - 2], [&good[..], b"\0"].concat());
    let other = r#"{"type":"record","name":"other","fields":[{"name":"x","type":{"type":"array","items":"double"}}]}"#;
    let hostile = "{\"type\":\"record\",\"name\":\"\u{1b}[2J\u{9b}31m\",\"fields\":[]}";
    let key = SCHEMA.as_bytes();
    send(
        &consumer,
        &[
            (Some(key), Some(&good)),
            (Some(key), Some(cut)),
            (Some(key), Some(&long)),
            (Some(other.as_bytes()), Some(&good)),
            (Some(hostile.as_bytes()), Some(&good)),
            (Some(b"\x1b]0;title\x07"), Some(&good)),
            (None, Some(&good)),
            (Some(key), None),
            (Some(key), Some(b"")),
            (Some(key), Some(b"Obj\x01\x02\x16avro.schema")),
            (Some(key), Some(&good)),
        ],
    );
    let finished = consumer.fixture.run(&["consume", "-e", "--format", "ndjson", "--fields", "kafka.offset,candid"]);
    let named: Vec<String> = (1..10).map(|offset| format!("{}[0] at {offset}: ", consumer.topic.0)).collect();
    let named: Vec<&str> = named.iter().map(String::as_str).chain(["9 messages could not be decoded"]).collect();
    finished.assert_stderr(1, &named);
    assert!(!acts_on_a_terminal(&finished.stderr), "{:?}", finished.stderr);
    assert_eq!(finished.stdout, "{\"kafka.offset\":0,\"candid\":1}\n{\"kafka.offset\":10,\"candid\":1}\n");
    // The position is after them all the same: the next call does not meet them again.
    assert_eq!(consumer.lines(&["-e"]).len(), 0);
}

#[test]
fn hostile_text_reaches_neither_the_terminal_nor_other_folders() {
    let consumer = Consumer::with_topic_options("hostile", &[("max.message.bytes", "20000000")]);
    let long = "x".repeat(1 << 20);
    let texts = [
        ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\u{9b}31m\u{202e}gnp"),
        ("../../../etc/passwd", "<script>alert(1)</script>"),
        ("-rf", "a\nb\rc\0d"),
        (long.as_str(), long.as_str()),
        ("", "'; DROP TABLE alerts; --"),
    ];
    let data: Vec<Vec<u8>> =
        texts.iter().enumerate().map(|(id, (object, class))| alert(object, id as i64, class, 3)).collect();
    send(&consumer, &data.iter().map(|datum| (Some(SCHEMA.as_bytes()), Some(datum.as_slice()))).collect::<Vec<_>>());
    let table = consumer.fixture.ok(&["consume", "--no-group", "-e", "--format", "table"]);
    assert_eq!(table.stdout.lines().count(), 1 + texts.len(), "{}", table.stdout);
    assert!(!acts_on_a_terminal(&table.stdout) && table.stdout.lines().all(|line| line.chars().count() <= 80));
    let lines = consumer.fixture.ok(&["consume", "--no-group", "-e", "--format", "ndjson"]);
    assert!(!acts_on_a_terminal(&lines.stdout));
    for (line, (object, class)) in lines.stdout.lines().zip(texts) {
        let alert: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(alert["objectId"] == object && alert["cdsxmatch"] == class, "{line:.200}");
    }
    for format in ["avro", "avro-many", "parquet"] {
        let by_class = ["--partition-by", "class"];
        let save = ["consume", "--no-group", "-e", "--save", "saved/in", "--as", format, "--by", "topic"];
        let other = format!("saved/{format}");
        let save: Vec<&str> =
            save.iter().map(|word| if *word == "saved/in" { &other } else { *word }).chain(by_class).collect();
        consumer.fixture.ok(&save);
        // Each class has its folder, whatever it is called.
        let folder = consumer.fixture.path(&other).join(&consumer.topic.0);
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), texts.len());
    }
    let saved: Vec<_> = std::fs::read_dir(consumer.fixture.path("saved")).expect("a folder").collect();
    assert_eq!(saved.len(), 3);
}

#[test]
fn an_alert_of_5_mb_is_read_and_saved() {
    let consumer = Consumer::with_topic_options("large", &[("max.message.bytes", "20000000")]);
    let data =
        [alert("ZTF18abc", 1, "Star", 5 << 20), alert("ZTF18abd", 2, "Star", 10), alert("ZTF18abe", 3, "", 7 << 20)];
    send(&consumer, &data.iter().map(|datum| (Some(SCHEMA.as_bytes()), Some(datum.as_slice()))).collect::<Vec<_>>());
    let lines = consumer.lines(&["--no-group", "-e", "--bytes", "length"]);
    assert_eq!(lines[0]["stamp"], format!("<{} bytes>", 5 << 20));
    for format in ["avro", "avro-many", "parquet"] {
        let save = ["consume", "--no-group", "-e", "--save", format, "--as", format];
        consumer.fixture.ok(&save);
        let script = "import sys, glob, fastavro, pyarrow.parquet as pq\n\
            files = glob.glob(sys.argv[1] + '/*')\n\
            read = lambda f: pq.read_table(f).to_pylist() if f.endswith('parquet') else list(fastavro.reader(open(f, 'rb')))\n\
            print(sorted((a['candid'], len(a['stamp'])) for f in files for a in read(f)))";
        let output = std::process::Command::new(crate::fixture::cluster::python())
            .args(["-c", script])
            .arg(consumer.fixture.path(format))
            .output()
            .expect("python");
        let read = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(read.trim(), format!("[(1, {}), (2, 10), (3, {})]", 5 << 20, 7 << 20), "{format}: {output:?}");
    }
}

//! Several streams: what a new one gets, how a job fills its past, what the log says of each.

use std::collections::BTreeMap;

use fink::alert::decoder::{BytesFormat, SchemaCache};
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};

use crate::fixture::Fixture;
use crate::fixture::alert_table::{Table, now, row};
use crate::fixture::cluster::{TIMEOUT, User};

const COUNTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/distribution-rules-counting.xml");

/// The alerts of a topic, as JSON.
fn alerts(table: &Table, topic: &str) -> Vec<serde_json::Value> {
    let mut schemas = SchemaCache::default();
    let mut decoded = Vec::new();
    for message in table.messages(topic) {
        let decoder = schemas.get(message.key.as_deref().expect("a key")).expect("the key is a schema");
        decoded.push(decoder.value(message.value.as_deref().expect("a value"), BytesFormat::Base64).expect("a datum"));
    }
    decoded
}

#[test]
fn a_new_stream_begins_at_the_checkpoint_and_a_job_fills_its_past_once() {
    let mut table = Table::with_short_intervals("streams");
    let (past, name) = (now() - 3_600_000, table.fixture.name.clone());
    table.put(0..30, Some(past));
    // Ends the service after `count` messages on the topic of the first stream, and a repair.
    let serve = |table: &Table, count: usize| {
        let running = table.fixture.start(&["start", "distribution"], "log");
        table.wait_for(count, &running);
        table.wait_for_repair(&running);
        running.terminate();
    };
    serve(&table, 30);
    table.assert_published(0..30);

    let count = format!("{name}_count");
    let block = format!("[[stream]]\nname = \"count\"\ntopic = \"{count}\"\npartitions = 3\nrules = \"{COUNTING}\"\n");
    table.fixture.config.push_str(&block);
    table.put(30..36, None);
    serve(&table, 36);
    table.assert_published(0..36);
    let objects = |numbers: std::ops::Range<u32>| {
        let mut objects: BTreeMap<String, u32> = BTreeMap::new();
        numbers.for_each(|number| *objects.entry(format!("ZTF{}", number / 3)).or_default() += 1);
        objects
    };
    let counted = |table: &Table| {
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        for alert in alerts(table, &count) {
            let fields = alert.as_object().expect("a record");
            assert_eq!(fields.keys().collect::<Vec<_>>(), ["objectId"], "a counting stream carries nothing else");
            *found.entry(fields["objectId"].as_str().expect("text").to_owned()).or_default() += 1;
        }
        found
    };
    assert_eq!(counted(&table), objects(30..36), "from the checkpoint on, and nothing older");
    assert_eq!(partitions(&table, &count), 3);

    let (from, until) = (past.to_string(), (past + 1).to_string());
    let job = ["start", "distribution", "--stream", "count", "--from", &from, "--until", &until];
    table.fixture.ok(&job).assert_stderr(0, &["finished: 30 alerts"]);
    table.fixture.ok(&job).assert_stderr(0, &["finished: 0 alerts"]);
    assert_eq!(counted(&table), objects(0..36));
    table.assert_published(0..36);

    // The first stream gets another name, the second goes: the checkpoint is that of the service, not of a stream.
    table.fixture.replace("name = \"full\"", "name = \"whole\"");
    table.fixture.replace(&block, "");
    table.put(36..40, None);
    serve(&table, 40);
    table.assert_published(0..40);
    assert_eq!(counted(&table), objects(0..36));
}

#[test]
fn a_dry_run_says_which_rule_refuses_how_many() {
    let mut table = Table::new("dryrules");
    table.fixture.add("[distribution]", "poll = \"100ms\"");
    let rules = "<distribution-rules><select><column name=\"*\"/></select>\n<filter>\n\
                 <column name=\"candidate\" subcol=\"magpsf\" operator=\">=\" value=\"16.01\"/>\n\
                 <column name=\"candidate\" subcol=\"ra\" operator=\"in\" value=\"12, 13\"/>\n\
                 </filter></distribution-rules>\n";
    std::fs::write(table.fixture.path("rules.xml"), rules).expect("a file");
    let topic = format!("{}_few", table.fixture.name);
    let block = format!("[[stream]]\nname = \"few\"\ntopic = \"{topic}\"\nrules = \"rules.xml\"\n");
    table.fixture.config.push_str(&block);
    table.put(0..30, None);
    let mut bad = row(40, None);
    bad.cells[2].value = vec![1, 2, 3];
    table.db.put(&[bad]).expect("a row is written");

    let finished = table.fixture.ok(&["start", "distribution", "--dry-run", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let of = |index: usize| {
        let numbers = ["seen", "kept", "refused", "rejected"].map(|key| report[index][key].as_u64());
        (report[index]["stream"].clone(), numbers.map(Option::unwrap_or_default))
    };
    assert_eq!(of(0), ("full".into(), [31, 30, 0, 1]));
    assert_eq!(of(1), ("few".into(), [31, 2, 28, 1]));
    let by = &report[1]["refused_by"];
    assert_eq!((&by[0]["line"], &by[0]["refused"]), (&3.into(), &10.into()), "{by}");
    assert_eq!((&by[1]["line"], &by[1]["refused"]), (&4.into(), &18.into()), "{by}");

    let text = table.fixture.ok(&["start", "distribution", "--dry-run", "--stream", "few"]).stdout;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row.starts_with(&["few", &topic, "31", "0", "2", "28", "1"])), "{text}");
    let refused = |number| rows.iter().any(|row| row.first() == Some(&"few") && row.last() == Some(&number));
    assert!(refused("10") && refused("18") && text.contains("candidate_magpsf >= 16.01"), "{text}");
}

#[test]
fn an_unknown_stream_is_named_with_the_nearest_ones() {
    let mut fixture = Fixture::embedded("nostream");
    let catalog = r#"{"table": {"namespace": "default", "name": "t"}, "rowkey": "key", "columns": {
        "key": {"cf": "rowkey", "col": "key", "type": "string"}, "candid": {"cf": "i", "col": "candid", "type": "long"}}}"#;
    std::fs::write(fixture.path("catalog.json"), catalog).expect("a file");
    for name in ["early_supernovae", "kilonovae", "microlensing", "solar_system"] {
        fixture.config.push_str(&format!("[[stream]]\nname = \"{name}\"\ntopic = \"fink_{name}\"\n"));
    }
    let finished = fixture.run(&["start", "distribution", "--dry-run", "--stream", "kilonova"]);
    finished.assert_stderr(2, &["there is no stream `kilonova`", "`kilonovae`", "4 streams"]);
}

/// How many partitions a topic has.
fn partitions(table: &Table, topic: &str) -> usize {
    let topics = vec![topic.to_owned()];
    let options = ConsumerOptions { topics, group: None, start: StartAt::Earliest, timeout: TIMEOUT };
    let mut consumer = Consumer::open(&table.fixture.cluster().kafka(User::Consumer), &options).expect("a reader");
    loop {
        match consumer.next(TIMEOUT).expect("the topic can be read") {
            Some(Event::Assigned(partitions)) => return partitions.len(),
            Some(_) => {}
            None => panic!("no partition of {topic} within {TIMEOUT:?}"),
        }
    }
}

//! `fink checkpoint`: a distribution continues under another name, and from a file, without loss and without duplicates.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::fixture::alert_table::{Table, now};
use crate::fixture::cluster::{User, python};
use crate::fixture::second_kafka::SecondKafka;
use crate::fixture::{Finished, wait_until};

/// How often each alert is on the topics, by its number, counted by confluent-kafka and fastavro.
fn counts(table: &Table, topics: &[&str]) -> BTreeMap<u32, u32> {
    let cluster = table.fixture.cluster();
    let login = [cluster.bootstrap_servers(), cluster.username(User::Consumer), cluster.password_file(User::Consumer)];
    counts_at(login, topics)
}

/// The same. `login`: the brokers, the user and the password's file, or `-` for both.
pub(super) fn counts_at(login: [&str; 3], topics: &[&str]) -> BTreeMap<u32, u32> {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/count_alerts.py");
    let output = Command::new(python()).arg(script).args(login).args(topics).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts: BTreeMap<String, u32> = serde_json::from_slice(&output.stdout).expect("JSON");
    counts.into_iter().map(|(candid, count)| (candid.parse().expect("a number"), count)).collect()
}

/// That each of `numbers` is on the topics once, and nothing else.
pub(super) fn assert_lost_and_twice_0(table: &Table, topics: &[&str], numbers: impl Iterator<Item = u32>) {
    assert_once(&counts(table, topics), numbers);
}

/// That each of `numbers` was counted once, and nothing else.
pub(super) fn assert_once(counts: &BTreeMap<u32, u32>, numbers: impl Iterator<Item = u32>) {
    let expected: BTreeMap<u32, u32> = numbers.map(|number| (number, 1)).collect();
    let lost: Vec<&u32> = expected.keys().filter(|number| !counts.contains_key(number)).collect();
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(lost.is_empty() && twice.is_empty(), "lost: {lost:?}; more than once: {twice:?}");
    assert_eq!(*counts, expected);
}

fn checkpoint(table: &Table, arguments: &[&str]) -> Finished {
    table.fixture.run(&[&["checkpoint"], arguments].concat())
}

fn shown(table: &Table) -> Vec<Value> {
    let finished = table.fixture.ok(&["checkpoint", "show", "--format", "json"]);
    serde_json::from_str(&finished.stdout).expect("JSON")
}

/// Changes `distribution.name`.
fn rename(table: &mut Table, from: &str, to: &str) {
    table.fixture.replace(&format!("name = \"{from}\"\noffset_file"), &format!("name = \"{to}\"\noffset_file"));
}

/// Has the program publish to another Kafka.
pub(super) fn use_kafka(table: &mut Table, second: &SecondKafka) {
    let first = table.fixture.cluster().bootstrap_servers().to_owned();
    let login = table.fixture.cluster().login_keys(User::Producer);
    table.fixture.replace(&first, &second.address);
    table.fixture.replace("security_protocol = \"sasl_plaintext\"\nsasl_mechanism = \"SCRAM-SHA-512\"\n", "");
    table.fixture.replace(&login, "security_protocol = \"plaintext\"\n");
}

fn delete_topics(table: &Table, topics: &[&str]) {
    topics.iter().for_each(|topic| table.fixture.cluster().admin().delete_topic(topic).expect("a topic"));
}

const SERVICE: [&str; 4] = ["start", "distribution", "--from", "now"];

#[test]
fn a_killed_distribution_continues_under_another_name() {
    let mut table = Table::with_short_intervals("ckmove");
    let old = table.fixture.name.clone();
    let new = format!("{old}_new");
    let past = now() - 7_200_000;
    table.put(900..950, Some(past));
    let (from, until) = (past.to_string(), (past + 1).to_string());
    let job = ["start", "distribution", "--from", &from, "--until", &until];
    table.fixture.ok(&job);
    let running = table.fixture.start(&SERVICE, "log");
    running.wait_for("distributing what is written");
    table.put(0..100, None);
    table.wait_for(150, &running);

    // It runs: seen by its run file, and from another machine by its commits.
    let order = ["checkpoint", "move", "--to-name", &new, "--yes"];
    table.fixture.run(&order).assert_stderr(1, &["on this machine writes the checkpoint", "stop it first"]);
    let mut elsewhere = table.fixture.command(&order);
    let elsewhere = Finished::of(&order, elsewhere.env("FINK_RUN_DIR", table.fixture.path("another")));
    elsewhere.assert_stderr(1, &["process ", "writes the checkpoint", "stop it first"]);
    table.put(100..300, None);
    running.kill();
    table.put(300..400, None);

    checkpoint(&table, &["move", "--to-name", &old]).assert_stderr(2, &["another --to-name"]);
    checkpoint(&table, &["move", "--to-name", &new]).assert_stderr(2, &["--yes"]);
    let planned = checkpoint(&table, &["move", "--to-name", &new, "--dry-run", "--format", "json"]);
    let planned: Vec<Value> = serde_json::from_str(&planned.stdout).expect("JSON");
    assert_eq!(planned.len(), 2, "the service and the job: {planned:?}");
    let before = shown(&table);
    let moved = table.fixture.ok(&order);
    assert!(moved.stderr.contains("moved 2 checkpoints"), "{moved:?}");

    // The old name is not started by mistake, and a second move says what is so.
    table.fixture.run(&SERVICE).assert_stderr(2, &["was moved to the distribution", &new]);
    table.fixture.run(&["start", "distribution", "--from", "earliest", "--yes"]).assert_stderr(2, &["was moved to"]);
    checkpoint(&table, &order[1..]).assert_stderr(1, &["was moved to", "before"]);
    assert!(shown(&table).iter().all(|row| row["state"] == format!("moved to {new}")));

    rename(&mut table, &old, &new);
    let after = shown(&table);
    let of = |rows: &[Value], field: &str| rows.iter().map(|row| row[field].clone()).collect::<Vec<_>>();
    assert_eq!(of(&after, "writer"), of(&before, "writer"));
    assert_eq!(of(&after, "watermark")[1..], of(&before, "watermark")[1..]);
    let running = table.fixture.start(&SERVICE, "log2");
    table.put(400..500, None);
    table.wait_for(550, &running);
    table.wait_for_repair(&running);
    running.terminate();
    let again = table.fixture.ok(&job);
    assert!(again.stderr.contains("finished: 0 alerts"), "{again:?}");
    assert_lost_and_twice_0(&table, &[&old], (0..500).chain(900..950));

    // Back again: the name that was moved away is free.
    let back = table.fixture.ok(&["checkpoint", "move", "--to-name", &old, "--yes"]);
    assert!(back.stderr.contains("moved 2 checkpoints"), "{back:?}");
    rename(&mut table, &new, &old);
    let running = table.fixture.start(&SERVICE, "log3");
    table.put(500..550, None);
    table.wait_for(600, &running);
    running.terminate();
    assert_lost_and_twice_0(&table, &[&old], (0..550).chain(900..950));
    delete_topics(&table, &[&format!("fink_checkpoint_{new}")]);
}

#[test]
fn an_exported_checkpoint_continues_on_other_topics() {
    let mut table = Table::with_short_intervals("ckfile");
    let old = table.fixture.name.clone();
    let (new, topic) = (format!("{old}_new"), format!("{old}_topic"));
    let running = table.fixture.start(&SERVICE, "log");
    running.wait_for("distributing what is written");
    table.put(0..250, None);
    table.wait_for(120, &running);
    checkpoint(&table, &["export", "checkpoint.json"]).assert_stderr(1, &["stop it first"]);
    running.terminate();
    table.put(250..300, None);
    checkpoint(&table, &["export", "checkpoint.json"]).assert_stderr(0, &["wrote checkpoint.json: 1 checkpoints"]);
    checkpoint(&table, &["export", "checkpoint.json"]).assert_stderr(2, &["already exists", "--force"]);
    checkpoint(&table, &["export", "checkpoint.json", "--force"]).assert_stderr(0, &[]);
    let text = std::fs::read_to_string(table.fixture.path("checkpoint.json")).expect("a file");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&file["format"], &file["version"]), (&"fink checkpoint".into(), &1.into()));
    assert_eq!(file["distribution"], old);

    // What exists is not overwritten unless asked, and another file is none.
    let import = ["import", "checkpoint.json"];
    checkpoint(&table, &import).assert_stderr(1, &["holds a checkpoint of `live` already", "--replace"]);
    std::fs::write(table.fixture.path("later.json"), text.replace("\"version\": 1", "\"version\": 2")).expect("a file");
    checkpoint(&table, &["import", "later.json"]).assert_stderr(1, &["later.json", "version 2"]);
    std::fs::write(table.fixture.path("half.json"), &text[..text.len() / 2]).expect("a file");
    checkpoint(&table, &["import", "half.json"]).assert_stderr(1, &["half.json"]);
    let planned = checkpoint(&table, &["import", "checkpoint.json", "--replace", "--dry-run", "--format", "json"]);
    let planned: Vec<Value> = serde_json::from_str(&planned.stdout).expect("JSON");
    assert_eq!(planned[0]["watermark"], planned[0]["replaces watermark"]);

    rename(&mut table, &old, &new);
    table.fixture.replace(&format!("topic = \"{old}\""), &format!("topic = \"{topic}\""));
    checkpoint(&table, &import).assert_stderr(2, &["--yes"]);
    checkpoint(&table, &["import", "checkpoint.json", "--yes"]).assert_stderr(0, &["imported 1 checkpoints"]);
    let running = table.fixture.start(&SERVICE, "log2");
    running.wait_for("distributing what is written");
    checkpoint(&table, &["import", "checkpoint.json", "--replace", "--yes"]).assert_stderr(1, &["stop it first"]);
    table.put(300..400, None);
    let published = counts(&table, &[&old]).len();
    table.wait_for_messages(&topic, 400 - published, &running);
    table.wait_for_repair(&running);
    running.terminate();
    assert_lost_and_twice_0(&table, &[&old, &topic], 0..400);
    delete_topics(&table, &[&format!("fink_checkpoint_{new}"), &topic]);
}

#[test]
fn a_distribution_continues_on_another_kafka() {
    let mut table = Table::with_short_intervals("ckkafka");
    let topic = table.fixture.name.clone();
    let past = now() - 7_200_000;
    table.put(900..950, Some(past));
    let (from, until) = (past.to_string(), (past + 1).to_string());
    let job = ["start", "distribution", "--from", &from, "--until", &until];
    table.fixture.ok(&job);
    let running = table.fixture.start(&SERVICE, "log");
    running.wait_for("distributing what is written");
    table.put(0..250, None);
    // Some of them are committed, and some are not.
    table.wait_for(120, &running);
    running.terminate();
    table.put(250..300, None);
    checkpoint(&table, &["export", "checkpoint.json"]).assert_stderr(0, &["wrote checkpoint.json: 2 checkpoints"]);
    let on_first = counts(&table, &[&topic]);

    let second = SecondKafka::start(table.fixture.cluster());
    use_kafka(&mut table, &second);
    // Without the checkpoint it does not begin anywhere by itself.
    checkpoint(&table, &["show"]).assert_stderr(1, &["holds no checkpoint"]);
    checkpoint(&table, &["import", "checkpoint.json", "--yes"]).assert_stderr(0, &["imported 2 checkpoints"]);
    let running = table.fixture.start(&SERVICE, "log2");
    table.put(300..400, None);
    let on_second = || counts_at([&second.address, "-", "-"], &[&topic]);
    let expected = 450 - on_first.len();
    wait_until(
        || format!("{} of {expected} alerts; {}", on_second().len(), running.log()),
        || (on_second().len() >= expected).then_some(()),
    );
    table.wait_for_repair(&running);
    running.terminate();
    let again = table.fixture.ok(&job);
    assert!(again.stderr.contains("finished: 0 alerts"), "{again:?}");
    let mut both = on_first.clone();
    on_second().into_iter().for_each(|(number, count)| *both.entry(number).or_default() += count);
    assert_once(&both, (0..400).chain(900..950));
    assert!(on_first.len() >= 170 && both.len() - on_first.len() >= 150, "{} on the first", on_first.len());
}

#[test]
fn a_topic_without_transactions_is_moved_when_it_is_accounted_for() {
    let mut table = Table::with_short_intervals("ckplain");
    let old = table.fixture.name.clone();
    let (new, topic) = (format!("{old}_new"), format!("fink_plain_{old}"));
    let stream = format!("topic = \"{old}\"\n");
    table.fixture.replace(&stream, &format!("topic = \"{topic}\"\ntransactions = false\n"));
    let admin = table.fixture.cluster().admin_section();
    table.fixture.log_in_as(User::Admin);
    table.fixture.config.push_str(&admin);
    let running = table.fixture.start(&SERVICE, "log");
    running.wait_for("distributing what is written");
    table.put(0..100, None);
    table.wait_for_messages(&topic, 100, &running);
    running.kill();
    let order = ["move", "--to-name", new.as_str(), "--yes"];
    checkpoint(&table, &order).assert_stderr(1, &["does not say how far topic", &topic, "start and stop it once"]);
    let running = table.fixture.start(&SERVICE, "log2");
    table.put(100..150, None);
    table.wait_for_messages(&topic, 150, &running);
    running.terminate();
    checkpoint(&table, &order).assert_stderr(0, &["moved 1 checkpoints"]);
    rename(&mut table, &old, &new);
    let running = table.fixture.start(&SERVICE, "log3");
    table.put(150..200, None);
    table.wait_for_messages(&topic, 200, &running);
    running.terminate();
    assert_lost_and_twice_0(&table, &[&topic], 0..200);
    delete_topics(&table, &[&format!("fink_checkpoint_{new}"), &topic]);
}

#[test]
fn without_a_checkpoint_there_is_nothing_to_show() {
    let table = Table::new("cknone");
    for arguments in [&["show"][..], &["export", "a.json"], &["move", "--to-name", "fink_other", "--yes"]] {
        checkpoint(&table, arguments).assert_stderr(1, &["holds no checkpoint"]);
    }
    assert!(!table.fixture.path("a.json").exists());
}

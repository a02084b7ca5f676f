//! Pausing streams of a running service, and resuming them without loss.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fink::science_db::{self, StoreKind};
use serde_json::Value;

use super::checkpoint_transfer::assert_lost_and_twice_0;
use super::operation::{ELSEWHERE, start_elsewhere};
use super::push::{PushedTable, pushed};
use crate::fixture::alert_table::{Table, now, row};
use crate::fixture::cluster::{User, science_db_settings};
use crate::fixture::{Finished, Fixture, Running, wait_until};

/// What was missed is sent a few seconds after it was written.
const INTERVALS: &str = "poll = \"100ms\"\noverlap = \"1s\"\nrepair = \"12s\"\nrepair_every = \"1s\"";

/// Keeps every second alert of [`row`], by its right ascension.
const RULES: &str = "<distribution-rules><select><column name=\"*\"/></select><drop><column name=\"status\"/></drop>\
                     <filter>\
                     <column name=\"candidate\" subcol=\"ra\" operator=\"&lt;\" value=\"180\"/>\
                     </filter></distribution-rules>\n";

fn is_kept(number: &u32) -> bool {
    number % 360 < 180
}

/// A table with a status column, and the streams `full`, `half` with rules, and `plain` without transactions.
fn table(what: &str) -> Table {
    let mut table = Table::with_columns(what, r#", "status": {"cf": "i", "col": "status", "type": "string"}"#);
    // Who writes to a topic without transactions has to read it as well.
    table.fixture.log_in_as(User::Admin);
    table.fixture.add("[distribution]", INTERVALS);
    std::fs::write(table.fixture.path("rules.xml"), RULES).expect("a file");
    let name = table.fixture.name.clone();
    for (stream, keys) in [("half", "rules = \"rules.xml\""), ("plain", "transactions = false")] {
        table
            .fixture
            .config
            .push_str(&format!("[[stream]]\nname = \"{stream}\"\ntopic = \"{name}_{stream}\"\n{keys}\n"));
    }
    table
}

/// Writes alerts at a constant rate, in a thread, until it is stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(fixture: &Fixture) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&written));
        let settings =
            science_db_settings(StoreKind::HBase, fixture.cluster().hbase(), &fixture.path("unused-by-writer.db"));
        let mut db = science_db::open(&settings, &format!("default:{}", fixture.name)).expect("a session with HBase");
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let next = count.load(Ordering::Relaxed);
                let puts: Vec<_> = (next..next + 20).map(|number| row(number, None)).collect();
                db.put(&puts).expect("rows are written");
                count.store(next + 20, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self { stop, written, thread }
    }

    /// Waits until it has written `more` rows from now on.
    fn wait_for(&self, more: u32) {
        let until = self.written.load(Ordering::Relaxed) + more;
        wait_until(
            || "the writer is slow".to_owned(),
            || (self.written.load(Ordering::Relaxed) >= until).then_some(()),
        );
    }

    /// How many rows it has written.
    fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a writer");
        self.written.load(Ordering::Relaxed)
    }
}

fn stream_status(fixture: &Fixture, name: &str) -> Value {
    let status = fixture.run(&["status", "--format", "json"]).stdout;
    let status: Value = serde_json::from_str(&status).unwrap_or_default();
    let streams = status["streams"].as_array().cloned().unwrap_or_default();
    streams.into_iter().find(|stream| stream["name"] == name).unwrap_or_default()
}

/// Waits until `fink status` says since when the stream is paused; it is updated some times a second.
fn wait_until_paused(fixture: &Fixture, name: &str) {
    let status = || stream_status(fixture, name);
    let is_paused = || status()["paused_since"].as_str().is_some_and(|since| since.starts_with("20")).then_some(());
    wait_until(|| format!("stream {name}: {}", status()), is_paused);
}

/// Waits until `fink status` says of the stream that it misses nothing.
fn wait_until_complete(fixture: &Fixture, name: &str) {
    let status = || stream_status(fixture, name);
    let is_complete = || (status()["sent"].is_u64() && status()["missed_from"].is_null()).then_some(());
    wait_until(|| format!("stream {name}: {}", status()), is_complete);
}

/// Pauses or resumes a stream of a service that has just been started.
fn change(fixture: &Fixture, verb: &str, name: &str) -> String {
    let finished = wait_until(
        || format!("{verb} {name} does not succeed"),
        || Some(fixture.run(&[verb, name])).filter(|finished| finished.code == 0),
    );
    finished.stderr
}

/// Stops the writer, waits until each stream has what it keeps, and stops the service. Each alert is on each stream once, counted by
/// confluent-kafka. Returns the service's log.
fn assert_complete(table: &Table, writer: Writer, running: Running) -> String {
    let [full, half, plain] = ["", "_half", "_plain"].map(|end| format!("{}{end}", table.fixture.name));
    let written = writer.stop();
    for stream in ["half", "plain"] {
        wait_until_complete(&table.fixture, stream);
    }
    table.wait_for(written as usize, &running);
    let kept = (0..written).filter(is_kept);
    table.wait_for_messages(&half, kept.clone().count(), &running);
    let log = running.terminate();
    assert_lost_and_twice_0(table, &[&full], 0..written);
    assert_lost_and_twice_0(table, &[&plain], 0..written);
    assert_lost_and_twice_0(table, &[&half], kept);
    log
}

#[test]
fn a_paused_stream_receives_what_it_has_missed_once_whatever_is_killed() {
    let table = table("pause");
    let fixture = &table.fixture;
    let half = format!("{}_half", fixture.name);
    let writer = Writer::start(fixture);
    let service = || fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    let running = service();
    table.wait_for(100, &running);
    assert!(change(fixture, "pause", "half").contains("stream `half` is paused: it receives no alerts"));
    change(fixture, "pause", "plain");
    wait_until_paused(fixture, "half");
    let before = table.messages(&half).len();
    writer.wait_for(600);
    assert!(table.messages(&half).len() <= before + 40, "a paused stream receives alerts");

    running.kill();
    writer.wait_for(100);
    let running = service();
    running.wait_for("stream `half` is paused since");
    writer.wait_for(100);
    assert_eq!(stream_status(fixture, "half")["sent"], 0, "it stays paused");
    assert!(fixture.run(&["pause", "half"]).stderr.contains("is paused already, since 20"));

    change(fixture, "resume", "half");
    running.wait_for("sending stream `half` the alerts that it has missed");
    running.kill();
    let running = service();
    change(fixture, "resume", "plain");
    running.wait_for("sending stream `plain` the alerts that it has missed");
    std::thread::sleep(Duration::from_millis(300));
    running.kill();
    let running = service();
    // Paused again while it receives what it has missed.
    change(fixture, "pause", "half");
    writer.wait_for(100);
    running.terminate();
    let running = service();
    change(fixture, "resume", "half");
    writer.wait_for(100);
    assert_complete(&table, writer, running);
}

#[test]
fn a_standby_that_takes_over_keeps_a_stream_paused_until_it_is_resumed() {
    let table = table("pausestandby");
    let fixture = &table.fixture;
    let writer = Writer::start(fixture);
    let active = start_elsewhere(fixture, &["start", "distribution", "--from", "earliest"]);
    table.wait_for(100, &active);
    let pause = ["pause", "half"];
    let mut command = fixture.command(&pause);
    Finished::of(&pause, command.env("FINK_RUN_DIR", fixture.path(ELSEWHERE))).assert_stderr(0, &["is paused"]);
    let standby = fixture.start(&["start", "distribution", "--standby"], "log");
    standby.wait_for("is the active process of distribution");
    writer.wait_for(100);
    active.kill();
    fixture.run(&["resume", "half"]).assert_stderr(1, &["no distribution is running on this machine"]);
    standby.wait_for("taking over");
    standby.wait_for("stream `half` is paused since");
    wait_until_paused(fixture, "half");
    writer.wait_for(200);
    assert_eq!(stream_status(fixture, "half")["sent"], 0, "it stays paused");
    change(fixture, "resume", "half");
    writer.wait_for(100);
    assert_complete(&table, writer, standby);
}

#[test]
fn a_pause_is_part_of_an_exported_checkpoint() {
    let table = table("pausefile");
    let fixture = &table.fixture;
    let writer = Writer::start(fixture);
    let running = fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    table.wait_for(100, &running);
    change(fixture, "pause", "half");
    writer.wait_for(300);
    change(fixture, "resume", "half");
    running.wait_for("sending stream `half` the alerts that it has missed");
    // A part of the first pause is still to be sent.
    change(fixture, "pause", "half");
    writer.wait_for(100);
    running.terminate();
    fixture.ok(&["checkpoint", "export", "checkpoint.json"]);
    writer.wait_for(100);
    fixture.cluster().admin().delete_topic(&format!("fink_checkpoint_{}", fixture.name)).expect("a topic");
    fixture.run(&["checkpoint", "show"]).assert_stderr(1, &["holds no checkpoint"]);
    fixture.ok(&["checkpoint", "import", "checkpoint.json", "--yes"]);
    let running = fixture.start(&["start", "distribution"], "log2");
    running.wait_for("stream `half` is paused since");
    writer.wait_for(100);
    wait_until_paused(fixture, "half");
    assert_eq!(stream_status(fixture, "half")["sent"], 0, "it stays paused");
    change(fixture, "resume", "half");
    writer.wait_for(100);
    assert_complete(&table, writer, running);
}

#[test]
fn a_paused_stream_receives_the_rows_that_hbase_has_pushed_meanwhile() {
    let pushing = PushedTable::of(table("pausepush"), "");
    let (table, fixture) = (&pushing.table, &pushing.table.fixture);
    let writer = Writer::start(fixture);
    let running = pushing.start_from("earliest");
    table.wait_for(100, &running);
    change(fixture, "pause", "half");
    change(fixture, "pause", "plain");
    writer.wait_for(300);
    running.kill();
    writer.wait_for(100);
    let running = pushing.start_from("earliest");
    running.wait_for("stream `half` is paused since");
    writer.wait_for(300);
    change(fixture, "resume", "half");
    change(fixture, "resume", "plain");
    writer.wait_for(200);
    let log = assert_complete(table, writer, running);
    assert!(pushed(&log) > 0, "{log}");
}

#[test]
fn a_pause_that_makes_no_sense_is_refused_or_changes_nothing() {
    let mut table = table("pausing");
    table.put(0..20, None);
    let fixture = &table.fixture;
    fixture.run(&["pause", "half"]).assert_stderr(1, &["no distribution is running on this machine"]);
    let running = fixture.start(&["start", "distribution"], "log");
    table.wait_for(20, &running);
    fixture.run(&["pause", "halve"]).assert_stderr(2, &["no stream `halve`", "did you mean `half`?"]);
    fixture.run(&["resume", "half"]).assert_stderr(0, &["stream `half` is not paused"]);
    change(fixture, "pause", "half");
    fixture.run(&["pause", "half"]).assert_stderr(0, &["stream `half` is paused already, since 20"]);
    wait_until_paused(fixture, "half");
    let shown = fixture.ok(&["status"]).stdout;
    assert!(shown.contains("paused since 20"), "{shown}");
    let shown: Value =
        serde_json::from_str(&fixture.ok(&["checkpoint", "show", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(shown[0]["paused"], "half", "{shown}");
    running.terminate();
}

#[test]
fn a_pause_moves_with_the_checkpoint_outlasts_a_changed_configuration_and_is_no_difference_in_an_audit() {
    let mut table = table("pausemove");
    let (old, new) = (table.fixture.name.clone(), format!("{}_new", table.fixture.name));
    let begun = now();
    table.put(0..100, None);
    let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    table.wait_for(100, &running);
    change(&table.fixture, "pause", "half");
    table.put(100..400, None);
    table.wait_for(400, &running);
    let until = now();
    let passed = |table: &Table| table.offset_file().is_some_and(|watermark| watermark > until).then_some(());
    wait_until(|| "the watermark does not pass".to_owned(), || passed(&table));
    let (from, until) = (begun.to_string(), until.to_string());
    let audit = ["audit", "--from", &from, "--until", &until];
    let audited = table.fixture.run(&audit);
    assert_eq!(audited.code, 0, "{audited:?}");
    let repaired = table.fixture.run(&[&audit[..], &["--repair", "--yes"]].concat());
    assert_eq!(repaired.code, 0, "{repaired:?}");

    // Without the stream, and without its rules when it comes back.
    let config = table.fixture.config.clone();
    let half = format!("[[stream]]\nname = \"half\"\ntopic = \"{old}_half\"\nrules = \"rules.xml\"\n");
    table.fixture.replace(&half, "");
    table.fixture.run(&["config", "check"]).assert_stderr(0, &["streams: full, plain"]);
    running.signal(rustix::process::Signal::HUP);
    running.wait_for("the new configuration is in force");
    table.put(400..450, None);
    table.wait_for(450, &running);
    table.fixture.run(&["resume", "half"]).assert_stderr(2, &["no stream `half`"]);
    running.terminate();

    table.fixture.config = config;
    table.fixture.ok(&["checkpoint", "move", "--to-name", &new, "--yes"]);
    table.fixture.replace(&format!("name = \"{old}\"\noffset_file"), &format!("name = \"{new}\"\noffset_file"));
    let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log2");
    running.wait_for("stream `half` is paused since");
    table.put(450..500, None);
    table.wait_for(500, &running);
    change(&table.fixture, "resume", "half");
    wait_until_complete(&table.fixture, "half");
    running.terminate();
    assert_lost_and_twice_0(&table, &[&old], 0..500);
    assert_lost_and_twice_0(&table, &[&format!("{old}_half")], (0..500).filter(is_kept));
    let audited = table.fixture.run(&audit);
    assert_eq!(audited.code, 0, "{audited:?}");
    table.fixture.cluster().admin().delete_topic(&format!("fink_checkpoint_{new}")).expect("a topic");
}

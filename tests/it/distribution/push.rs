//! Rows that HBase pushes, as to a replication peer.

use std::io::Write;
use std::net::TcpStream;

use fink::row::{Columns, Rows};
use fink::science_db::{self, StoreKind};
use rustix::process::Signal;

use crate::fixture::alert_table::{SHORT_INTERVALS, Table, key, now};
use crate::fixture::cluster::science_db_settings;
use crate::fixture::{Fixture, Running, wait_for_clock, wait_until};

/// Scans alone would find rows after this time.
const RARE_SCANS: &str = "poll = \"50s\"\noverlap = \"55s\"\nrepair = \"120s\"\nrepair_every = \"50s\"";

/// A table with a service that HBase pushes to. The peer is removed when this is dropped.
pub(super) struct PushedTable {
    pub table: Table,
}

impl PushedTable {
    fn new(what: &str, intervals: &str) -> Self {
        Self::of(Table::new(what), intervals)
    }

    /// `intervals`: keys of `[distribution]`.
    pub fn of(mut table: Table, intervals: &str) -> Self {
        let name = table.fixture.name.clone();
        let zookeeper = table.fixture.cluster().value("FINK_TEST_ZOOKEEPER").to_owned();
        let keys = format!(
            "push = true\npush_zookeeper = \"{zookeeper}\"\npush_root = \"/{name}\"\npush_peer = \"{name}\"\n\
             push_listen = \"127.0.0.1:0\""
        );
        table.fixture.add("[science_db]", &keys);
        table.fixture.add("[distribution]", intervals);
        let pushed = Self { table };
        pushed.add_peer();
        pushed
    }

    fn add_peer(&self) {
        let added = self.table.fixture.ok(&["hbase", "add-peer", "--yes"]);
        assert!(added.stdout.contains(&self.table.fixture.name), "{added:?}");
    }

    fn remove_peer(&self) {
        self.table.fixture.ok(&["hbase", "remove-peer", "--yes"]);
    }

    /// Starts the service, and waits until HBase may push to it.
    fn start(&self) -> Running {
        self.start_from("now")
    }

    /// The same, from this start.
    pub fn start_from(&self, from: &str) -> Running {
        let log = self.table.fixture.path("log");
        let registrations = || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            log.matches("registered as a replication sink").count()
        };
        let before = registrations();
        let running = self.table.fixture.start(&["start", "distribution", "--from", from], "log");
        wait_until(|| running.log(), || (registrations() > before).then_some(()));
        running.wait_for("distributing what is written");
        running
    }
}

/// Waits until the column `i:status` of these rows is `distributed`.
fn wait_for_status(table: &mut Table, keys: &[&[u8]]) {
    let columns = Columns::new(vec![("i".to_owned(), "status".to_owned())]);
    let mut rows = Rows::default();
    wait_until(
        || "rows without the status `distributed`".to_owned(),
        || {
            table.db.get(keys, &columns, &mut rows).expect("rows");
            let is_distributed = |value: Option<&[u8]>| value == Some(b"distributed");
            let written = rows.iter().filter(|row| is_distributed(row.cell(0).map(|cell| cell.value))).count();
            (written == keys.len()).then_some(())
        },
    );
}

impl Drop for PushedTable {
    fn drop(&mut self) {
        let _removed = self.table.fixture.run(&["hbase", "remove-peer", "--yes"]);
    }
}

/// The number before ` pushed` in the last line of a log that has one.
pub(super) fn pushed(log: &str) -> u32 {
    let line = log.lines().rev().find(|line| line.contains(" pushed")).unwrap_or("0 pushed");
    let before = line.split(" pushed").next().unwrap_or_default();
    before.rsplit([' ', ',']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn a_killed_service_and_a_new_peer_lose_nothing_and_send_nothing_twice() {
    let mut pushing = PushedTable::new("push_kill", SHORT_INTERVALS);
    let running = pushing.start();
    pushing.table.put(0..50, None);
    pushing.table.wait_for(50, &running);
    running.kill();
    pushing.table.put(50..100, None);
    let running = pushing.start();
    pushing.table.wait_for(100, &running);
    pushing.remove_peer();
    pushing.table.put(100..150, None);
    // The new peer begins with the current WAL: HBase sends rows again.
    pushing.add_peer();
    pushing.table.put(150..200, None);
    pushing.table.wait_for(200, &running);
    pushing.table.wait_for_repair(&running);
    running.terminate();
    pushing.table.assert_published(0..200);
}

#[test]
fn rows_of_a_suspended_service_are_published_once() {
    let mut pushing = PushedTable::new("push_stop", SHORT_INTERVALS);
    let running = pushing.start();
    pushing.table.put(0..20, None);
    pushing.table.wait_for(20, &running);
    running.signal(Signal::STOP);
    pushing.table.put(20..60, None);
    // Longer than the session in ZooKeeper: HBase has noticed.
    wait_for_clock(now() + 15_000);
    running.signal(Signal::CONT);
    pushing.table.put(60..80, None);
    pushing.table.wait_for(80, &running);
    pushing.table.wait_for_repair(&running);
    running.terminate();
    pushing.table.assert_published(0..80);
}

#[test]
fn a_service_without_zookeeper_polls_and_says_so() {
    let mut pushing = PushedTable::new("push_zoo", SHORT_INTERVALS);
    let zookeeper = format!("push_zookeeper = \"{}\"", pushing.table.fixture.cluster().value("FINK_TEST_ZOOKEEPER"));
    pushing.table.fixture.replace(&zookeeper, "push_zookeeper = \"127.0.0.1:1\"");
    let running = pushing.table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("cannot reach ZooKeeper at 127.0.0.1:1");
    running.wait_for("distributing what is written");
    pushing.table.put(0..10, None);
    pushing.table.wait_for(10, &running);
    running.terminate();
    pushing.table.assert_published(0..10);
    let refused = pushing.table.fixture.run(&["hbase", "add-peer", "--yes"]);
    refused.assert_stderr(1, &["cannot reach ZooKeeper at 127.0.0.1:1"]);
    pushing.table.fixture.replace("push_zookeeper = \"127.0.0.1:1\"", &zookeeper);
}

#[test]
fn damaged_and_foreign_bytes_at_the_sink_change_nothing() {
    let mut pushing = PushedTable::new("push_bytes", RARE_SCANS);
    let running = pushing.start();
    pushing.table.put(0..1, None);
    pushing.table.wait_for(1, &running);
    let port = registered_port(&running.log());
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"HBas\x00\x51", b"HBas\x00\x50\xff\xff\xff\xff", &[0; 4096]] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the sink listens");
        // The sink may close the connection before everything is sent.
        let _closed = stream.write_all(bytes);
    }
    running.wait_for("Kerberos is 81");
    pushing.table.put(1..100, None);
    pushing.table.wait_for(100, &running);
    let log = running.terminate();
    pushing.table.assert_published(0..100);
    assert!(!log.contains("panicked"), "{log}");
}

/// The port in `…/rs/host,port,startcode in ZooKeeper`.
fn registered_port(log: &str) -> u16 {
    let path = log.split("registered as a replication sink at ").nth(1).expect("a registration");
    path.split(',').nth(1).and_then(|port| port.parse().ok()).expect("a port")
}

#[test]
fn a_peer_is_planned_added_shown_and_removed() {
    let pushing = PushedTable::new("push_peer", SHORT_INTERVALS);
    let fixture = &pushing.table.fixture;
    let again = fixture.ok(&["hbase", "add-peer", "--yes", "--format", "json"]);
    assert_eq!(again.stdout.trim(), "[]", "{again:?}");
    let shown = fixture.ok(&["hbase", "show-peer", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(
        (&shown["peer"], &shown["state"], &shown["scoped"]),
        (&fixture.name.clone().into(), &"enabled".into(), &true.into())
    );
    assert_eq!(shown["tables"], format!("{}: i", fixture.name));
    fixture.run(&["hbase", "add-peer", "--serial", "--yes"]).assert_stderr(1, &["exists already", "remove-peer"]);
    fixture.run(&["hbase", "remove-peer"]).assert_stderr(2, &["stdin is not a terminal"]);
    let planned = fixture.ok(&["hbase", "remove-peer", "--dry-run"]);
    assert!(planned.stdout.contains("would be removed"), "{planned:?}");
    pushing.remove_peer();
    fixture.run(&["hbase", "remove-peer", "--yes"]).assert_stderr(1, &["has no replication peer"]);
    fixture.run(&["hbase", "show-peer"]).assert_stderr(1, &["add-peer"]);
    let planned = fixture.ok(&["hbase", "add-peer", "--dry-run"]);
    assert!(planned.stdout.contains("would be added") && !planned.stdout.contains("column family"), "{planned:?}");
}

#[test]
fn peers_need_the_native_protocol_and_push_an_hbase() {
    let mut table = Table::new("push_kind");
    table.fixture.use_gateways();
    table.fixture.run(&["hbase", "show-peer"]).assert_stderr(2, &["science_db.kind is not \"hbase\""]);
    table.fixture.replace("kind = \"thrift2\"", "kind = \"embedded\"\npush = true");
    table.fixture.run(&["start", "distribution"]).assert_stderr(2, &["only HBase pushes rows"]);
}

#[test]
fn pushed_rows_are_published_once_long_before_a_scan() {
    let mut pushing = PushedTable::new("push", RARE_SCANS);
    let running = pushing.start();
    // The first row opens the connection of the region server.
    pushing.table.put(0..1, None);
    pushing.table.wait_for(1, &running);
    for first in (1..400).step_by(7) {
        pushing.table.put(first..(first + 7).min(400), None);
    }
    pushing.table.wait_for(400, &running);
    let log = running.terminate();
    pushing.table.assert_published(0..400);
    assert!(pushed(&log) >= 300, "{log}");
}

#[test]
fn the_status_that_the_service_writes_comes_back_and_makes_no_alert() {
    // The status is in the family of the trigger, so HBase pushes it.
    let status = r#", "status": {"cf": "i", "col": "status", "type": "string"}"#;
    let mut pushing = PushedTable::of(Table::with_columns("push_status", status), RARE_SCANS);
    let running = pushing.start();
    pushing.table.put(0..100, None);
    pushing.table.wait_for(100, &running);
    let keys: Vec<Vec<u8>> = (0..100).map(key).collect();
    wait_for_status(&mut pushing.table, &keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
    // HBase pushes in the order of its log: when this row arrives, every status has.
    pushing.table.put(100..101, None);
    pushing.table.wait_for(101, &running);
    let log = running.terminate();
    pushing.table.assert_published(0..101);
    assert!((90..=101).contains(&pushed(&log)), "{log}");
}

#[test]
fn whole_rows_that_fink_ingest_puts_are_pushed_and_published_once() {
    let mut fixture = Fixture::with_servers("push_ingest");
    fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
    // One family for everything, with the status, as in the tables of 2019.
    let ingest = |fixture: &Fixture, first: u32, count: u32| {
        let folder = format!("alerts-{first}");
        let (first, count) = (first.to_string(), count.to_string());
        let simulate = ["simulate", "--survey", "ztf", "--seed", "7", "--first", &first, "--alerts", &count, "--out"];
        fixture.ok(&[&simulate[..], &[&fixture.path(&folder).display().to_string()]].concat());
        fixture.ok(&["ingest", "--history", "text", "--row-key", "objectId,candid", "--regions", "3", &folder]);
    };
    ingest(&fixture, 0, 20);
    let settings = science_db_settings(StoreKind::HBase, fixture.cluster().hbase(), &fixture.path("unused.db"));
    let db = science_db::open(&settings, &format!("default:{}", fixture.name)).expect("a session with HBase");
    let pushing = PushedTable::of(Table { fixture, db }, RARE_SCANS);
    let running = pushing.start_from("earliest");
    pushing.table.wait_for(20, &running);
    ingest(&pushing.table.fixture, 20, 100);
    pushing.table.wait_for(120, &running);
    // When this one arrives, every status has come back.
    ingest(&pushing.table.fixture, 120, 1);
    pushing.table.wait_for(121, &running);
    let log = running.terminate();
    let published = pushing.table.published();
    assert!(published.len() == 121 && published.values().all(|count| *count == 1), "{published:?}; {log}");
    assert!((90..=101).contains(&pushed(&log)), "{log}");
}

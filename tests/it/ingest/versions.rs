//! One table through the versions of a survey's schema, one after the other, while the service runs: what consumers see.

use std::path::{Path, PathBuf};
use std::process::Command;

use fink::alert::{BytesFormat, SchemaCache};
use fink::science_db::{self, HBaseTableAdmin};
use serde_json::Value as Json;

use super::evolution::{alerts_of, assert_contains, versions_of_ztf};
use super::ingest;
use crate::fixture::alert_table::{self, SHORT_INTERVALS};
use crate::fixture::cluster::python;
use crate::fixture::stored_table::Table;
use crate::fixture::{Fixture, Running, real_alerts_of, wait_until};

/// The service, as a supervisor runs it: it ends where the catalog has changed, and is started again.
struct Service {
    table: alert_table::Table,
    running: Running,
    restarts: usize,
}

impl Service {
    fn start(table: alert_table::Table, arguments: &[&str]) -> Self {
        let running = table.fixture.start(&[&["start", "distribution"], arguments].concat(), "log");
        Self { table, running, restarts: 0 }
    }

    /// Waits until both topics have this many alerts, those counted that were rejected.
    fn wait_for(&mut self, topics: &[String; 3], count: usize) {
        loop {
            let (table, running) = (&self.table, &mut self.running);
            let log = table.fixture.path("log");
            let state = || std::fs::read_to_string(&log).unwrap_or_default();
            let has_ended = wait_until(state, || {
                if running.has_ended() {
                    return Some(true);
                }
                let [full, oldest, rejected] = topics.each_ref().map(|topic| table.messages(topic).len());
                (full >= count && oldest + rejected >= count).then_some(false)
            });
            if !has_ended {
                return;
            }
            let running = table.fixture.start(&["start", "distribution"], "log");
            let (code, log) = std::mem::replace(&mut self.running, running).wait();
            assert!(code == 1 && log.contains("has changed since the start: restart to read it again"), "{log}");
            self.restarts += 1;
        }
    }
}

/// The alerts on a topic as JSON.
fn alerts(table: &alert_table::Table, topic: &str) -> Vec<Json> {
    let mut schemas = SchemaCache::default();
    let decode = |message: fink::kafka::Message| {
        let decoder = schemas.get(message.key.as_deref().unwrap()).unwrap();
        decoder.value(message.value.as_deref().unwrap(), BytesFormat::Base64).unwrap()
    };
    table.messages(topic).into_iter().map(decode).collect()
}

/// That fields that both have are the same. What `whole` alone has is null.
fn assert_agree(path: &str, whole: &Json, part: &Json) {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            for (key, value) in whole {
                let other = part.get(key).unwrap_or(&Json::Null);
                assert_agree(&format!("{path}.{key}"), value, other);
            }
        }
        (Json::Array(whole), Json::Array(part)) if whole.len() == part.len() => {
            whole.iter().zip(part).for_each(|(one, other)| assert_agree(&format!("{path}[]"), one, other));
        }
        _ => assert_eq!(whole, part, "{path}"),
    }
}

/// Loads files, each of the next version, while the service runs with two streams: `full` with the schema of the catalog, and `oldest` with
/// that of the first file for ever. `key`: what an alert is known by.
fn follow_each_other(what: &str, files: &[PathBuf], row_key: &str, key: fn(&Json) -> &Json) {
    let mut fixture = Fixture::with_servers(what);
    let name = fixture.name.clone();
    fixture.add("[science_db]", &format!("table = \"{name}\""));
    fixture.add("[distribution]", SHORT_INTERVALS);
    let topics = [name.clone(), format!("{name}_oldest"), format!("{name}_rejected")];
    let load = |fixture: &Fixture, file: &Path| {
        let report = ingest(fixture, &[&file.display().to_string(), "--row-key", row_key, "--regions", "1"]);
        assert_eq!(report["broken_files"], 0, "{}", file.display());
        alerts_of(file)
    };
    let mut expected = load(&fixture, &files[0]);
    std::fs::copy(fixture.path("catalog.avsc"), fixture.path("oldest.avsc")).unwrap();
    fixture.config += &format!(
        "[[stream]]\nname = \"oldest\"\ntopic = \"{}\"\nschema = \"oldest.avsc\"\npartitions = 1\n",
        topics[1]
    );
    let db = {
        let stored = Table::of(&fixture);
        science_db::open(&stored.settings, &stored.settings.table_of(&stored.catalog)).unwrap()
    };
    let mut service = Service::start(alert_table::Table { fixture, db }, &["--from", "earliest"]);
    service.wait_for(&topics, expected.len());
    for file in &files[1..] {
        expected.extend(load(&service.table.fixture, file));
        service.wait_for(&topics, expected.len());
    }
    let (restarts, log) = (service.restarts, service.running.log());
    let of = |all: &[Json], wanted: &Json| {
        let found: Vec<Json> = all.iter().filter(|alert| key(alert) == key(wanted)).cloned().collect();
        assert!(found.len() <= 1, "{} came {} times", key(wanted), found.len());
        found.into_iter().next()
    };
    // Each came once, on both topics; what an old consumer cannot have is rejected with its reason.
    let [full, oldest] = [0, 1].map(|at| alerts(&service.table, &topics[at]));
    let refused = service.table.messages(&topics[2]);
    for alert in &expected {
        assert_agree("", &of(&full, alert).expect("an alert"), alert);
        if let Some(old) = of(&oldest, alert) {
            assert_agree("", &old, alert);
        }
    }
    assert_eq!((full.len(), oldest.len() + refused.len()), (expected.len(), expected.len()), "{log}");
    for message in &refused {
        let record: Json = serde_json::from_slice(message.value.as_deref().unwrap()).unwrap();
        assert_eq!(record["stream"], "oldest", "{record}");
        println!("{what}: rejected on `oldest`: {}", record["reason"]);
    }
    // A consumer of the newest schema, who begins now: every field of every version.
    let Service { mut table, running, .. } = service;
    running.terminate();
    table.fixture.replace(
        &format!("[distribution]\n{SHORT_INTERVALS}\nname = \"{name}\""),
        &format!("[distribution]\nname = \"{name}_new\""),
    );
    table.fixture.replace(&format!("topic = \"{name}\""), &format!("topic = \"{name}_new\""));
    table.fixture.ok(&["start", "distribution", "--stream", "full", "--until", "now"]);
    let newest = alerts(&table, &format!("{name}_new"));
    assert_eq!(newest.len(), expected.len());
    for alert in &expected {
        assert_contains("", &of(&newest, alert).expect("an alert"), alert);
    }
    println!(
        "{what}: {} alerts of {} versions, {restarts} restarts; oldest: {} sent, {} rejected",
        expected.len(),
        files.len(),
        oldest.len(),
        refused.len()
    );
    let stored = Table::of(&table.fixture);
    let mut admin = HBaseTableAdmin::new(&stored.settings, &stored.settings.table_of(&stored.catalog));
    admin.disable().unwrap();
    admin.delete().unwrap();
}

#[test]
fn versions_of_rubin_follow_each_other_while_the_service_runs() {
    let (Some(first), Some(wire)) = (real_alerts_of("lsst-7.4"), real_alerts_of("lsst-wire")) else { return };
    let out = tempfile::tempdir().unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/wire_alerts.py");
    let written = Command::new(python()).arg(script).arg(wire).arg(out.path()).arg("--distinct").output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let mut files = vec![std::fs::read_dir(first).unwrap().next().unwrap().unwrap().path()];
    let versions = ["7_4", "9_0", "10_0", "11_0", "11_1"];
    files.extend(versions.map(|version| out.path().join(format!("lsst.v{version}.avro"))));
    let row_key = "diaSource.diaObjectId,diaSource.diaSourceId";
    follow_each_other("rubin_versions", &files, row_key, |alert| &alert["diaSource"]["diaSourceId"]);
}

#[test]
fn versions_of_ztf_follow_each_other_while_the_service_runs() {
    let Some(files) = versions_of_ztf() else { return };
    follow_each_other("ztf_versions", &files, "objectId,candid", |alert| &alert["candid"]);
}

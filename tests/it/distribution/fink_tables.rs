//! The tables of Fink's present writer: its catalogs, its row keys, its cells, written by HBase's own client and read back by fink-client.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use fink::science_db::{self, HBaseTableAdmin, StoreKind};
use serde_json::Value as Json;

use crate::fixture::Fixture;
use crate::fixture::alert_table::{SHORT_INTERVALS, Table};
use crate::fixture::cluster::{User, python, science_db_settings};

/// A table, which is deleted at the end.
struct FinkTable {
    table: Table,
    /// its name in the namespace `default`
    name: String,
    families: &'static str,
    splits: &'static str,
    /// the alerts as text for `FinkTableWriter`, and the row of type names
    rows: Vec<String>,
    type_names: String,
}

impl FinkTable {
    /// A table of `kind`, which `fink_tables.py` describes, with these families, and nothing written yet.
    fn new(kind: &str, survey: &str, families: &'static str, splits: &'static str) -> Self {
        let fixture = Fixture::with_servers(&format!("today_{kind}"));
        let name = format!("rubin.{}", fixture.name);
        let alerts = fixture.path("alerts").display().to_string();
        fixture.ok(&["simulate", "--survey", survey, "--enriched", "--alerts", "60", "--seed", "7", "--out", &alerts]);
        let annotate: &[&str] = if families.contains('a') { &["--annotate"] } else { &[] };
        let out = fixture.folder.path().display().to_string();
        tables(&[&["write", kind, &name, &alerts, &out], annotate].concat());
        let rows = std::fs::read_to_string(fixture.path("rows")).expect("rows");
        let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
        let type_names = rows.pop().expect("a row of type names");
        assert!(rows.len() > 20, "{} rows", rows.len());
        let settings = science_db_settings(StoreKind::HBase, fixture.cluster().hbase(), fixture.folder.path());
        let db = science_db::open(&settings, &format!("default:{name}")).expect("a session with HBase");
        Self { table: Table { fixture, db }, name, families, splits, rows, type_names }
    }

    /// Writes the row of type names, as each start of the writer does, and these rows.
    fn write(&self, rows: std::ops::Range<usize>) {
        let cluster = self.table.fixture.cluster();
        let input = self.table.fixture.path("input");
        let lines = [std::slice::from_ref(&self.type_names), &self.rows[rows.clone()]].concat();
        std::fs::write(&input, lines.join("\n") + "\n").expect("the fixture's folder");
        let mut java = cluster.hbase_client("FinkTableWriter.java");
        java.args([&self.name, self.families, self.splits]);
        let output = java.stdin(Stdio::from(std::fs::File::open(input).expect("the rows"))).output().expect("java");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said, (rows.len() + 1).to_string());
    }

    /// What fink-client reads of a topic, compared with what was written; the report.
    fn compare(&self, survey: &str, topic: &str, columns: &[&str]) -> Json {
        let cluster = self.table.fixture.cluster();
        let (user, password) = (cluster.username(User::Consumer), cluster.password_file(User::Consumer));
        let out = self.table.fixture.folder.path().display().to_string();
        let arguments = ["compare", survey, cluster.bootstrap_servers(), user, password, topic, &out];
        serde_json::from_str(&tables(&[&arguments[..], columns].concat())).expect("JSON")
    }
}

impl Drop for FinkTable {
    fn drop(&mut self) {
        let addresses = self.table.fixture.cluster().hbase();
        let settings = science_db_settings(StoreKind::HBase, addresses, self.table.fixture.folder.path());
        let mut admin = HBaseTableAdmin::new(&settings, &format!("default:{}", self.name));
        let _disabled = admin.disable();
        let _deleted = admin.delete();
    }
}

/// Runs `fink_tables.py`; what it prints.
fn tables(arguments: &[&str]) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/fink_tables.py");
    let output = Command::new(python()).arg(script).args(arguments).output().expect("the Python interpreter");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Rules that select some columns, and keep alerts of one band.
const RULES: &str = r#"<distribution-rules><select><column name="diaSourceId"/><column name="diaObjectId"/><column name="midpointMjdTai"/>
    <column name="psfFlux"/><column name="band"/><column name="isNegative"/><column name="clf_cats_class"/></select>
    <filter><column name="band" operator="=" value="'r'"/><column name="isNegative" operator="=" value="'false'"/></filter>
    </distribution-rules>"#;
const SELECTED: [&str; 7] =
    ["diaSourceId", "diaObjectId", "midpointMjdTai", "psfFlux", "band", "isNegative", "clf_cats_class"];

/// Detections by object: salted keys, and no family for annotations, as Fink creates its tables beforehand.
#[test]
fn detections_by_object_are_read_from_the_past_and_as_they_come() {
    let mut today = FinkTable::new("static", "lsst", "r,f", "250,500,750");
    today.table.fixture.add("[distribution]", SHORT_INTERVALS);
    let topic = today.table.fixture.name.clone();
    let selected = format!("{topic}_r");
    std::fs::write(today.table.fixture.path("rules.xml"), RULES).expect("the fixture's folder");
    today.table.fixture.config += &format!("[[stream]]\nname = \"r\"\ntopic = \"{selected}\"\nrules = \"rules.xml\"\n");
    let (half, all) = (today.rows.len() / 2, today.rows.len());
    today.write(0..half);
    let doctor = today.table.fixture.run(&["doctor"]).stdout;
    for words in ["trigger: column diaSourceId", "object identifier: column diaObjectId", "regions: 4"] {
        assert!(doctor.contains(words), "{doctor}");
    }
    let service = today.table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    today.table.wait_for_messages(&topic, half, &service);
    // The writer starts again, with new rows.
    today.write(half..all);
    today.table.wait_for_messages(&topic, all, &service);
    let log = service.terminate();
    assert_eq!(log.matches("has no column family `a`").count(), 1, "{log}");
    assert!(log.contains("row `schema_4.1_8.30` is no alert") && log.contains(" 0 rejected"), "{log}");
    let report = today.compare("lsst", &topic, &[]);
    assert_eq!((&report["alerts"], &report["notes"]), (&all.into(), &0.into()));
    let kept = today.compare("lsst", &selected, &SELECTED);
    let is_kept = |alerts: &Json| alerts.as_u64().is_some_and(|kept| kept > 0 && kept < all as u64);
    assert!(is_kept(&kept["alerts"]), "{kept}");
    // Both Thrift gateways give the same alerts.
    for kind in ["thrift2", "thrift1"] {
        let (mut fixture, gateway) = (Fixture::with_servers("today_gateway"), today.table.fixture.cluster());
        std::fs::copy(today.table.fixture.path("catalog.json"), fixture.path("catalog.json")).expect("a catalog");
        fixture.use_gateways();
        let addresses = gateway.value("FINK_TEST_THRIFT2").to_owned();
        if kind == "thrift1" {
            fixture.replace("kind = \"thrift2\"", "kind = \"thrift1\"");
            fixture.replace(&addresses, gateway.value("FINK_TEST_THRIFT1"));
        }
        fixture.ok(&["start", "distribution", "--until", "now"]);
        assert_eq!(today.compare("lsst", &fixture.name, &[])["ids"], report["ids"], "{kind}");
    }
}

/// What a filter keeps, by time, with annotations; HBase pushes the rows.
#[test]
fn tables_of_filters_are_pushed() {
    let mut today = FinkTable::new("tag", "lsst", "r,f,a", "60980");
    let topic = today.table.fixture.name.clone();
    let zookeeper = today.table.fixture.cluster().value("FINK_TEST_ZOOKEEPER").to_owned();
    let keys = format!(
        "push = true\npush_zookeeper = \"{zookeeper}\"\npush_root = \"/{topic}\"\npush_peer = \"{topic}\"\npush_listen = \"127.0.0.1:0\""
    );
    today.table.fixture.add("[science_db]", &keys);
    // Scans alone would find rows after this time.
    today
        .table
        .fixture
        .add("[distribution]", "poll = \"50s\"\noverlap = \"55s\"\nrepair = \"120s\"\nrepair_every = \"50s\"");
    today.write(0..1);
    today.table.fixture.ok(&["hbase", "add-peer", "--yes"]);
    let service = today.table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    today.table.wait_for_messages(&topic, 1, &service);
    let all = today.rows.len();
    today.write(1..all);
    today.table.wait_for_messages(&topic, all, &service);
    today.table.fixture.ok(&["hbase", "remove-peer", "--yes"]);
    let log = service.terminate();
    let report = today.compare("lsst", &topic, &[]);
    assert_eq!((&report["alerts"], &report["notes"]), (&all.into(), &all.div_ceil(2).into()), "{log}");
}

/// ZTF's table: words of booleans and arrays of numbers as text, which a stream's own schema has as booleans and arrays.
#[test]
fn words_of_booleans_and_arrays_come_out_as_such() {
    let mut today = FinkTable::new("ztf", "ztf", "i,d,a", "ZTF20m");
    today.write(0..today.rows.len());
    let own = r#"{"type": "record", "name": "alert", "fields": [{"name": "candid", "type": "long"}, {"name": "objectId", "type": "string"},
        {"name": "jd", "type": "double"}, {"name": "magpsf", "type": ["null", "float"]}, {"name": "from_upper", "type": ["null", "boolean"]},
        {"name": "is_transient", "type": "boolean"}, {"name": "lc_features_g", "type": {"type": "array", "items": ["null", "double"]}}]}"#;
    std::fs::write(today.table.fixture.path("own.avsc"), own).expect("the fixture's folder");
    let topic = today.table.fixture.name.clone();
    today.table.fixture.config +=
        &format!("[[stream]]\nname = \"own\"\ntopic = \"{topic}_own\"\nschema = \"own.avsc\"\nkey = \"schema\"\n");
    today.table.fixture.ok(&["start", "distribution", "--until", "now"]);
    let all = today.rows.len();
    let report = today.compare("ztf", &topic, &[]);
    assert_eq!((&report["alerts"], &report["notes"]), (&all.into(), &all.div_ceil(2).into()));
    let columns = ["candid", "objectId", "jd", "magpsf", "from_upper", "is_transient", "lc_features_g"];
    assert_eq!(today.compare("ztf", &format!("{topic}_own"), &columns)["ids"], report["ids"]);
}

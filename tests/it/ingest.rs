//! `fink ingest`, driven as a user would: into an embedded table, and through Thrift 2 into HBase.

mod archives;
mod evolution;
mod schemas;
mod signals;
mod topics;
mod versions;

use std::path::Path;

use crate::fixture::proxy::Proxy;
use crate::fixture::stored_table::Table;
use crate::fixture::{Finished, Fixture, wait_until};
use apache_avro::types::Value;
use apache_avro::{Codec, DeflateSettings, Schema, Writer, ZstandardSettings};
use fink::avro::container::Container;
use serde_json::Value as Json;

/// Alerts of a shape that no telescope has.
const OTHER: &str = r#"{"type": "record", "name": "other.alert", "fields": [
    {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]},
    {"name": "points", "type": {"type": "array", "items": "double"}},
    {"name": "extra", "type": ["null", {"type": "record", "name": "extra", "fields": [{"name": "flag", "type": ["boolean", "null"]}]}]}]}"#;

/// The same with one field more.
fn grown() -> String {
    OTHER.replace(r#"{"name": "points""#, r#"{"name": "later", "type": ["null", "float"]}, {"name": "points""#)
}

fn other(id: i64, later: bool) -> Value {
    let mut fields = vec![
        ("id".to_owned(), Value::Long(id)),
        ("name".to_owned(), Value::Union(1, Box::new(Value::String(format!("é {id}"))))),
    ];
    if later {
        fields.push(("later".to_owned(), Value::Union(1, Box::new(Value::Float(f32::NAN)))));
    }
    fields.push(("points".to_owned(), Value::Array(vec![Value::Double(-0.0); (id % 3) as usize])));
    fields.push(("extra".to_owned(), Value::Union(0, Box::new(Value::Null))));
    Value::Record(fields)
}

fn write(path: &Path, schema: &str, codec: Codec, alerts: impl IntoIterator<Item = Value>) {
    let schema = Schema::parse_str(schema).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for alert in alerts {
        writer.append_value(alert).unwrap();
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, writer.into_inner().unwrap()).unwrap();
}

/// The alerts in the files of a folder, sorted.
fn alerts_in(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let mut alerts: Vec<Vec<u8>> =
        files.flat_map(|file| Container::read(&file).unwrap().data().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    alerts.sort();
    alerts
}

fn simulate(fixture: &Fixture, survey: &str, alerts: u32, folder: &str) {
    let (alerts, folder) = (alerts.to_string(), fixture.path(folder));
    fixture.ok(&[
        "simulate",
        "--survey",
        survey,
        "--alerts",
        &alerts,
        "--seed",
        "7",
        "--out",
        folder.to_str().unwrap(),
    ]);
}

fn run_ingest(fixture: &Fixture, arguments: &[&str]) -> Finished {
    fixture.run(&[&["ingest", "--format", "ndjson"], arguments].concat())
}

fn ingest(fixture: &Fixture, arguments: &[&str]) -> Json {
    let finished = run_ingest(fixture, arguments);
    assert_eq!(finished.code, 0, "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn alerts_of_both_telescopes_come_back_byte_for_byte() {
    for survey in ["ztf", "lsst"] {
        let fixture = Fixture::embedded("ingest");
        simulate(&fixture, survey, 40, "alerts");
        let report = ingest(&fixture, &["alerts"]);
        assert_eq!((&report["alerts"], &report["files"], &report["broken_files"]), (&40.into(), &40.into(), &0.into()));
        assert_eq!(report["table"], "default:alerts");
        let mut table = Table::of(&fixture);
        assert!(table.alerts() == alerts_in(&fixture.path("alerts")), "{survey} alerts differ");
        assert_eq!(table.splits().len(), 3);
        let row_key: &[&str] =
            if survey == "ztf" { &["objectId", "candid"] } else { &["diaSource_diaObjectId", "diaSourceId"] };
        assert_eq!(table.catalog.row_key, row_key);
        let trigger = table.catalog.trigger_column(None).unwrap().family_and_qualifier().unwrap().0.to_owned();
        let in_its_family = table.catalog.columns.iter().filter_map(|column| column.family_and_qualifier());
        assert_eq!(in_its_family.filter(|(family, _)| *family == trigger).count(), 1, "{survey}: a family of its own");
    }
}

#[test]
fn the_layout_of_2019_has_lists_as_text_and_a_status() {
    let fixture = Fixture::embedded("ingest");
    simulate(&fixture, "ztf", 30, "alerts");
    ingest(&fixture, &["alerts", "--history", "text", "--row-key", "objectId,candid", "--regions", "1"]);
    let mut table = Table::of(&fixture);
    let rows = table.rows();
    assert_eq!(rows.len(), 30);
    assert!(table.splits().is_empty());
    assert_eq!(table.catalog.families(), ["i"]);
    for (key, row) in &rows {
        assert_eq!(row.cells["status"], b"dbUpdate");
        let (object, candid) = key.split_once('_').unwrap();
        assert_eq!(row.cells["objectId"], object.as_bytes());
        assert_eq!(row.cells["candid"], candid.parse::<i64>().unwrap().to_be_bytes());
        assert!(row.cells["cutoutScience_stampData"].starts_with(&[0x1f, 0x8b]));
        if let Some(text) = row.cells.get("prv_candidates_jd") {
            assert!(text.starts_with(b"[24") && text.ends_with(b"]"), "{}", String::from_utf8_lossy(text));
        }
    }
    // The next night goes the same way without being told, and the two are not to be mixed.
    ingest(&fixture, &["alerts"]);
    fixture
        .run(&["ingest", "alerts", "--history", "avro"])
        .assert_stderr(1, &["its histories cannot be stored as Avro"]);
    fixture
        .run(&["ingest", "alerts", "--row-key", "candid"])
        .assert_stderr(1, &["its row key is objectId,candid, not candid"]);
}

#[test]
fn solar_system_objects_have_their_own_number_in_the_key() {
    for history in ["avro", "text"] {
        let fixture = Fixture::embedded("ingest");
        simulate(&fixture, "lsst", 60, "alerts");
        ingest(&fixture, &["alerts", "--history", history]);
        let rows = Table::of(&fixture).rows();
        assert_eq!(rows.len(), 60);
        let mut moving = 0;
        for (key, row) in &rows {
            let number = |column: &str| {
                let cell = row.cells.get(column).map(|cell| i64::from_be_bytes(cell.as_slice().try_into().unwrap()));
                cell.filter(|number| *number != 0)
            };
            let object = number("diaSource_diaObjectId");
            moving += i32::from(object.is_none());
            let object = object.or(number("diaSource_ssObjectId")).map(|number| number.to_string());
            // A few alerts have neither.
            let nothing = if history == "text" { "0" } else { "" };
            let object = object.unwrap_or_else(|| nothing.to_owned());
            assert_eq!(*key, format!("{object}_{}", number("diaSourceId").unwrap()));
        }
        assert!(moving > 3);
    }
}

#[test]
fn any_schema_any_codec_and_any_depth_of_folders() {
    let fixture = Fixture::embedded("ingest");
    let codecs = [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Snappy,
        Codec::Zstandard(ZstandardSettings::default()),
    ];
    for (number, codec) in codecs.into_iter().enumerate() {
        let path = fixture.path(&format!("night/{number}/deeper/alerts.AVRO"));
        write(&path, OTHER, codec, (0..25).map(|id| other(number as i64 * 25 + id, false)));
    }
    std::fs::write(fixture.path("night/notes.txt"), "not an alert").unwrap();
    fixture.run(&["ingest", "night"]).assert_stderr(1, &["row key", "--row-key"]);
    assert!(!fixture.path("catalog.json").exists());
    let report = ingest(&fixture, &["night", "--row-key", "id", "--timestamp", "2019-11-01T00:00:00Z"]);
    assert_eq!((&report["alerts"], &report["files"]), (&100.into(), &4.into()));
    let mut table = Table::of(&fixture);
    assert_eq!(table.alerts().len(), 100);
    assert_eq!(table.catalog.row_key, ["id"]);
    assert_eq!(table.splits().len(), 3);
}

#[test]
fn the_timestamp_is_the_one_asked_for() {
    let fixture = Fixture::embedded("ingest");
    simulate(&fixture, "ztf", 3, "alerts");
    ingest(&fixture, &["alerts", "--timestamp", "1572566400000"]);
    assert!(
        Table::of(&fixture)
            .rows()
            .values()
            .all(|row| (row.oldest, row.timestamp) == (1_572_566_400_000, 1_572_566_400_000))
    );
}

#[test]
fn a_broken_file_is_named_and_the_others_are_loaded() {
    let fixture = Fixture::embedded("ingest");
    simulate(&fixture, "ztf", 12, "alerts");
    let whole =
        std::fs::read(std::fs::read_dir(fixture.path("alerts")).unwrap().next().unwrap().unwrap().path()).unwrap();
    std::fs::write(fixture.path("alerts/0-cut.avro"), &whole[..whole.len() - 3000]).unwrap();
    std::fs::write(fixture.path("alerts/9-empty.avro"), "").unwrap();
    let finished = fixture.run(&["ingest", "alerts", "--format", "ndjson"]);
    finished
        .assert_stderr(1, &["0-cut.avro: the Avro file is damaged", "9-empty.avro: not an Avro file", "2 of 14 files"]);
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["alerts"], &report["broken_files"]), (&12.into(), &2.into()));
    assert_eq!(Table::of(&fixture).rows().len(), 12);
}

#[test]
fn an_alert_whose_row_would_be_skipped_is_refused() {
    let fixture = Fixture::embedded("ingest");
    write(&fixture.path("alerts/some.avro"), OTHER, Codec::Null, (0..3).map(|id| other(id, false)));
    let arguments = ["--set", "science_db.skip_rows=é 1,schema_", "ingest", "--format", "ndjson", "--row-key", "name"];
    let finished = fixture.run(&[&arguments[..], &["alerts"]].concat());
    finished.assert_stderr(
        1,
        &["some.avro: alert 2: its row key", "begins with `é 1`", "science_db.skip_rows", "1 of 1 files"],
    );
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["alerts"], 2);
    let keys: Vec<String> = Table::of(&fixture).rows().into_keys().collect();
    assert_eq!(keys, ["é 0", "é 2"]);
}

#[test]
fn without_a_file_to_load_nothing_is_made() {
    let fixture = Fixture::embedded("ingest");
    std::fs::create_dir(fixture.path("empty")).unwrap();
    fixture.run(&["ingest", "empty"]).assert_stderr(1, &["there is no Avro file (*.avro) in empty"]);
    fixture.run(&["ingest", "missing"]).assert_stderr(1, &["cannot read missing"]);
    std::fs::write(fixture.path("empty/a.avro"), "Obj").unwrap();
    fixture.run(&["ingest", "empty"]).assert_stderr(1, &["a.avro"]);
    assert!(!fixture.path("catalog.json").exists() && !fixture.path("science.db").exists());
}

#[test]
fn the_catalog_grows_with_the_alerts_and_is_left_alone_otherwise() {
    let fixture = Fixture::embedded("ingest");
    let catalog = || std::fs::read_to_string(fixture.path("catalog.json")).unwrap();
    let schema = || std::fs::read_to_string(fixture.path("catalog.avsc")).unwrap();
    write(&fixture.path("one/1.avro"), OTHER, Codec::Null, (0..5).map(|id| other(id, false)));
    ingest(&fixture, &["one", "--row-key", "id"]);
    let (first, first_schema) = (catalog(), schema());
    let touched = std::fs::metadata(fixture.path("catalog.json")).unwrap().modified().unwrap();
    ingest(&fixture, &["one"]);
    assert_eq!(std::fs::metadata(fixture.path("catalog.json")).unwrap().modified().unwrap(), touched);
    assert_eq!(catalog(), first);

    // One night in which a field comes, and goes again.
    write(&fixture.path("two/1.avro"), OTHER, Codec::Null, (5..10).map(|id| other(id, false)));
    write(&fixture.path("two/2.avro"), &grown(), Codec::Null, (10..15).map(|id| other(id, true)));
    write(&fixture.path("two/3.avro"), OTHER, Codec::Null, (15..20).map(|id| other(id, false)));
    ingest(&fixture, &["two"]);
    assert!(catalog().contains("\"later\"") && !first.contains("\"later\""));
    assert!(schema().contains("\"later\"") && !first_schema.contains("\"later\""));
    let mut table = Table::of(&fixture);
    assert_eq!(table.alerts().len(), 20);
    let family = |column| table.catalog.column(column).unwrap().family_and_qualifier().unwrap().0;
    assert_eq!([family("name"), family("later"), family("points")], ["t", "i", "i"]);
}

#[test]
fn alerts_that_contradict_the_table_are_refused_with_both_types() {
    let fixture = Fixture::embedded("ingest");
    write(&fixture.path("1.avro"), OTHER, Codec::Null, (0..5).map(|id| other(id, false)));
    let changed =
        OTHER.replace(r#""name": "name", "type": ["null", "string"]"#, r#""name": "name", "type": ["null", "int"]"#);
    let alert = |id| match other(id, false) {
        Value::Record(mut fields) => {
            fields[1].1 = Value::Union(1, Box::new(Value::Int(3)));
            Value::Record(fields)
        }
        _ => unreachable!(),
    };
    write(&fixture.path("2.avro"), &changed, Codec::Null, (5..9).map(alert));
    let finished = fixture.run(&["ingest", "1.avro", "2.avro", "--row-key", "id"]);
    finished.assert_stderr(1, &["2.avro: ", "column `name` is string in the catalog but int in the alerts"]);
    assert_eq!(Table::of(&fixture).rows().len(), 5);
}

#[test]
fn a_rate_is_kept_evenly() {
    let fixture = Fixture::embedded("ingest");
    simulate(&fixture, "ztf", 60, "alerts");
    ingest(&fixture, &["alerts", "--rate", "30"]);
    let mut times: Vec<i64> = Table::of(&fixture).rows().values().map(|row| row.timestamp).collect();
    times.sort_unstable();
    let length = times[59] - times[0];
    // 59 steps are 1967 ms; where the first row was late, the others may catch up by 200 ms.
    assert!((1750..6000).contains(&length), "60 alerts at 30 a second took {length} ms");
    let most = times.iter().map(|from| times.iter().filter(|at| (*from..from + 500).contains(at)).count()).max();
    assert!(most.unwrap() <= 30, "{most:?} alerts within half a second");
    fixture.run(&["ingest", "alerts", "--rate", "0"]).assert_stderr(2, &["--rate"]);
}

#[test]
fn through_thrift_into_hbase() {
    let fixture = {
        let mut fixture = Fixture::with_servers("ingest");
        fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
        fixture
    };
    simulate(&fixture, "ztf", 300, "alerts");
    let report = ingest(&fixture, &["alerts", "--regions", "4"]);
    assert_eq!((&report["alerts"], &report["table"]), (&300.into(), &format!("default:{}", fixture.name).into()));
    let mut table = Table::of(&fixture);
    assert_eq!(table.splits().len(), 3);
    assert!(table.alerts() == alerts_in(&fixture.path("alerts")), "alerts differ");
    let mut counts = vec![0; 4];
    let splits = table.splits();
    for key in table.rows().keys() {
        counts[splits.iter().filter(|split| split.as_slice() <= key.as_bytes()).count()] += 1;
    }
    assert!(counts.iter().all(|count| (50..=100).contains(count)), "{counts:?}");
}

#[test]
fn files_are_loaded_to_the_end_when_the_science_database_is_back() {
    let mut fixture = Fixture::with_servers("ingest_away");
    fixture.use_gateways();
    let gateways = fixture.cluster().value("FINK_TEST_THRIFT2").to_owned();
    let proxy = Proxy::new(&fixture.cluster().thrift2()[0]);
    fixture.replace(&gateways, &proxy.address());
    fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
    simulate(&fixture, "ztf", 300, "alerts");
    let arguments = ["ingest", "--skip-existing", "--rate", "60", "alerts"];
    let running = fixture.start(&arguments, "log");
    wait_until(|| running.log(), || fixture.path("catalog.json").exists().then_some(()));
    let mut table = Table::of(&fixture);
    wait_until(|| running.log(), || (table.rows().len() >= 50).then_some(()));
    proxy.refuse(true);
    proxy.disconnect_all();
    running.wait_for("trying again until it answers");
    assert!(table.rows().len() < 300);
    proxy.refuse(false);
    let (code, log) = running.wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the science database answers again"), "{log}");
    assert_eq!(table.rows().len(), 300);
}

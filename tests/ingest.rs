//! `fink ingest`, driven as a user would: into an embedded table, and through Thrift 2 into HBase.

mod common;

use std::path::Path;

use apache_avro::types::Value;
use apache_avro::{Codec, DeflateSettings, Schema, Writer, ZstandardSettings};
use common::Scene;
use common::table::Table;
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

fn simulate(scene: &Scene, survey: &str, alerts: u32, folder: &str) {
    let (alerts, folder) = (alerts.to_string(), scene.path(folder));
    scene.ok(&["simulate", "--survey", survey, "--alerts", &alerts, "--seed", "7", "--out", folder.to_str().unwrap()]);
}

fn ingest(scene: &Scene, arguments: &[&str]) -> Json {
    let ended = scene.ok(&[&["ingest", "--format", "ndjson"], arguments].concat());
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn alerts_of_both_telescopes_come_back_byte_for_byte() {
    for survey in ["ztf", "lsst"] {
        let scene = Scene::embedded("ingest");
        simulate(&scene, survey, 40, "alerts");
        let report = ingest(&scene, &["alerts"]);
        assert_eq!((&report["alerts"], &report["files"], &report["broken_files"]), (&40.into(), &40.into(), &0.into()));
        assert_eq!(report["table"], "default:alerts");
        let mut table = Table::of(&scene);
        assert!(table.alerts() == alerts_in(&scene.path("alerts")), "{survey} alerts differ");
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
    let scene = Scene::embedded("ingest");
    simulate(&scene, "ztf", 30, "alerts");
    ingest(&scene, &["alerts", "--history", "text", "--row-key", "objectId,candid", "--regions", "1"]);
    let mut table = Table::of(&scene);
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
    ingest(&scene, &["alerts"]);
    scene.run(&["ingest", "alerts", "--history", "avro"]).says(1, &["--history avro does not fit"]);
    scene.run(&["ingest", "alerts", "--row-key", "candid"]).says(1, &["its row key is objectId,candid, not candid"]);
}

#[test]
fn solar_system_objects_have_their_own_number_in_the_key() {
    for history in ["avro", "text"] {
        let scene = Scene::embedded("ingest");
        simulate(&scene, "lsst", 60, "alerts");
        ingest(&scene, &["alerts", "--history", history]);
        let rows = Table::of(&scene).rows();
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
    let scene = Scene::embedded("ingest");
    let codecs = [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Snappy,
        Codec::Zstandard(ZstandardSettings::default()),
    ];
    for (number, codec) in codecs.into_iter().enumerate() {
        let path = scene.path(&format!("night/{number}/deeper/alerts.AVRO"));
        write(&path, OTHER, codec, (0..25).map(|id| other(number as i64 * 25 + id, false)));
    }
    std::fs::write(scene.path("night/notes.txt"), "not an alert").unwrap();
    scene.run(&["ingest", "night"]).says(1, &["row key", "--row-key"]);
    assert!(!scene.path("catalog.json").exists());
    let report = ingest(&scene, &["night", "--row-key", "id", "--timestamp", "2019-11-01T00:00:00Z"]);
    assert_eq!((&report["alerts"], &report["files"]), (&100.into(), &4.into()));
    let mut table = Table::of(&scene);
    assert_eq!(table.alerts().len(), 100);
    assert_eq!(table.catalog.row_key, ["id"]);
    assert_eq!(table.splits().len(), 3);
}

#[test]
fn the_timestamp_is_the_one_asked_for() {
    let scene = Scene::embedded("ingest");
    simulate(&scene, "ztf", 3, "alerts");
    ingest(&scene, &["alerts", "--timestamp", "1572566400000"]);
    assert!(
        Table::of(&scene)
            .rows()
            .values()
            .all(|row| (row.oldest, row.timestamp) == (1_572_566_400_000, 1_572_566_400_000))
    );
}

#[test]
fn a_broken_file_is_named_and_the_others_are_loaded() {
    let scene = Scene::embedded("ingest");
    simulate(&scene, "ztf", 12, "alerts");
    let whole =
        std::fs::read(std::fs::read_dir(scene.path("alerts")).unwrap().next().unwrap().unwrap().path()).unwrap();
    std::fs::write(scene.path("alerts/0-cut.avro"), &whole[..whole.len() - 3000]).unwrap();
    std::fs::write(scene.path("alerts/9-empty.avro"), "").unwrap();
    let ended = scene.run(&["ingest", "alerts", "--format", "ndjson"]);
    ended.says(1, &["0-cut.avro: the Avro file is damaged", "9-empty.avro: this is no Avro file", "2 of 14 files"]);
    let report: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["alerts"], &report["broken_files"]), (&12.into(), &2.into()));
    assert_eq!(Table::of(&scene).rows().len(), 12);
}

#[test]
fn an_alert_whose_row_would_be_skipped_is_refused() {
    let scene = Scene::embedded("ingest");
    write(&scene.path("alerts/some.avro"), OTHER, Codec::Null, (0..3).map(|id| other(id, false)));
    let arguments = ["--set", "science_db.skip_rows=é 1,schema_", "ingest", "--format", "ndjson", "--row-key", "name"];
    let ended = scene.run(&[&arguments[..], &["alerts"]].concat());
    ended.says(1, &["some.avro: alert 2: its row key", "begins with `é 1`", "science_db.skip_rows", "1 of 1 files"]);
    let report: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["alerts"], 2);
    let keys: Vec<String> = Table::of(&scene).rows().into_keys().collect();
    assert_eq!(keys, ["é 0", "é 2"]);
}

#[test]
fn without_a_file_to_load_nothing_is_made() {
    let scene = Scene::embedded("ingest");
    std::fs::create_dir(scene.path("empty")).unwrap();
    scene.run(&["ingest", "empty"]).says(1, &["there is no Avro file (*.avro) in empty"]);
    scene.run(&["ingest", "missing"]).says(1, &["cannot read missing"]);
    std::fs::write(scene.path("empty/a.avro"), "Obj").unwrap();
    scene.run(&["ingest", "empty"]).says(1, &["a.avro"]);
    assert!(!scene.path("catalog.json").exists() && !scene.path("science.db").exists());
}

#[test]
fn the_catalog_grows_with_the_alerts_and_is_left_alone_otherwise() {
    let scene = Scene::embedded("ingest");
    let catalog = || std::fs::read_to_string(scene.path("catalog.json")).unwrap();
    let schema = || std::fs::read_to_string(scene.path("catalog.avsc")).unwrap();
    write(&scene.path("one/1.avro"), OTHER, Codec::Null, (0..5).map(|id| other(id, false)));
    ingest(&scene, &["one", "--row-key", "id"]);
    let (first, first_schema) = (catalog(), schema());
    let touched = std::fs::metadata(scene.path("catalog.json")).unwrap().modified().unwrap();
    ingest(&scene, &["one"]);
    assert_eq!(std::fs::metadata(scene.path("catalog.json")).unwrap().modified().unwrap(), touched);
    assert_eq!(catalog(), first);

    // One night in which a field comes, and goes again.
    write(&scene.path("two/1.avro"), OTHER, Codec::Null, (5..10).map(|id| other(id, false)));
    write(&scene.path("two/2.avro"), &grown(), Codec::Null, (10..15).map(|id| other(id, true)));
    write(&scene.path("two/3.avro"), OTHER, Codec::Null, (15..20).map(|id| other(id, false)));
    ingest(&scene, &["two"]);
    assert!(catalog().contains("\"later\"") && !first.contains("\"later\""));
    assert!(schema().contains("\"later\"") && !first_schema.contains("\"later\""));
    let mut table = Table::of(&scene);
    assert_eq!(table.alerts().len(), 20);
    let family = |column| table.catalog.column(column).unwrap().family_and_qualifier().unwrap().0;
    assert_eq!([family("name"), family("later"), family("points")], ["t", "i", "i"]);
}

#[test]
fn alerts_that_contradict_the_table_are_refused_with_both_types() {
    let scene = Scene::embedded("ingest");
    write(&scene.path("1.avro"), OTHER, Codec::Null, (0..5).map(|id| other(id, false)));
    let changed =
        OTHER.replace(r#""name": "name", "type": ["null", "string"]"#, r#""name": "name", "type": ["null", "int"]"#);
    let alert = |id| match other(id, false) {
        Value::Record(mut fields) => {
            fields[1].1 = Value::Union(1, Box::new(Value::Int(3)));
            Value::Record(fields)
        }
        _ => unreachable!(),
    };
    write(&scene.path("2.avro"), &changed, Codec::Null, (5..9).map(alert));
    let ended = scene.run(&["ingest", "1.avro", "2.avro", "--row-key", "id"]);
    ended.says(1, &["2.avro: ", "column `name` is string in the catalog but int in the alerts"]);
    assert_eq!(Table::of(&scene).rows().len(), 5);
}

#[test]
fn a_rate_is_kept_evenly() {
    let scene = Scene::embedded("ingest");
    simulate(&scene, "ztf", 60, "alerts");
    ingest(&scene, &["alerts", "--rate", "30"]);
    let mut times: Vec<i64> = Table::of(&scene).rows().values().map(|row| row.timestamp).collect();
    times.sort_unstable();
    let length = times[59] - times[0];
    // 59 steps are 1967 ms; where the first row was late, the others may catch up by 200 ms.
    assert!((1750..6000).contains(&length), "60 alerts at 30 a second took {length} ms");
    let most = times.iter().map(|from| times.iter().filter(|at| (*from..from + 500).contains(at)).count()).max();
    assert!(most.unwrap() <= 30, "{most:?} alerts within half a second");
    scene.run(&["ingest", "alerts", "--rate", "0"]).says(2, &["--rate"]);
}

#[test]
fn through_thrift_into_hbase() {
    let scene = {
        let mut scene = Scene::real("ingest");
        scene.add("[science_db]", &format!("table = \"{}\"", scene.name));
        scene
    };
    simulate(&scene, "ztf", 300, "alerts");
    let report = ingest(&scene, &["alerts", "--regions", "4"]);
    assert_eq!((&report["alerts"], &report["table"]), (&300.into(), &format!("default:{}", scene.name).into()));
    let mut table = Table::of(&scene);
    assert_eq!(table.splits().len(), 3);
    assert!(table.alerts() == alerts_in(&scene.path("alerts")), "alerts differ");
    let mut counts = vec![0; 4];
    let splits = table.splits();
    for key in table.rows().keys() {
        counts[splits.iter().filter(|split| split.as_slice() <= key.as_bytes()).count()] += 1;
    }
    assert!(counts.iter().all(|count| (50..=100).contains(count)), "{counts:?}");
}

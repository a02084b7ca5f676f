//! One table through the versions of a survey's schema.

use std::path::{Path, PathBuf};

use fink::alert::{BytesFormat, Decoder, SchemaCache};
use fink::avro::Schema;
use fink::avro::container::Container;
use fink::science_db::{self, Put, PutCell};
use serde_json::{Value as Json, json};

use super::schemas::{long, text, write_container};
use super::{ingest, run_ingest};
use crate::fixture::stored_table::Table;
use crate::fixture::{Fixture, alert_table, real_alerts_of};

/// An alert with a history of one point, and its schema. `point`: the fields of a point; `more`: further fields of the alert.
fn schema(point: &str, more: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "s.alert", "fields": [{{"name": "id", "type": "string"}}, {{"name": "n", "type": "int"}},
        {{"name": "history", "type": ["null", {{"type": "array", "items": {{"type": "record", "name": "s.point", "fields": [{point}]}}}}]}}{more}]}}"#
    )
}

const X_INT: &str = r#"{"name": "x", "type": "int"}"#;
const X_LONG: &str = r#"{"name": "x", "type": "long"}"#;
const Y: &str = r#"{"name": "y", "type": ["null", "string"], "default": null}"#;

/// A datum: identifier, number, one point, more.
fn alert(id: &str, n: i64, point: &[u8], more: &[u8]) -> Vec<u8> {
    [&text(id)[..], &long(n), &[2, 2], point, &[0], more].concat()
}

fn write(fixture: &Fixture, name: &str, schema: &str, data: &[Vec<u8>]) {
    write_container(&fixture.path(name), schema, data);
}

fn values(table: &mut Table, schema: &Schema) -> Vec<Json> {
    let decoder = Decoder::new(schema.clone());
    let alerts = table.alerts_as(schema);
    alerts.iter().map(|datum| decoder.value(datum, BytesFormat::Base64).unwrap()).collect()
}

#[test]
fn added_removed_widened_and_reordered_fields_come_into_one_table() {
    let fixture = Fixture::embedded("evolution");
    let catalog = || std::fs::read_to_string(fixture.path("catalog.json")).unwrap();
    let first = schema(X_INT, "");
    write(&fixture, "1.avro", &first, &[alert("a", 1, &long(10), &[])]);
    ingest(&fixture, &["1.avro", "--row-key", "id"]);
    // A field is added, and a new scalar beside it.
    let second = schema(&format!("{X_INT}, {Y}"), r#", {"name": "mag", "type": ["null", "float"], "default": null}"#);
    let with_y = [&long(20)[..], &[2], &text("y2")].concat();
    write(&fixture, "2.avro", &second, &[alert("b", 2, &with_y, &[&[2][..], &1.5f32.to_le_bytes()].concat())]);
    ingest(&fixture, &["2.avro"]);
    // The order changes, x is widened, mag is gone, and n becomes a long.
    let third =
        schema(&format!("{Y}, {X_LONG}"), "").replace(r#""n", "type": "int""#, r#""n", "type": ["long", "null"]"#);
    let reordered = [&[2][..], &text("y3"), &long(1 << 40)].concat();
    let datum = [&text("c")[..], &[0], &long(1 << 50), &[2, 2], &reordered, &[0]].concat();
    write(&fixture, "3.avro", &third, &[datum]);
    ingest(&fixture, &["3.avro"]);
    let after = catalog();
    // Each of them again, in any order, changes nothing.
    for name in ["2.avro", "1.avro", "3.avro"] {
        ingest(&fixture, &[name]);
        assert_eq!(catalog(), after, "{name}");
    }
    let json: Json = serde_json::from_str(&after).unwrap();
    assert_eq!(json["columns"]["history"]["written"], json!(["history.1", "history.2", "history.3"]));
    assert_eq!(json["columns"]["n"]["narrower"], json!(["int"]));

    let mut table = Table::of(&fixture);
    let newest = table.schema();
    let point = |x: i64, y: Option<&str>| json!([{"x": x, "y": y}]);
    let expected = [
        json!({"id": "a", "n": 1, "history": point(10, None), "mag": null}),
        json!({"id": "b", "n": 2, "history": point(20, Some("y2")), "mag": 1.5}),
        json!({"id": "c", "n": 1i64 << 50, "history": point(1 << 40, Some("y3")), "mag": null}),
    ];
    assert_eq!(values(&mut table, &newest), expected);
    // Readers may keep the second schema, but for its narrower types.
    let kept = Schema::parse(&second.replace(r#""int""#, r#""long""#)).unwrap();
    assert_eq!(values(&mut table, &kept), expected);
    // Of the first schema nobody can have an x or n of 64 bits.
    let error = fink::alert::Plan::new(Schema::parse(&first).unwrap().into(), &table.catalog).unwrap_err().to_string();
    assert!(error.contains("`n`") && error.contains("long"), "{error}");
}

#[test]
fn a_union_may_gain_and_lose_null() {
    let fixture = Fixture::embedded("evolution");
    let nullable = schema(r#"{"name": "x", "type": ["null", "int"]}"#, "");
    write(&fixture, "1.avro", &nullable, &[alert("a", 1, &[0], &[]), alert("b", 1, &[2, 6], &[])]);
    write(&fixture, "2.avro", &schema(X_INT, ""), &[alert("c", 1, &[8], &[])]);
    for files in [["1.avro", "2.avro"], ["2.avro", "1.avro"]] {
        let fixture_of = Fixture::embedded("evolution");
        for file in files {
            ingest(&fixture_of, &[&fixture.path(file).display().to_string(), "--row-key", "id"]);
        }
        let mut table = Table::of(&fixture_of);
        let newest = table.schema();
        let xs: Vec<Json> = values(&mut table, &newest).iter().map(|alert| alert["history"][0]["x"].clone()).collect();
        assert_eq!(xs, [json!(null), json!(3), json!(4)]);
    }
}

#[test]
fn types_that_have_no_common_one_are_refused_by_name() {
    let fixture = Fixture::embedded("evolution");
    write(&fixture, "1.avro", &schema(X_INT, ""), &[alert("a", 1, &long(10), &[])]);
    ingest(&fixture, &["1.avro", "--row-key", "id"]);
    let before = std::fs::read_to_string(fixture.path("catalog.json")).unwrap();
    let nested = schema(r#"{"name": "x", "type": "string"}"#, "");
    write(&fixture, "2.avro", &nested, &[alert("b", 1, &text("x"), &[])]);
    let scalar = schema(X_INT, "").replace(r#""n", "type": "int""#, r#""n", "type": "float""#);
    write(&fixture, "3.avro", &scalar, &[[&text("c")[..], &1f32.to_le_bytes(), &[0]].concat()]);
    write(&fixture, "4.avro", &schema(X_INT, ""), &[alert("d", 1, &long(10), &[])]);
    let finished = run_ingest(&fixture, &["4.avro", "3.avro", "2.avro"]);
    finished.assert_stderr(
        1,
        &[
            "2.avro: alert 1: catalog ",
            "column `history` is of another type: the field `x` is int in the catalog but string in the alerts",
            "3.avro: alert 1: catalog ",
            "column `n` is int in the catalog but float in the alerts: use another table for them (their cells have the same size)",
            "2 of 3 files",
        ],
    );
    assert_eq!(std::fs::read_to_string(fixture.path("catalog.json")).unwrap(), before);
    assert_eq!(Table::of(&fixture).rows().len(), 2);
}

#[test]
fn cells_of_older_versions_without_a_prefix_remain_readable() {
    let fixture = Fixture::embedded("evolution");
    write(&fixture, "1.avro", &schema(X_INT, ""), &[alert("a", 1, &long(10), &[])]);
    ingest(&fixture, &["1.avro", "--row-key", "id"]);
    {
        let table = Table::of(&fixture);
        let (family, qualifier) = table.catalog.column("history").unwrap().family_and_qualifier().unwrap();
        let cell = PutCell { family: family.to_owned(), qualifier: qualifier.to_owned(), value: vec![2, 14, 0] };
        let (family, qualifier) = table.catalog.column("n").unwrap().family_and_qualifier().unwrap();
        let n =
            PutCell { family: family.to_owned(), qualifier: qualifier.to_owned(), value: 5i32.to_be_bytes().to_vec() };
        let mut db = science_db::open(&table.settings, &table.settings.table_of(&table.catalog)).unwrap();
        db.put(&[Put { key: b"old".to_vec(), timestamp: None, cells: vec![cell, n] }]).unwrap();
    }
    let second = schema(&format!("{Y}, {X_INT}"), "");
    write(&fixture, "2.avro", &second, &[alert("z", 2, &[&[0][..], &long(3)].concat(), &[])]);
    ingest(&fixture, &["2.avro"]);
    let mut table = Table::of(&fixture);
    let newest = table.schema();
    let found: Vec<Json> =
        values(&mut table, &newest).iter().map(|alert| json!([alert["id"], alert["history"][0]["x"]])).collect();
    assert_eq!(found, [json!(["a", 10]), json!(["z", 3]), json!(["old", 7])]);
}

/// The alerts of a file as JSON.
pub(super) fn alerts_of(path: &Path) -> Vec<Json> {
    let file = Container::read(&std::fs::read(path).unwrap()).unwrap();
    let decoder = Decoder::new(file.schema.clone());
    file.data().map(|datum| decoder.value(datum, BytesFormat::Base64).unwrap()).collect()
}

/// That `whole` has every value of `part`, and null where `part` has no field.
pub(super) fn assert_contains(path: &str, whole: &Json, part: &Json) {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            for (key, value) in whole {
                match part.get(key) {
                    Some(other) => assert_contains(&format!("{path}.{key}"), value, other),
                    None => assert!(value.is_null(), "{path}.{key} is {value}"),
                }
            }
            let lost: Vec<_> = part.keys().filter(|key| !whole.contains_key(*key)).collect();
            assert!(lost.is_empty(), "{path} has no {lost:?}");
        }
        (Json::Array(whole), Json::Array(part)) if whole.len() == part.len() => {
            whole.iter().zip(part).for_each(|(one, other)| assert_contains(&format!("{path}[]"), one, other));
        }
        _ => assert_eq!(whole, part, "{path}"),
    }
}

/// Real alerts of several versions, each loaded by a run of its own. Of alerts of one row the last one counts.
fn real_versions_share_a_table(files: &[PathBuf], row_key: &str) {
    let fixture = Fixture::embedded("evolution");
    let key = |alert: &Json| -> Vec<Json> {
        let at = |path: &str| path.split('.').fold(alert.clone(), |value, name| value[name].clone());
        row_key.split(',').map(at).collect()
    };
    let mut expected: Vec<Json> = Vec::new();
    for file in files {
        let report = ingest(&fixture, &[&file.display().to_string(), "--row-key", row_key]);
        let alerts = alerts_of(file);
        assert_eq!(report["alerts"], alerts.len(), "{}", file.display());
        expected.retain(|known| alerts.iter().all(|alert| key(alert) != key(known)));
        expected.extend(alerts);
        let mut table = Table::of(&fixture);
        let newest = table.schema();
        let found = values(&mut table, &newest);
        assert_eq!(found.len(), expected.len());
        for alert in &expected {
            let whole = found.iter().find(|found| key(found) == key(alert));
            assert_contains("", whole.unwrap_or_else(|| panic!("{} is lost", file.display())), alert);
        }
    }
}

/// A whole alert of each of three versions of ZTF's schema, oldest first; `None`: there are no real alerts.
pub(super) fn versions_of_ztf() -> Option<Vec<PathBuf>> {
    let folders: Option<Vec<PathBuf>> = ["ztf-1.8", "ztf-3.1", "ztf-4.01"].into_iter().map(real_alerts_of).collect();
    let whole = |folder: PathBuf| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().find(|path| !path.file_name().unwrap().to_string_lossy().starts_with("DAMAGED")).unwrap()
    };
    Some(folders?.into_iter().map(whole).collect())
}

#[test]
fn versions_of_ztf_share_a_table() {
    let Some(files) = versions_of_ztf() else { return };
    real_versions_share_a_table(&files, "objectId,candid");
    let backwards: Vec<PathBuf> = files.into_iter().rev().collect();
    real_versions_share_a_table(&backwards, "objectId,candid");
}

#[test]
fn versions_of_rubin_s_alerts_share_a_table() {
    let Some(folder) = real_alerts_of("lsst-11.1-container") else { return };
    let Some(older) = real_alerts_of("lsst-7.4") else { return };
    let mut files = vec![std::fs::read_dir(older).unwrap().next().unwrap().unwrap().path()];
    files.extend(["lsst.v10_0.avro", "lsst.v11_0.avro", "lsst.v11_1.avro"].map(|name| folder.join(name)));
    real_versions_share_a_table(&files, "diaSource.diaObjectId,diaSource.diaSourceId");
}

/// The identifiers of all alerts on a topic, sorted, with the JSON of each.
fn published(table: &alert_table::Table) -> Vec<(String, Json)> {
    let mut schemas = SchemaCache::default();
    let mut found: Vec<(String, Json)> = table
        .messages(&table.fixture.name)
        .into_iter()
        .map(|message| {
            let decoder = schemas.get(message.key.as_deref().unwrap()).unwrap();
            let alert = decoder.value(message.value.as_deref().unwrap(), BytesFormat::Base64).unwrap();
            (alert["id"].as_str().unwrap().to_owned(), alert)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[test]
fn a_step_while_the_service_runs_loses_nothing() {
    let mut fixture = Fixture::with_servers("evolution");
    fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
    fixture.add("[distribution]", alert_table::SHORT_INTERVALS);
    write(&fixture, "1.avro", &schema(X_INT, ""), &[alert("a", 1, &long(10), &[])]);
    ingest(&fixture, &["1.avro", "--row-key", "id", "--regions", "1"]);
    let service = fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    let db = {
        let stored = Table::of(&fixture);
        science_db::open(&stored.settings, &stored.settings.table_of(&stored.catalog)).unwrap()
    };
    let table = alert_table::Table { fixture, db };
    table.wait_for(1, &service);
    // A new scalar alone: the alert is sent without it.
    let scalar = schema(X_INT, r#", {"name": "mag", "type": ["null", "float"], "default": null}"#);
    write(&table.fixture, "2.avro", &scalar, &[alert("b", 2, &long(20), &[&[2][..], &1.5f32.to_le_bytes()].concat())]);
    ingest(&table.fixture, &["2.avro"]);
    table.wait_for(2, &service);
    // A new schema of the history: the service ends rather than reject the alert.
    let nested = schema(&format!("{X_INT}, {Y}"), "");
    let point = [&long(30)[..], &[2], &text("y")].concat();
    write(&table.fixture, "3.avro", &nested, &[alert("c", 3, &point, &[])]);
    ingest(&table.fixture, &["3.avro"]);
    let (code, log) = service.wait();
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("has changed since the start: restart to read it again") && log.contains("`history`"),
        "{log}"
    );
    let service = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(3, &service);
    service.terminate();
    let found = published(&table);
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"], "each of them once");
    assert_eq!(found[1].1.get("mag"), None);
    assert_eq!(found[2].1["history"], json!([{"x": 30, "y": "y"}]));
    assert!(table.messages(&format!("{}_rejected", table.fixture.name)).is_empty());
    assert_eq!(found[2].1["mag"], json!(null));
}

//! Files as surveys really make them: schemas with faults, unions at the top, and every type that Avro has.

use std::path::Path;

use fink::avro::{write_bytes, write_long};
use serde_json::{Value as Json, json};

use super::{ingest, run_ingest};
use crate::fixture::Fixture;
use crate::fixture::stored_table::Table;

/// An Avro file with a schema that no library needs to accept.
pub fn write_container(path: &Path, schema: &str, data: &[Vec<u8>]) {
    let sync = [7; 16];
    let mut file = b"Obj\x01\x02".to_vec();
    write_bytes(b"avro.schema", &mut file);
    write_bytes(schema.as_bytes(), &mut file);
    file.push(0);
    file.extend(sync);
    for datum in data {
        write_long(1, &mut file);
        write_bytes(datum, &mut file);
        file.extend(sync);
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file).unwrap();
}

pub(super) fn text(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_bytes(word.as_bytes(), &mut out);
    out
}

pub(super) fn long(number: i64) -> Vec<u8> {
    let mut out = Vec::new();
    write_long(number, &mut out);
    out
}

fn catalog_schema(fixture: &Fixture) -> Json {
    serde_json::from_str(&std::fs::read_to_string(fixture.path("catalog.avsc")).unwrap()).unwrap()
}

#[test]
fn a_default_that_does_not_fit_is_told_once_and_does_not_hinder_reading() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"{"type": "record", "name": "turbo.alert", "fields": [
        {"name": "objectId", "type": "string", "default": null}, {"name": "candid", "type": ["long"], "default": null},
        {"name": "mag", "type": "float", "default": null}, {"name": "fid", "type": ["null", "int"], "default": null}]}"#;
    let datum = |id: i64| [text(&format!("T{id}")), long(0), long(id), 1.5f32.to_le_bytes().to_vec(), vec![0]].concat();
    for id in 0..4 {
        write_container(&fixture.path(&format!("night/{id}.avro")), schema, &[datum(id)]);
    }
    let finished = run_ingest(&fixture, &["night"]);
    finished
        .assert_stderr(0, &["the default null does not fit its type (at `turbo.alert.objectId`), and so for 2 other"]);
    assert_eq!(finished.stderr.matches("does not fit").count(), 1, "{finished:?}");
    let mut table = Table::of(&fixture);
    assert_eq!(table.alerts(), (0..4).map(datum).collect::<Vec<_>>());
    let fields = catalog_schema(&fixture)["fields"].clone();
    assert!(fields[0].get("default").is_none() && fields[3].get("default") == Some(&Json::Null), "{fields}");
}

#[test]
fn the_later_of_two_fields_of_one_name_is_loaded() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"{"type": "record", "name": "winter.alert", "fields": [
        {"name": "objectid", "type": "string"}, {"name": "candid", "type": "long"},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "sgmag1", "type": "string"}, {"name": "x", "type": "int"}, {"name": "sgmag1", "type": "int"}]}}]}"#;
    let datum = [text("W1"), long(7), text("earlier"), long(1), long(2)].concat();
    write_container(&fixture.path("night/1.avro"), schema, &[datum]);
    let finished = run_ingest(&fixture, &["night"]);
    finished.assert_stderr(0, &["the field `candidate.sgmag1` occurs twice in its record: the later one counts"]);
    let mut table = Table::of(&fixture);
    assert_eq!(table.catalog.row_key, ["objectid", "candid"], "the case of names does not matter");
    assert_eq!(table.alerts(), [[text("W1"), long(7), long(1), long(2)].concat()]);
    assert!(table.catalog.column("candidate_sgmag1_").is_none());
}

#[test]
fn names_that_are_no_avro_names_are_read_as_similar_ones() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"{"type": "record", "name": "my-alert", "namespace": "a.b-c", "fields": [
        {"name": "object id", "type": "string"}, {"name": "2mass", "type": {"type": "record", "name": "x.y-z", "fields": [
            {"name": "J-H", "type": "double"}]}}]}"#;
    write_container(&fixture.path("1.avro"), schema, &[[text("a"), (-0.0f64).to_le_bytes().to_vec()].concat()]);
    let finished = run_ingest(&fixture, &["1.avro", "--row-key", "object_id"]);
    finished.assert_stderr(
        0,
        &[
            "the field name `object id` is not an Avro name: it is read as `object_id`",
            "the field name `2mass.J-H` is not an Avro name: it is read as `J_H`",
            "the name `a.b-c.my-alert` of a type is not an Avro name: it is read as `a.b_c.my_alert`",
        ],
    );
    let mut table = Table::of(&fixture);
    assert!(table.catalog.column("_2mass_J_H").is_some());
    assert_eq!(table.alerts().len(), 1);
}

/// A union at the top of the file, as ZTF's and others list the types of a schema.
#[test]
fn a_union_at_the_top_is_read_branch_by_branch() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"[{"type": "record", "name": "cutout", "fields": [{"name": "id", "type": "long"}, {"name": "data", "type": "bytes"}]},
        {"type": "record", "name": "alert", "fields": [{"name": "id", "type": "long"}, {"name": "image", "type": ["null", "cutout"]}]},
        "string"]"#;
    let alert = |id: i64| [long(1), long(id), vec![2], long(id), text("é")].concat();
    let cutout = [long(0), long(90), text("alone")].concat();
    write_container(
        &fixture.path("1.avro"),
        schema,
        &[alert(1), cutout, alert(2), [long(2), text("no record")].concat()],
    );
    let finished = run_ingest(&fixture, &["1.avro", "--row-key", "id"]);
    finished.assert_stderr(1, &["1.avro: alert 4: the schema of alerts must be a record"]);
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["alerts"], 3);
    let rows = Table::of(&fixture).rows();
    let image = |id: i64| rows.values().find(|row| row.cells.get("image_id") == Some(&id.to_be_bytes().to_vec()));
    assert_eq!(rows.len(), 3);
    assert!(image(1).is_some() && image(2).is_some());
    assert!(rows.values().any(|row| row.cells.get("data") == Some(&b"alone".to_vec())));
}

#[test]
fn every_type_comes_back_byte_for_byte() {
    let fixture = Fixture::embedded("ingest");
    let schema = json!({"type": "record", "name": "alert", "namespace": "some.survey", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["SN", "AGN", "variable_star"]}},
        {"name": "maybe", "type": ["null", "kind"]},
        {"name": "hash", "type": {"type": "fixed", "name": "other.hash", "size": 3}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "exact", "type": ["null", {"type": "fixed", "name": "exact", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2}]},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "one", "type": ["double"]},
        {"name": "nothing", "type": "null"},
        {"name": "tags", "type": {"type": "map", "values": ["null", {"type": "array", "items": "other.hash"}]}},
        {"name": "deep", "type": {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": ["int", "string", "null"]}}}},
        {"name": "either", "type": ["string", "null", "long", {"type": "record", "name": "pair", "fields": [
            {"name": "a", "type": "boolean"}, {"name": "b", "type": {"type": "map", "values": "float"}}]}]},
        {"name": "tree", "type": {"type": "record", "name": "tree", "fields": [
            {"name": "value", "type": "int"}, {"name": "left", "type": ["null", "tree"]}, {"name": "more", "type": {"type": "array", "items": "tree"}}]}},
        {"name": "inner", "type": ["null", {"type": "record", "name": "inner", "namespace": "", "fields": [
            {"name": "x", "type": ["null", "int"]}, {"name": "deeper", "type": {"type": "record", "name": "a.deeper", "fields": [
                {"name": "y", "type": ["null", "some.survey.kind"]}]}}]}]}]});
    let leaf = |value: i64| [long(value), vec![0], vec![0]].concat();
    let tree =
        [long(1), vec![2], leaf(2), long(2), leaf(3), [long(4), vec![2], leaf(5), vec![0]].concat(), vec![0]].concat();
    let end = vec![0];
    let alert = |id: &str, kind: i64, either: Vec<u8>, inner: Vec<u8>| {
        [
            text(id),
            long(kind),
            vec![2],
            long(2),
            b"abc".to_vec(),
            text("\u{1}"),
            vec![2, 0xff, 0, 1, 2],
            long(i64::MIN),
            long(0),
            f64::NAN.to_le_bytes().to_vec(),
            [long(1), text("k"), vec![2], long(1), b"xyz".to_vec(), end.clone(), end.clone()].concat(),
            [
                long(1),
                long(1),
                long(3),
                vec![0],
                long(-5),
                vec![2],
                text("ü"),
                vec![4],
                end.clone(),
                end.clone(),
                end.clone(),
            ]
            .concat(),
            either,
            tree.clone(),
            inner,
        ]
        .concat()
    };
    let pair = [long(3), vec![1], long(1), text("k"), 2.5f32.to_le_bytes().to_vec(), end.clone()].concat();
    let mut data = vec![
        alert("a", 0, [long(0), text("")].concat(), vec![0]),
        alert("b", 1, vec![2], vec![2, 0, 0]),
        alert("c", 2, [long(2), long(9)].concat(), [vec![2, 2], long(7), vec![2], long(1)].concat()),
        alert("d", 2, pair, vec![2, 0, 0]),
    ];
    write_container(&fixture.path("1.avro"), &schema.to_string(), &data);
    ingest(&fixture, &["1.avro", "--row-key", "id"]);
    data.sort();
    assert_eq!(Table::of(&fixture).alerts(), data);
}

#[test]
fn two_fields_of_one_column_name_need_a_name_in_the_catalog() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"{"type": "record", "name": "alert", "fields": [{"name": "id", "type": "string"}, {"name": "a_b", "type": "int"},
        {"name": "a", "type": {"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]}}]}"#;
    let datum = [text("x"), long(1), long(2)].concat();
    write_container(&fixture.path("1.avro"), schema, std::slice::from_ref(&datum));
    run_ingest(&fixture, &["1.avro", "--row-key", "id"]).assert_stderr(
        1,
        &["the fields `a_b` and `a.b` would both be the column `a_b`", r#"in the catalog, with `"field": "a.b"`"#],
    );
    let catalog = json!({"table": {"name": "alerts"}, "rowkey": "id", "records": {"a": {}}, "columns": {
        "id": {"cf": "rowkey", "col": "id", "type": "string"},
        "b_of_a": {"cf": "i", "col": "b", "type": "int", "field": "a.b"}}});
    std::fs::write(fixture.path("catalog.json"), catalog.to_string()).unwrap();
    ingest(&fixture, &["1.avro"]);
    let mut table = Table::of(&fixture);
    assert_eq!(table.alerts(), [datum]);
    let rows = table.rows();
    assert_eq!(rows["x"].cells["b_of_a"], 2i32.to_be_bytes());
    assert_eq!(rows["x"].cells["a_b"], 1i32.to_be_bytes());
}

#[test]
fn row_keys_that_cannot_be_guessed_are_suggested() {
    let fixture = Fixture::embedded("ingest");
    let schema = r#"{"type": "record", "name": "alert", "fields": [{"name": "source_ID", "type": "string"}, {"name": "ra", "type": "double"}]}"#;
    write_container(&fixture.path("1.avro"), schema, &[[text("x"), 1f64.to_le_bytes().to_vec()].concat()]);
    run_ingest(&fixture, &["1.avro"]).assert_stderr(1, &["candidates are `source_ID`", "(--row-key COL,COL)"]);
    ingest(&fixture, &["1.avro", "--row-key", "source_id"]);
    assert_eq!(Table::of(&fixture).catalog.row_key, ["source_ID"]);
}

#[test]
fn a_file_without_alerts_makes_nothing() {
    let fixture = Fixture::embedded("ingest");
    write_container(&fixture.path("1.avro"), r#"{"type": "record", "name": "alert", "fields": []}"#, &[]);
    let finished = run_ingest(&fixture, &["1.avro"]);
    finished.assert_stderr(0, &["there is no alert in the files: nothing was loaded"]);
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["table"], &report["alerts"], &report["files"]), (&Json::Null, &0.into(), &1.into()));
    assert!(!fixture.path("catalog.json").exists());
}

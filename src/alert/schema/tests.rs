use serde_json::json;

use super::{StreamSchemaError, stream_schema};
use crate::alert::Plan;
use crate::avro::Schema;
use crate::catalog::Catalog;

/// The columns of the rules' worked example, and more.
fn catalog() -> Catalog {
    let cell = |name: &str, kind: &str| (name.to_owned(), json!({"cf": "i", "col": name, "type": kind}));
    let mut columns = serde_json::Map::new();
    columns.insert("objectId".into(), json!({"cf": "rowkey", "col": "objectId", "type": "string"}));
    columns.extend([
        cell("candid", "long"),
        cell("candidate_jd", "double"),
        cell("candidate_ra", "double"),
        cell("candidate_fid", "int"),
        cell("cutoutScience_fileName", "string"),
        cell("cutoutScience_stampData", "binary"),
        cell("prv_candidates_jd", "string"),
        cell("ok", "boolean"),
        cell("status", "string"),
    ]);
    let json = json!({"table": {"name": "t"}, "rowkey": "objectId", "columns": columns});
    Catalog::parse(&json.to_string()).unwrap()
}

#[test]
fn derived_schema_has_the_shape_of_2019() {
    let leaf = |name: &str, kind: &str| json!({"name": name, "type": [kind, "null"]});
    let record = |name: &str, fields: serde_json::Value| {
        let full = format!("topLevelRecord.{name}");
        json!({"name": name, "type": {"type": "record", "name": full, "fields": fields}})
    };
    let expected = json!({"type": "record", "name": "topLevelRecord", "fields": [
        leaf("objectId", "string"),
        leaf("candid", "long"),
        record("candidate", json!([leaf("jd", "double"), leaf("ra", "double"), leaf("fid", "int")])),
        record("cutoutScience", json!([leaf("fileName", "string"), leaf("stampData", "bytes")])),
        record("prv_candidates", json!([leaf("jd", "string")])),
        leaf("ok", "boolean")]});
    assert_eq!(stream_schema(&catalog(), None, None).unwrap().to_json(), expected);
}

#[test]
fn derived_schema_keeps_to_the_selection() {
    let catalog = catalog();
    let selected: Vec<usize> =
        ["objectId", "candidate_ra", "status"].iter().map(|name| catalog.index_of(name).unwrap()).collect();
    let schema = stream_schema(&catalog, None, Some(&selected)).unwrap();
    let plan = Plan::new(schema.into(), &catalog).unwrap();
    assert_eq!(plan.needed_columns(), selected);
    assert!(matches!(stream_schema(&catalog, None, Some(&[])), Err(StreamSchemaError::Empty)));
}

#[test]
fn nullable_records_exact_types_and_cells_come_into_the_schema() {
    let list =
        json!({"type": "array", "items": {"type": "record", "name": "p", "fields": [{"name": "x", "type": "int"}]}});
    let json = json!({"table": {"name": "t"}, "rowkey": "k", "columns": {
        "k": {"cf": "rowkey", "col": "k", "type": "long"},
        "t": {"cf": "i", "col": "t", "type": "long", "avro": {"type": "long", "logicalType": "timestamp-micros"}},
        "r": {"cf": "i", "col": "r", "type": "boolean"},
        "r_a": {"cf": "i", "col": "r_a", "type": "avro", "avro": list},
        "r_b": {"cf": "i", "col": "r_b", "type": "avro", "avro": list},
        "u": {"cf": "i", "col": "u", "type": "avro", "avro": ["int", "string"]}},
        "records": {"r": {"nullable": true}}});
    let catalog = Catalog::parse(&json.to_string()).unwrap();
    let schema = stream_schema(&catalog, None, None).unwrap();
    assert_eq!(
        schema.to_string(),
        r#"{"type":"record","name":"topLevelRecord","fields":[{"name":"k","type":["long","null"]},{"name":"t","type":[{"type":"long","logicalType":"timestamp-micros"},"null"]},{"name":"r","type":[{"type":"record","name":"topLevelRecord.r","fields":[{"name":"a","type":[{"type":"array","items":{"type":"record","name":"p","fields":[{"name":"x","type":"int"}]}},"null"]},{"name":"b","type":[{"type":"array","items":"p"},"null"]}]},"null"]},{"name":"u","type":["int","string","null"]}]}"#
    );
    assert_eq!(Schema::parse(&schema.to_string()).unwrap(), schema);
    let plan = Plan::new(schema.into(), &catalog).unwrap();
    assert_eq!(plan.needed_columns().len(), 6);
}

#[test]
fn name_that_is_no_avro_name_is_refused() {
    let json = json!({"table": {"name": "t"}, "rowkey": "k", "columns": {
        "k": {"cf": "rowkey", "col": "k", "type": "long"}, "d:x": {"cf": "d", "col": "x", "type": "int"}}});
    let error = stream_schema(&Catalog::parse(&json.to_string()).unwrap(), None, None).unwrap_err().to_string();
    assert!(error.contains("`d:x`"), "{error}");
}

#[test]
fn telescope_s_schema_is_limited_to_the_selection() {
    let cutout = json!({"type": "record", "name": "cutout", "fields": [
        {"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]});
    let telescope = Schema::from_json(&json!({"type": "record", "name": "alert", "fields": [
        {"name": "objectId", "type": "string"},
        {"name": "cutoutScience", "type": [cutout, "null"], "default": null},
        {"name": "cutoutTemplate", "type": ["cutout", "null"], "default": null},
        {"name": "candidate", "type": {"type": "record", "name": "c", "fields": [
            {"name": "jd", "type": "double"}, {"name": "ra", "type": "double"}]}},
        {"name": "prv_candidates", "type": [{"type": "array", "items": {"type": "record", "name": "p", "fields": [
            {"name": "jd", "type": "double"}, {"name": "ra", "type": ["double", "null"]}]}}, "null"]},
        {"name": "unknown", "type": ["null", "int"], "default": null}]}))
    .unwrap();
    let catalog = catalog();
    assert_eq!(stream_schema(&catalog, Some(&telescope), None).unwrap(), telescope);
    let select = |names: &[&str]| {
        let selected: Vec<usize> = names.iter().map(|name| catalog.index_of(name).unwrap()).collect();
        stream_schema(&catalog, Some(&telescope), Some(&selected))
    };
    let limited = select(&["candidate_ra", "cutoutScience_fileName", "prv_candidates_jd"]).unwrap();
    assert_eq!(
        limited.to_string(),
        r#"{"type":"record","name":"alert","fields":[{"name":"cutoutScience","type":[{"type":"record","name":"cutout","fields":[{"name":"fileName","type":"string"}]},"null"],"default":null},{"name":"candidate","type":{"type":"record","name":"c","fields":[{"name":"ra","type":"double"}]}},{"name":"prv_candidates","type":[{"type":"array","items":{"type":"record","name":"p","fields":[{"name":"jd","type":"double"}]}},"null"]}]}"#
    );
    let plan = Plan::new(limited.into(), &catalog).unwrap();
    assert!(plan.warnings().is_empty());
    assert!(matches!(select(&["status"]), Err(StreamSchemaError::Empty)));
}

#[test]
fn record_that_is_limited_in_one_place_only_gets_another_name() {
    let telescope = Schema::from_json(&json!({"type": "record", "name": "alert", "fields": [
        {"name": "a", "type": {"type": "record", "name": "c", "fields": [
            {"name": "x", "type": "int"}, {"name": "y", "type": "int"}]}},
        {"name": "b", "type": "c"}]}))
    .unwrap();
    let cell = |name: &str| (name.to_owned(), json!({"cf": "i", "col": name, "type": "int"}));
    let columns: serde_json::Map<_, _> = ["a_x", "a_y", "b_x", "b_y"].map(cell).into_iter().collect();
    let json = json!({"table": {"name": "t"}, "rowkey": "a_x", "columns": columns, "records": {"a": {}, "b": {}}});
    let catalog = Catalog::parse(&json.to_string()).unwrap();
    let limited = stream_schema(&catalog, Some(&telescope), Some(&[0, 2, 3])).unwrap();
    assert_eq!(
        limited.to_string(),
        r#"{"type":"record","name":"alert","fields":[{"name":"a","type":{"type":"record","name":"c","fields":[{"name":"x","type":"int"}]}},{"name":"b","type":{"type":"record","name":"c_","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}}]}"#
    );
    assert_eq!(Schema::parse(&limited.to_string()).unwrap(), limited);
}

#[test]
fn fields_that_a_stream_leaves_out_are_listed() {
    let list = json!({"type": "array", "items": {"type": "record", "name": "p", "fields": [
        {"name": "x", "type": "int"}, {"name": "y", "type": "int"}]}});
    let json = json!({"table": {"name": "t"}, "rowkey": "k", "records": {"r": {}, "s": {}}, "columns": {
        "k": {"cf": "rowkey", "col": "k", "type": "long"},
        "r_a": {"cf": "i", "col": "r_a", "type": "int"},
        "r_b": {"cf": "i", "col": "r_b", "type": "int"},
        "s_a": {"cf": "i", "col": "s_a", "type": "int"},
        "h": {"cf": "i", "col": "h", "type": "avro", "avro": list}}});
    let catalog = Catalog::parse(&json.to_string()).unwrap();
    let sent = Schema::from_json(&json!({"type": "record", "name": "r", "fields": [
        {"name": "k", "type": "long"},
        {"name": "r", "type": {"type": "record", "name": "r2", "fields": [{"name": "b", "type": "long"}]}},
        {"name": "h", "type": ["null", {"type": "array", "items": {"type": "record", "name": "p", "fields": [
            {"name": "y", "type": "int"}]}}]}]}));
    assert_eq!(super::unsent_fields(&catalog, &sent.unwrap()).unwrap(), ["r.a", "s", "h[].x"]);
    let whole = stream_schema(&catalog, None, None).unwrap();
    assert!(super::unsent_fields(&catalog, &whole).unwrap().is_empty());
}

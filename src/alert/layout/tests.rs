use std::collections::BTreeMap;

use apache_avro::types::Value as V;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};

use super::{FlattenError, Layout, LayoutError, LayoutOptions, ListEncoding};
use crate::avro::Schema;
use crate::catalog::{ColumnLocation, ColumnType, cell_prefix};

fn options<'a>(history: ListEncoding, row_key: &'a [&'a str]) -> LayoutOptions<'a> {
    let status = history == ListEncoding::Text;
    LayoutOptions { namespace: "default", table: "t", family: "i", row_key, history, status }
}

/// An alert much like ZTF's.
fn ztf() -> Value {
    let nullable = |name: &str, kind: &str| json!({"name": name, "type": [kind, "null"], "default": null});
    json!({"type": "record", "name": "alert", "namespace": "ztf", "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "objectId", "type": "string"},
        nullable("note", "string"),
        {"name": "prv_candidates", "type": [{"type": "array", "items": {"type": "record", "name": "prv", "fields": [
            {"name": "jd", "type": "double"}, nullable("magpsf", "float"), nullable("who", "string")]}}, "null"]},
        {"name": "cutoutScience", "type": [{"type": "record", "name": "cutout", "fields": [
            {"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]}, "null"]},
        {"name": "candidate", "type": {"type": "record", "name": "candidate", "fields": [
            {"name": "ra", "type": "double"}, nullable("rb", "float"), nullable("who", "string"), nullable("ok", "boolean"),
            nullable("raw", "bytes"), nullable("nid", "int")]}},
        {"name": "tags", "type": {"type": "map", "values": ["string", "null"]}},
        {"name": "extra", "type": ["null", {"type": "record", "name": "extra", "fields": [nullable("x", "int")]}]}]})
}

fn some(at: u32, value: V) -> V {
    V::Union(at, Box::new(value))
}

fn none(at: u32) -> V {
    some(at, V::Null)
}

fn record(fields: &[(&str, V)]) -> V {
    V::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn alert(history: V, extra: V) -> Vec<u8> {
    let value = record(&[
        ("schemavsn", V::String("3.1".into())),
        ("candid", V::Long(-2)),
        ("objectId", V::String("ZTF18aceatkx".into())),
        ("note", none(1)),
        ("prv_candidates", history),
        ("cutoutScience", none(1)),
        (
            "candidate",
            record(&[
                ("ra", V::Double(-0.0)),
                ("rb", none(1)),
                ("who", none(1)),
                ("ok", none(1)),
                ("raw", none(1)),
                ("nid", none(1)),
            ]),
        ),
        ("tags", V::Map([("k".to_owned(), none(1))].into())),
        ("extra", extra),
    ]);
    let schema = apache_avro::Schema::parse(&ztf()).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

fn prv(jd: f64, magpsf: Option<f32>, who: Option<&str>) -> V {
    record(&[
        ("jd", V::Double(jd)),
        ("magpsf", magpsf.map_or(none(1), |mag| some(0, V::Float(mag)))),
        ("who", who.map_or(none(1), |who| some(0, V::String(who.into())))),
    ])
}

fn cells(layout: &Layout, datum: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut flattener = layout.flattener();
    let cells = flattener.flatten(datum).unwrap();
    cells.iter().map(|(at, bytes)| (layout.catalog().columns[at].name.clone(), bytes.to_vec())).collect()
}

fn text_of(history: V) -> BTreeMap<String, String> {
    let layout = Layout::new(&Schema::from_json(&ztf()).unwrap(), &options(ListEncoding::Text, &["objectId"])).unwrap();
    let cells = cells(&layout, &alert(history, none(0)));
    cells.into_iter().map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned())).collect()
}

#[test]
fn text_layout_has_the_columns_of_2019_in_their_order() {
    let layout = Layout::new(&Schema::from_json(&ztf()).unwrap(), &options(ListEncoding::Text, &["objectId"])).unwrap();
    let names: Vec<&str> = layout.catalog().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "schemavsn",
            "objectId",
            "candid",
            "note",
            "tags",
            "candidate_ra",
            "candidate_rb",
            "candidate_who",
            "candidate_ok",
            "candidate_raw",
            "candidate_nid",
            "extra_x",
            "cutoutScience_fileName",
            "cutoutScience_stampData",
            "prv_candidates_jd",
            "prv_candidates_magpsf",
            "prv_candidates_who",
            "status",
        ]
    );
    assert_eq!(layout.catalog().column("prv_candidates_jd").unwrap().kind, ColumnType::String);
    assert_eq!(layout.catalog().column("objectId").unwrap().location, ColumnLocation::RowKey { part: 0 });
}

#[test]
fn text_is_what_spark_casts() {
    let list = vec![prv(2458.1, Some(1.0), Some("a")), prv(2458.2, None, None), prv(1e7, Some(1e-4), Some(""))];
    let text = text_of(some(0, V::Array(list)));
    assert_eq!(text["prv_candidates_jd"], "[2458.1, 2458.2, 1.0E7]");
    assert_eq!(text["prv_candidates_magpsf"], "[1.0,, 1.0E-4]");
    assert_eq!(text["prv_candidates_who"], "[a,, ]");
    assert_eq!(text["tags"], "[k ->]");
    assert_eq!(text["status"], "dbUpdate");
    let first_null = vec![prv(f64::NAN, None, None), prv(f64::NEG_INFINITY, Some(3.0), Some("b"))];
    let text = text_of(some(0, V::Array(first_null)));
    assert_eq!(text["prv_candidates_jd"], "[NaN, -Infinity]");
    assert_eq!(text["prv_candidates_magpsf"], "[, 3.0]");
    assert_eq!(text_of(some(0, V::Array(Vec::new())))["prv_candidates_jd"], "[]");
    assert!(!text_of(none(1)).contains_key("prv_candidates_jd"));
}

#[test]
fn text_layout_fills_nulls_within_records_only() {
    let layout = Layout::new(&Schema::from_json(&ztf()).unwrap(), &options(ListEncoding::Text, &["objectId"])).unwrap();
    let cells = cells(&layout, &alert(none(1), none(0)));
    assert_eq!(cells["candidate_rb"], [0; 4]);
    assert_eq!(cells["candidate_nid"], [0; 4]);
    assert_eq!(cells["candidate_ok"], [0xff]);
    assert!(cells["candidate_who"].is_empty() && cells["candidate_raw"].is_empty());
    assert_eq!(cells["candidate_ra"], (-0.0f64).to_be_bytes());
    assert!(!cells.contains_key("note") && !cells.contains_key("cutoutScience_fileName"));
}

#[test]
fn avro_layout_keeps_four_nothings_apart() {
    let layout = Layout::new(&Schema::from_json(&ztf()).unwrap(), &options(ListEncoding::Avro, &["objectId"])).unwrap();
    let column = |name: &str| layout.catalog().column(name);
    assert!(matches!(column("prv_candidates").unwrap().kind, ColumnType::Avro(_)));
    assert_eq!(column("extra").unwrap().kind, ColumnType::Boolean);
    assert!(column("cutoutScience").is_none(), "its file name is always there, so it needs no marker");
    let empty = cells(&layout, &alert(some(0, V::Array(Vec::new())), some(1, record(&[("x", none(1))]))));
    let ColumnType::Avro(list) = &column("prv_candidates").unwrap().kind else { panic!() };
    assert_eq!(empty["prv_candidates"], [&cell_prefix(list)[..], &[0]].concat());
    assert_eq!(empty["extra"], [0xff]);
    let null = cells(&layout, &alert(none(1), none(0)));
    assert!(!null.contains_key("prv_candidates") && !null.contains_key("extra"));
    assert!(!null.contains_key("candidate_rb"));
    let with_value = cells(&layout, &alert(none(1), some(1, record(&[("x", some(0, V::Int(7)))]))));
    assert!(!with_value.contains_key("extra"));
    assert_eq!(with_value["extra_x"], 7i32.to_be_bytes());
}

#[test]
fn keys_of_one_and_of_several_columns() {
    let schema = Schema::from_json(&ztf()).unwrap();
    let datum = alert(none(1), none(0));
    let one = Layout::new(&schema, &options(ListEncoding::Avro, &["objectId"])).unwrap();
    assert_eq!(one.flattener().flatten(&datum).unwrap().key(), b"ZTF18aceatkx");
    assert!(!cells(&one, &datum).contains_key("objectId"));
    let two = Layout::new(&schema, &options(ListEncoding::Avro, &["objectId", "candid"])).unwrap();
    assert_eq!(two.flattener().flatten(&datum).unwrap().key(), b"ZTF18aceatkx_-2");
    assert!(cells(&two, &datum).contains_key("objectId"));
    let null = Layout::new(&schema, &options(ListEncoding::Avro, &["note"])).unwrap();
    assert!(matches!(null.flattener().flatten(&datum), Err(FlattenError::RowKey(reason)) if reason.contains("`note`")));
    let unknown = Layout::new(&schema, &options(ListEncoding::Avro, &["objectid"])).unwrap_err().to_string();
    assert!(unknown.contains("`objectid`") && unknown.contains("`objectId`"), "{unknown}");
    let list = Layout::new(&schema, &options(ListEncoding::Avro, &["objectId", "prv_candidates"])).unwrap_err();
    assert!(matches!(list, LayoutError::RowKey(_)));
}

#[test]
fn two_fields_with_one_column_are_refused() {
    let schema = Schema::from_json(&json!({"type": "record", "name": "r", "fields": [
        {"name": "a", "type": {"type": "record", "name": "s", "fields": [{"name": "b", "type": "int"}]}},
        {"name": "a_b", "type": "int"}]}))
    .unwrap();
    let error = Layout::new(&schema, &options(ListEncoding::Avro, &["a_b"])).unwrap_err().to_string();
    assert!(error.contains("`a.b`") && error.contains("`a_b`"), "{error}");
    let scalar = Layout::new(&Schema::parse("\"int\"").unwrap(), &options(ListEncoding::Avro, &["a"]));
    assert_eq!(scalar.unwrap_err(), LayoutError::NotARecord);
}

#[test]
fn dates_and_decimals_in_lists_are_spark_s() {
    let schema = json!({"type": "record", "name": "r", "fields": [{"name": "k", "type": "int"}, {"name": "l", "type":
        {"type": "array", "items": {"type": "record", "name": "s", "fields": [
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "d", "type": {"type": "int", "logicalType": "date"}},
            {"name": "n", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "s", "type": {"type": "array", "items": "boolean"}}]}}}]});
    let layout = Layout::new(&Schema::from_json(&schema).unwrap(), &options(ListEncoding::Text, &["k"])).unwrap();
    let mut datum = vec![2, 2];
    crate::avro::write_long(1_551_088_920_123_400, &mut datum);
    crate::avro::write_long(17_952, &mut datum);
    datum.extend([4, 0xff, 0x38, 2, 1, 0, 0]);
    let cells = cells(&layout, &datum);
    let text = |name: &str| String::from_utf8(cells[name].clone()).unwrap();
    assert_eq!(text("l_t"), "[2019-02-25 10:02:00.1234]");
    assert_eq!(text("l_d"), "[2019-02-25]");
    assert_eq!(text("l_n"), "[-2.00]");
    assert_eq!(text("l_s"), "[[true]]");
}

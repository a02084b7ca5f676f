use std::sync::Arc;

use serde_json::{Value, json};

use super::{EncodeError, Encoder, Plan, PlanError};
use crate::avro::Schema;
use crate::catalog::{Catalog, Column, ColumnLocation, ColumnType, NestedRecord};
use crate::row::{ColumnNotRead, Columns, Rows};

fn schema(fields: &Value) -> Arc<Schema> {
    Arc::new(Schema::from_json(&json!({"type": "record", "name": "r", "fields": fields})).unwrap())
}

fn avro(json: &Value) -> ColumnType {
    ColumnType::Avro(Arc::new(Schema::from_json(json).unwrap()))
}

/// A table with one family, whose key is the column `key`, and these columns.
fn catalog(columns: Vec<(&str, ColumnType)>) -> Catalog {
    let mut all = vec![Column::new("key", ColumnLocation::RowKey { part: 0 }, ColumnType::String)];
    all.extend(columns.into_iter().map(|(name, kind)| Column::cell("i", name, kind)));
    let records = vec![
        NestedRecord { path: "rec".into(), nullable: true },
        NestedRecord { path: "list".into(), nullable: false },
    ];
    Catalog::new("default", "t", &["key"], all, records)
}

fn bind(schema: Arc<Schema>, catalog: &Catalog) -> (Encoder, Columns) {
    let plan = Plan::new(schema, catalog).unwrap();
    let columns: Columns = plan.needed_columns().iter().map(|at| &catalog.columns[*at]).collect();
    (plan.encoder(&columns).unwrap(), columns)
}

fn encode(schema: Arc<Schema>, catalog: &Catalog, cells: &[(&str, &[u8])]) -> Result<Vec<u8>, EncodeError> {
    encode_row(schema, catalog, b"k", cells)
}

fn encode_row(
    schema: Arc<Schema>,
    catalog: &Catalog,
    key: &[u8],
    cells: &[(&str, &[u8])],
) -> Result<Vec<u8>, EncodeError> {
    let (encoder, columns) = bind(schema, catalog);
    let mut rows = Rows::default();
    let mut page = rows.refill(columns.len());
    page.row(key);
    for (name, bytes) in cells {
        if let Some(slot) = columns.slot(b"i", name.as_bytes(), &mut 0) {
            page.cell(slot, bytes, 1);
        }
    }
    let mut out = b"before".to_vec();
    let written = encoder.encode(&rows.row(0), &mut out);
    assert_eq!(&out[..6], b"before");
    assert!(written.is_ok() || out.len() == 6, "an error leaves the output as it was");
    written.map(|()| out[6..].to_vec())
}

#[test]
fn unions_of_both_orders_and_defaults() {
    let schema = schema(&json!([
        {"name": "a", "type": ["null", "int"]},
        {"name": "b", "type": ["int", "null"], "default": 0},
        {"name": "c", "type": "int", "default": 5}]));
    let catalog = catalog(vec![("a", ColumnType::Int), ("b", ColumnType::Int), ("c", ColumnType::Int)]);
    let seven = 7i32.to_be_bytes();
    let full = [("a", seven.as_slice()), ("b", seven.as_slice()), ("c", seven.as_slice())];
    assert_eq!(encode(Arc::clone(&schema), &catalog, &full).unwrap(), [2, 14, 0, 14, 14]);
    assert_eq!(encode(schema, &catalog, &[]).unwrap(), [0, 2, 10]);
}

#[test]
fn field_without_column_is_null_or_default_with_a_warning_or_refused() {
    let catalog = catalog(vec![("a", ColumnType::Int)]);
    let plan = Plan::new(
        schema(&json!([
            {"name": "x", "type": ["null", "int"]},
            {"name": "y", "type": ["int", "null"], "default": 3},
            {"name": "z", "type": ["null", {"type": "record", "name": "s", "fields": [{"name": "q", "type": "int"}]}]}])),
        &catalog,
    )
    .unwrap();
    assert_eq!(plan.warnings().len(), 3);
    assert!(plan.warnings()[1].contains("`y`") && plan.warnings()[1].contains("default"));
    assert!(plan.needed_columns().is_empty());
    let missing = Plan::new(
        schema(
            &json!([{"name": "s", "type": {"type": "record", "name": "s", "fields": [{"name": "q", "type": "int"}]}}]),
        ),
        &catalog,
    );
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("`s.q`") && error.contains("`s_q`") && error.contains("default:t"), "{error}");
}

/// As Fink's writer stores booleans and arrays: the catalog has neither, so they are strings.
#[test]
fn booleans_and_lists_are_read_from_the_words_of_fink_s_writer() {
    let catalog = catalog(vec![("b", ColumnType::String), ("l", ColumnType::String)]);
    let wanted = schema(&json!([{"name": "b", "type": ["null", "boolean"]},
        {"name": "l", "type": ["null", {"type": "array", "items": ["null", "float"]}]}]));
    let one = 1f32.to_le_bytes();
    let list = [&[2, 4, 2][..], &one, &[0, 0]].concat();
    for text in ["[1.0, null]", "[1.0,]", "WrappedArray(1.0, null)"] {
        let cells: [(&str, &[u8]); 2] = [("b", b"true"), ("l", text.as_bytes())];
        assert_eq!(encode(Arc::clone(&wanted), &catalog, &cells).unwrap(), [&[2, 1][..], &list].concat(), "{text}");
    }
    assert_eq!(encode(Arc::clone(&wanted), &catalog, &[("b", b"false")]).unwrap(), [2, 0, 0]);
    for wrong in ["", "True", "1", "\u{ff}"] {
        let error = encode(Arc::clone(&wanted), &catalog, &[("b", wrong.as_bytes())]).unwrap_err().to_string();
        assert!(error.contains("neither `true` nor `false`"), "{error}");
    }
    // Text remains text where the schema has both, and a null among strings is a word.
    let text = schema(&json!([{"name": "b", "type": ["boolean", "string"]},
        {"name": "l", "type": {"type": "array", "items": ["null", "string"]}}]));
    let encoded = encode(text, &catalog, &[("b", b"true"), ("l", b"[null]")]).unwrap();
    assert_eq!(encoded, b"\x02\x08true\x02\x02\x08null\x00");
}

#[test]
fn numbers_widen_and_never_narrow() {
    let catalog = catalog(vec![("a", ColumnType::Short), ("b", ColumnType::Float), ("c", ColumnType::Long)]);
    let wide = schema(&json!([
        {"name": "a", "type": "double"}, {"name": "b", "type": ["null", "double"]}, {"name": "c", "type": ["string", "long"]}]));
    let cells: [(&str, &[u8]); 3] = [("a", &[0xff, 0xfe]), ("b", &1.5f32.to_be_bytes()), ("c", &9i64.to_be_bytes())];
    let expected = [&(-2.0f64).to_le_bytes()[..], &[2], &1.5f64.to_le_bytes(), &[2, 18]].concat();
    assert_eq!(encode(wide, &catalog, &cells).unwrap(), expected);
    let narrow = Plan::new(schema(&json!([{"name": "c", "type": "int"}])), &catalog).unwrap_err();
    assert!(matches!(narrow, PlanError::TypeMismatch { column, .. } if column == "c"));
}

#[test]
fn errors_name_row_column_and_reason() {
    let fields = json!([{"name": "a", "type": "int"}, {"name": "s", "type": "string"},
        {"name": "l", "type": ["null", {"type": "array", "items": "string"}]},
        {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["A"]}}]);
    let list = json!({"type": "array", "items": "string"});
    let catalog =
        catalog(vec![("a", ColumnType::Int), ("s", ColumnType::String), ("l", avro(&list)), ("e", ColumnType::String)]);
    let good: [(&str, &[u8]); 4] = [("a", &[0, 0, 0, 1]), ("s", b"x"), ("l", &[2, 2, b'q', 0]), ("e", b"A")];
    assert_eq!(encode(schema(&fields), &catalog, &good).unwrap(), [2, 2, b'x', 2, 2, 2, b'q', 0, 0]);
    let reason = |column: &str, bytes: Option<&[u8]>| {
        let mut cells = good.to_vec();
        cells.retain(|(name, _)| *name != column || bytes.is_some());
        cells.iter_mut().filter(|(name, _)| *name == column).for_each(|cell| cell.1 = bytes.unwrap_or_default());
        let error = encode_row(schema(&fields), &catalog, b"\xffk", &cells).unwrap_err();
        let EncodeError::Cell { row_key, column: named, reason } = error else { panic!("{error}") };
        assert_eq!((named.as_str(), row_key.as_str()), (column, "\\xffk"));
        reason
    };
    assert!(reason("a", Some(&[1, 2])).contains("2 bytes, not 4"));
    assert!(reason("a", Some(&[0; 8])).contains("8 bytes, not 4"));
    assert!(reason("a", None).contains("no cell"));
    assert!(reason("s", Some(&[0xff])).contains("UTF-8"));
    assert!(reason("l", Some(&[2, 2])).contains("damaged"));
    assert!(reason("l", Some(&[0, 0])).contains("damaged"));
    assert!(reason("e", Some(b"B")).contains("`B`"));
}

#[test]
fn nullable_record_is_present_if_a_field_or_its_marker_is() {
    let fields = json!([{"name": "rec", "type": ["null", {"type": "record", "name": "s", "fields": [
        {"name": "x", "type": ["null", "int"]}, {"name": "y", "type": ["null", "string"]}]}]}]);
    let catalog =
        catalog(vec![("rec", ColumnType::Boolean), ("rec_x", ColumnType::Int), ("rec_y", ColumnType::String)]);
    let with = |cells: &[(&str, &[u8])]| encode(schema(&fields), &catalog, cells).unwrap();
    assert_eq!(with(&[]), [0]);
    assert_eq!(with(&[("rec", &[0xff])]), [2, 0, 0]);
    assert_eq!(with(&[("rec_y", b"")]), [2, 0, 2, 0]);
    assert_eq!(Plan::new(schema(&fields), &catalog).unwrap().needed_columns(), [1, 2, 3]);
}

#[test]
fn key_parts_are_read_from_the_key() {
    let mut catalog = catalog(vec![]);
    catalog.columns = vec![
        Column::new("objectId", ColumnLocation::RowKey { part: 0 }, ColumnType::String),
        Column::new("candid", ColumnLocation::RowKey { part: 1 }, ColumnType::Long),
        Column::new("tail", ColumnLocation::RowKey { part: 2 }, ColumnType::String),
    ];
    catalog.row_key = vec!["objectId".into(), "candid".into(), "tail".into()];
    let fields = schema(&json!([
        {"name": "tail", "type": "string"}, {"name": "candid", "type": ["null", "long"]}, {"name": "objectId", "type": "string"}]));
    let with = |key: &[u8]| encode_row(Arc::clone(&fields), &catalog, key, &[]);
    assert_eq!(with(b"Z_-1_a_b").unwrap(), b"\x06a_b\x02\x01\x02Z");
    assert_eq!(with(b"Z__b").unwrap(), b"\x02b\x00\x02Z");
    assert!(with(b"Z_x_b").unwrap_err().to_string().contains("`x`"));
    assert!(with(b"Z").unwrap_err().to_string().contains("too few"));
}

#[test]
fn another_avro_schema_is_resolved() {
    let written = json!({"type": "array", "items": {"type": "record", "name": "p", "fields": [
        {"name": "old", "type": "int"}, {"name": "x", "type": "int"}]}});
    let fields = json!([{"name": "l", "type": [{"type": "array", "items": {"type": "record", "name": "p", "fields": [
        {"name": "x", "type": "long"}, {"name": "new", "type": "int", "default": 4}]}}, "null"]}]);
    let catalog_of = |kind| catalog(vec![("l", kind)]);
    let bytes = encode(schema(&fields), &catalog_of(avro(&written)), &[("l", &[2, 10, 14, 0])]).unwrap();
    assert_eq!(bytes, [0, 2, 14, 8, 0]);
    let damaged = encode(schema(&fields), &catalog_of(avro(&written)), &[("l", &[2, 10])]).unwrap_err();
    assert!(damaged.to_string().contains("damaged"));
    let other = Plan::new(schema(&fields), &catalog_of(avro(&json!({"type": "map", "values": "int"}))));
    assert!(matches!(other.unwrap_err(), PlanError::TypeMismatch { column, .. } if column == "l"));
}

fn lists(cells: &[(&str, &str)]) -> Result<Vec<u8>, EncodeError> {
    let fields = json!([{"name": "list", "type": ["null", {"type": "array", "items": {"type": "record", "name": "p", "fields": [
        {"name": "n", "type": "int"}, {"name": "s", "type": ["null", "string"]}]}}]}]);
    let catalog = catalog(vec![("list_n", ColumnType::String), ("list_s", ColumnType::String)]);
    let cells: Vec<(&str, &[u8])> = cells.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    encode(schema(&fields), &catalog, &cells)
}

#[test]
fn lists_of_text_are_read_as_records() {
    let with = |n: &str, s: &str| lists(&[("list_n", n), ("list_s", s)]);
    assert_eq!(with("[1, -2]", "[a, ]").unwrap(), b"\x02\x04\x02\x02\x02a\x03\x02\x00\x00");
    assert_eq!(with("[1, -2]", "[,]").unwrap(), b"\x02\x04\x02\x00\x03\x00\x00");
    assert_eq!(with("[1, 2]", "[a,b, c]").unwrap(), b"\x02\x04\x02\x02\x06a,b\x04\x02\x02c\x00");
    assert_eq!(with("[1]", "[]").unwrap(), b"\x02\x02\x02\x00\x00");
    assert_eq!(with("[]", "[]").unwrap(), b"\x02\x00");
    assert_eq!(lists(&[]).unwrap(), b"\x00");
    assert_eq!(lists(&[("list_n", "[3]")]).unwrap(), b"\x02\x02\x06\x00\x00");
    assert!(with("[1, 2]", "[a, b, c]").unwrap_err().to_string().contains("3 items"));
    assert!(with("[1.5]", "[a]").unwrap_err().to_string().contains("`1.5`"));
    assert!(with("1, 2", "[a]").unwrap_err().to_string().contains("not a list"));
    assert!(with("[1,]", "[a, b]").unwrap_err().to_string().contains("null"));
}

#[test]
fn text_is_read_as_an_array_or_a_map() {
    let fields = json!([
        {"name": "a", "type": {"type": "array", "items": ["double", "null"]}},
        {"name": "m", "type": ["null", {"type": "map", "values": ["null", "string"]}]}]);
    let catalog = catalog(vec![("a", ColumnType::String), ("m", ColumnType::String)]);
    let bytes = encode(schema(&fields), &catalog, &[("a", b"[1.0E10,]"), ("m", b"[k -> v -> w, l ->]")]).unwrap();
    let expected =
        [&[4, 0][..], &1e10f64.to_le_bytes(), &[2, 0], &[2, 4, 2, b'k', 2, 12], b"v -> w", &[2, b'l', 0, 0]].concat();
    assert_eq!(bytes, expected);
}

#[test]
fn columns_that_are_not_read_are_an_error() {
    let catalog = catalog(vec![("a", ColumnType::Int)]);
    let plan = Plan::new(schema(&json!([{"name": "a", "type": "int"}])), &catalog).unwrap();
    assert_eq!(plan.encoder(&Columns::new(Vec::new())).unwrap_err(), ColumnNotRead { column: "a".into() });
    let (encoder, _) = bind(schema(&json!([{"name": "a", "type": "int"}])), &catalog);
    let mut rows = Rows::default();
    rows.refill(3).row(b"k");
    assert!(encoder.encode(&rows.row(0), &mut Vec::new()).unwrap_err().to_string().contains("3 columns"));
}

//! Telescopes' own alerts through the table and back. The folder with the `.avro` files is named by `FINK_TEST_ALERTS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fink::alert::{BytesFormat, Decoder, Encoder, Layout, LayoutOptions, ListEncoding, Plan, stream_schema};
use fink::avro::Schema;
use fink::avro::container::Container;
use fink::catalog::Catalog;
use fink::row::{Columns, Rows};
use serde_json::{Value, json};

use super::page;
use crate::fixture::real_alerts;

/// The Avro files, with the schema that readers get. The folder `lsst-wire` has framed messages, and files whose names begin with `DAMAGED` are.
fn files() -> Vec<(PathBuf, Container, Schema)> {
    let Some(folder) = real_alerts() else { return Vec::new() };
    let mut found = Vec::new();
    walk(&folder, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{} holds no Avro file", folder.display());
    let read = |path: PathBuf| {
        let alerts =
            Container::read(&std::fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let schema = alerts.schema.without_superseded().unwrap_or_else(|| alerts.schema.clone());
        (path, alerts, schema)
    };
    found.into_iter().map(read).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match path.is_dir() {
            true if name != "lsst-wire" => walk(&path, found),
            false if name.ends_with(".avro") && !name.starts_with("DAMAGED") => found.push(path),
            _ => {}
        }
    }
}

/// The row keys of the surveys.
const ROW_KEYS: [[&str; 2]; 4] = [
    ["objectId", "candid"],
    ["objectid", "candid"],
    ["diaObject_diaObjectId", "diaSource_diaSourceId"],
    ["diaSource_diaObjectId", "diaSource_diaSourceId"],
];

fn layout(alerts: &Container, history: ListEncoding) -> Layout {
    let of_key = |row_key: &[&str; 2]| {
        let options = LayoutOptions {
            namespace: "default",
            table: "alerts",
            family: "i",
            row_key,
            history,
            status: history == ListEncoding::Text,
        };
        Layout::new(&alerts.schema, &options).ok()
    };
    ROW_KEYS.iter().find_map(of_key).expect("a row key of some survey")
}

fn encoder(layout: &Layout, schema: &Schema) -> (Encoder, Columns) {
    let plan = Plan::new(Arc::new(schema.clone()), layout.catalog()).unwrap();
    assert_eq!(plan.warnings(), &[] as &[String]);
    let columns = page::columns(layout.catalog(), &plan.needed_columns());
    (plan.encoder(&columns).unwrap(), columns)
}

#[test]
fn avro_layout_returns_every_byte() {
    let (mut rows, mut out, mut count) = (Rows::default(), Vec::new(), 0);
    for (file, alerts, schema) in files() {
        let layout = layout(&alerts, ListEncoding::Avro);
        let read_back = Catalog::parse(&layout.catalog().to_json().to_string()).unwrap();
        assert_eq!(read_back, *layout.catalog());
        let (encoder, columns) = encoder(&layout, &schema);
        let mut flattener = layout.flattener();
        for datum in alerts.data() {
            page::fill(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            let value =
                |schema: &Schema, datum| Decoder::new(schema.clone()).value(datum, BytesFormat::Base64).unwrap();
            match alerts.schema == schema {
                true => assert!(out == datum, "{} differs", file.display()),
                false => assert_eq!(value(&schema, &out), value(&alerts.schema, datum), "{}", file.display()),
            }
            count += 1;
        }
    }
    eprintln!("{count} alerts came back byte for byte");
}

/// The paths at which what came back is not what went in, with both.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
            one.iter().for_each(|(key, value)| differences(&format!("{path}.{key}"), value, &other[key], found));
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).for_each(|(one, other)| differences(&format!("{path}[]"), one, other, found));
        }
        _ if before == after => {}
        _ => found.push((path.to_owned(), before.clone(), after.clone())),
    }
}

/// Nulls within records are filled, as in 2019; within lists text cannot tell a first empty string from null. Nothing else may differ.
#[test]
fn text_layout_differs_only_where_it_must() {
    let (mut rows, mut out, mut count, mut forced) = (Rows::default(), Vec::new(), 0, 0);
    for (file, alerts, schema) in files() {
        let layout = layout(&alerts, ListEncoding::Text);
        let (encoder, columns) = encoder(&layout, &schema);
        let mut flattener = layout.flattener();
        let (decoder, sent) = (Decoder::new(alerts.schema.clone()), Decoder::new(schema));
        for datum in alerts.data() {
            page::fill(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            let value = |decoder: &Decoder, datum| decoder.value(datum, BytesFormat::Base64).unwrap();
            let mut found = Vec::new();
            differences("", &value(&decoder, datum), &value(&sent, &out), &mut found);
            for (path, before, after) in found {
                let listed = path.contains("[]");
                let filled = [json!(""), json!(0), json!(0.0), json!(true)].contains(&after);
                let allowed = match listed {
                    true => before == "" && after.is_null(),
                    false => before.is_null() && filled && path.matches('.').count() > 1,
                };
                assert!(allowed, "{}: {path}: {before} became {after}", file.display());
                forced += 1;
            }
            count += 1;
        }
    }
    eprintln!("{count} alerts came back from text, with {forced} nulls filled");
}

/// A derived schema carries every value of the alert.
#[test]
fn derived_schema_carries_everything() {
    let (mut rows, mut out, mut count) = (Rows::default(), Vec::new(), 0);
    for (file, alerts, _) in files() {
        let layout = layout(&alerts, ListEncoding::Avro);
        let derived = stream_schema(layout.catalog(), None, None).unwrap();
        let plan = Plan::new(Arc::new(derived.clone()), layout.catalog()).unwrap();
        assert_eq!(plan.warnings(), &[] as &[String]);
        let columns = page::columns(layout.catalog(), &plan.needed_columns());
        let (encoder, mut flattener) = (plan.encoder(&columns).unwrap(), layout.flattener());
        for datum in alerts.data() {
            page::fill(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            let before = Decoder::new(alerts.schema.clone()).value(datum, BytesFormat::Base64).unwrap();
            let after = Decoder::new(derived.clone()).value(&out, BytesFormat::Base64).unwrap();
            assert_eq!(before, after, "{}", file.display());
            count += 1;
        }
    }
    eprintln!("{count} alerts came back in the derived schema");
}

//! Telescopes' own alerts through the table and back. The folder with the `.avro` files is named by `FINK_TEST_ALERTS`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fink::alert::{BytesFormat, Decoder, Encoder, Layout, LayoutOptions, ListEncoding, Plan, stream_schema};
use fink::avro::container::Container;
use fink::catalog::Catalog;
use fink::row::{Columns, Rows};
use serde_json::{Value, json};

use super::page;
use crate::fixture::skip;

/// The files, or nothing where no folder is named: they are not part of the project.
fn files() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("FINK_TEST_ALERTS") else {
        skip("FINK_TEST_ALERTS does not name a folder of real alerts");
        return Vec::new();
    };
    let mut found = Vec::new();
    walk(Path::new(&folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "FINK_TEST_ALERTS={} holds no .avro file", folder.display());
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => walk(&path, found),
            Some(extension) if extension == "avro" => found.push(path),
            _ => {}
        }
    }
}

fn layout(alerts: &Container, history: ListEncoding) -> Layout {
    let names = alerts.schema.to_string();
    let row_key: &[&str] = match names.contains("objectId\"") && names.contains("\"candid\"") {
        true => &["objectId", "candid"],
        false => &["diaObject_diaObjectId", "diaSource_diaSourceId"],
    };
    let options = LayoutOptions {
        namespace: "default",
        table: "alerts",
        family: "i",
        row_key,
        history,
        status: history == ListEncoding::Text,
    };
    Layout::new(&alerts.schema, &options).unwrap()
}

fn encoder(layout: &Layout, alerts: &Container) -> (Encoder, Columns) {
    let plan = Plan::new(Arc::new(alerts.schema.clone()), layout.catalog()).unwrap();
    assert_eq!(plan.warnings(), &[] as &[String]);
    let columns = page::columns(layout.catalog(), &plan.needed_columns());
    (plan.encoder(&columns).unwrap(), columns)
}

#[test]
fn avro_layout_returns_every_byte() {
    let (mut rows, mut out, mut count) = (Rows::default(), Vec::new(), 0);
    for file in files() {
        let alerts = Container::read(&std::fs::read(&file).unwrap()).unwrap();
        let layout = layout(&alerts, ListEncoding::Avro);
        let read_back = Catalog::parse(&layout.catalog().to_json().to_string()).unwrap();
        assert_eq!(read_back, *layout.catalog());
        let (encoder, columns) = encoder(&layout, &alerts);
        let mut flattener = layout.flattener();
        for datum in alerts.data() {
            page::fill(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            assert!(out == datum, "{} differs", file.display());
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
    for file in files() {
        let alerts = Container::read(&std::fs::read(&file).unwrap()).unwrap();
        let layout = layout(&alerts, ListEncoding::Text);
        let (encoder, columns) = encoder(&layout, &alerts);
        let (mut flattener, decoder) = (layout.flattener(), Decoder::new(alerts.schema.clone()));
        for datum in alerts.data() {
            page::fill(layout.catalog(), &columns, flattener.flatten(datum).unwrap(), &mut rows);
            out.clear();
            encoder.encode(&rows.row(0), &mut out).unwrap();
            let value = |datum| decoder.value(datum, BytesFormat::Base64).unwrap();
            let mut found = Vec::new();
            differences("", &value(datum), &value(&out), &mut found);
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
    for file in files() {
        let alerts = Container::read(&std::fs::read(&file).unwrap()).unwrap();
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

//! Hostile schemas: every operation on them takes a limited number of steps, or fails with an error that names the limit.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Decoder, Layout, Plan, stream_schema};
use crate::avro::{MAX_SCHEMA_DEPTH, MAX_SCHEMA_NODES, Schema, visits};

/// Far more than a schema within the limits needs: each walk visits a node a few times, on each of its levels.
const MAX_VISITS: u64 = 20 * (MAX_SCHEMA_NODES * MAX_SCHEMA_DEPTH) as u64;

/// Every operation on a schema from outside. Returns the error, and the number of visits.
fn use_all(text: &str) -> (Option<String>, u64) {
    visits::take();
    let schema = match Schema::parse(text) {
        Ok(schema) => schema,
        Err(error) => return (Some(error.to_string()), visits::take()),
    };
    let decoder = Decoder::new(schema.clone());
    assert!(decoder.projection(&["no.such.field"]).is_err());
    let mut out = Vec::new();
    for datum in [&[][..], &[0; 40], &[2; 200]] {
        let (checked, written) = (decoder.check(datum), decoder.json(datum, super::BytesFormat::Base64, &mut out));
        assert_eq!(checked.is_ok(), written.is_ok(), "{text}");
    }
    assert_eq!(Schema::parse(&schema.to_string()).expect("it reads back"), schema);
    if let Ok(layout) = Layout::keyless(&schema) {
        let catalog = layout.catalog();
        let half: Vec<usize> = (0..catalog.columns.len()).step_by(2).collect();
        for selected in [None, Some(half.as_slice())] {
            for telescope in [None, Some(&schema)] {
                if let Ok(schema) = stream_schema(catalog, telescope, selected) {
                    let _fits = Plan::new(Arc::new(schema), catalog);
                }
            }
        }
    }
    (None, visits::take())
}

fn record(name: &str, fields: Vec<Value>) -> Value {
    json!({"type": "record", "name": name, "fields": fields})
}

/// Records of which each refers to the one before `width` times, inside `wrap`.
fn nested(levels: usize, width: usize, wrap: impl Fn(Value) -> Value, default: bool) -> String {
    let fields = |level: usize| -> Vec<Value> {
        let field = |at: usize| {
            let inner = match (level, at) {
                (0, _) => json!("null"),
                (1, 0) => record("r0", Vec::new()),
                _ => json!(format!("r{}", level - 1)),
            };
            match default {
                true => json!({"name": format!("f{at}"), "type": inner, "default": {}}),
                false => json!({"name": format!("f{at}"), "type": wrap(inner)}),
            }
        };
        (0..width).map(field).collect()
    };
    // Each type is defined at the top, so that the text is flat.
    let types = (1..=levels)
        .map(|level| json!({"name": format!("t{level}"), "type": record(&format!("r{level}"), fields(level))}));
    record("root", types.collect()).to_string()
}

#[test]
fn small_text_with_a_huge_expansion_is_rejected() {
    for wrap in [
        |inner: Value| inner,
        |inner: Value| json!(["null", inner]),
        |inner: Value| json!({"type": "array", "items": inner}),
        |inner: Value| json!({"type": "map", "values": inner}),
    ] {
        let text = nested(39, 2, wrap, false);
        assert!(text.len() < 10_000);
        let (error, visits) = use_all(&text);
        assert!(error.as_ref().is_some_and(|error| error.contains("more than 50000 nodes")), "{error:?}");
        assert!(visits <= MAX_VISITS, "{visits} visits");
    }
    let (error, _) = use_all(&nested(39, 2, |inner| inner, true));
    assert!(error.as_ref().is_some_and(|error| error.contains("defaults have more than 50000 values")), "{error:?}");
}

#[test]
fn each_limit_is_named() {
    let fault = |text: String| use_all(&text).0.unwrap_or_default();
    let error = fault(nested(MAX_SCHEMA_DEPTH + 2, 1, |inner| inner, false));
    assert!(error.contains("more than 40 levels deep"), "{error}");
    let long = "n".repeat(1025);
    let error = fault(record(&long, Vec::new()).to_string());
    assert!(error.contains("maximum of 1024") && error.len() < 1000, "{error}");
    let field = json!({"name": long, "type": "int"});
    assert!(fault(record("r", vec![field]).to_string()).contains("maximum of 1024"));
    let error = fault(format!("\"{}\"", "x".repeat(5 << 20)));
    assert!(error.contains("maximum of 4194304"), "{error}");
    // An enum of many symbols with many references.
    let symbols: Vec<String> = (0..2000).map(|at| format!("S{at}")).collect();
    let first = json!({"name": "e", "type": {"type": "enum", "name": "E", "symbols": symbols}});
    let more = (0..100).map(|at| json!({"name": format!("e{at}"), "type": "E"}));
    let error = fault(record("r", std::iter::once(first).chain(more).collect()).to_string());
    assert!(error.contains("more than 50000 nodes"), "{error}");
    // Long names in deep records: their paths are longer than the schema.
    let name = |level: usize| format!("{}{level}", "p".repeat(1000));
    let mut inner = record("leaf", (0..400).map(|at| json!({"name": format!("x{at}"), "type": "int"})).collect());
    for level in 0..30 {
        inner = record(&format!("r{level}"), vec![json!({"name": name(level), "type": inner})]);
    }
    let error = fault(inner.to_string());
    assert!(error.contains("dotted paths"), "{error}");
}

#[test]
fn errors_show_parts_of_a_schema_shortened_and_escaped() {
    let name = format!("\u{1b}[2J\u{9b}\u{202e}{}", "x".repeat(10_000));
    let text = record("r", vec![json!({"name": "a", "type": name})]).to_string();
    let error = Schema::parse(&text).expect_err("no such type").to_string();
    assert!(error.len() < 1000 && !error.contains(crate::escape::is_control_or_bidi), "{error}");
}

#[test]
fn type_that_is_defined_many_times_is_compared_in_few_steps() {
    let inner = record("inner", (0..500).map(|at| json!({"name": format!("x{at}"), "type": "int"})).collect());
    let mut fields = vec![json!({"name": "first", "type": inner})];
    let again = |at: usize| json!({"name": format!("f{at}"), "type": record("again", vec![json!({"name": "a", "type": "inner"})])});
    fields.extend((0..60).map(again));
    let (error, visits) = use_all(&record("r", fields).to_string());
    assert!(error.is_none() && visits <= MAX_VISITS, "{error:?}, {visits} visits");
}

#[test]
fn wide_and_recursive_schemas_are_accepted() {
    let fields = (0..5000).map(|at| json!({"name": format!("x{at}"), "type": ["null", "double"], "default": null}));
    let (error, visits) = use_all(&record("wide", fields.collect()).to_string());
    assert!(error.is_none() && visits <= MAX_VISITS, "{error:?}, {visits} visits");
    let tree = r#"{"type": "record", "name": "tree", "fields": [
        {"name": "left", "type": ["null", "tree"]}, {"name": "right", "type": ["null", "tree"]},
        {"name": "all", "type": {"type": "array", "items": "tree"}}]}"#;
    assert_eq!(use_all(tree).0, None);
    // Each of them refers to all others, so that there are 12! paths.
    let names: Vec<String> = (0..12).map(|at| format!("m{at}")).collect();
    let mut inner = json!("m0");
    for (at, name) in names.iter().enumerate().rev() {
        let known = names[..=at].iter().map(|other| json!({"name": other, "type": ["null", other]}));
        inner = record(name, known.chain([json!({"name": "next", "type": inner})]).collect());
    }
    let (error, visits) = use_all(&inner.to_string());
    assert!(visits <= MAX_VISITS, "{error:?}, {visits} visits");
}

/// A type: of earlier ones by their number, or a new one.
fn kind(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("null")),
        Just(json!("boolean")),
        Just(json!("int")),
        Just(json!("string")),
        Just(json!("bytes")),
        (0_usize..60).prop_map(|at| json!(format!("r{at}"))),
        (0_usize..60).prop_map(|at| json!(format!("r{at}"))),
    ];
    leaf.prop_recursive(depth, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| json!({"type": "array", "items": inner})),
            inner.clone().prop_map(|inner| json!({"type": "map", "values": inner})),
            inner.clone().prop_map(|inner| json!(["null", inner])),
            inner.prop_map(|inner| json!(["string", inner])),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_hostile_schemas_take_a_bounded_number_of_steps(
        types in prop::collection::vec(prop::collection::vec((kind(3), prop::bool::weighted(0.2)), 0..4), 1..60),
    ) {
        // A type that is not defined yet is replaced by the last one that is, so that most schemas are valid.
        let known = |value: &Value, level: usize| -> Value {
            let mut text = value.to_string();
            for other in (level..60).rev() {
                text = text.replace(&format!("\"r{other}\""), &format!("\"r{}\"", level.saturating_sub(1)));
            }
            serde_json::from_str(&text).expect("JSON")
        };
        let mut fields = Vec::new();
        for (level, kinds) in types.iter().enumerate() {
            let field = |(at, (kind, default)): (usize, &(Value, bool))| {
                let kind = if level == 0 { json!("int") } else { known(kind, level) };
                match *default && kind.is_string() && kind.as_str().is_some_and(|name| name.starts_with('r')) {
                    true => json!({"name": format!("f{at}"), "type": kind, "default": {}}),
                    false => json!({"name": format!("f{at}"), "type": kind}),
                }
            };
            let described = record(&format!("r{level}"), kinds.iter().enumerate().map(field).collect());
            fields.push(json!({"name": format!("t{level}"), "type": described}));
        }
        let (_, visits) = use_all(&record("root", fields).to_string());
        prop_assert!(visits <= MAX_VISITS, "{visits} visits");
    }
}

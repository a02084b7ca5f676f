//! Pairs of random schemas: resolution is judged by `apache-avro`, and what is merged must hold the data of both.

use std::cell::Cell;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use fink::avro::{Reader, Resolution, Schema, Skipper};
use proptest::prelude::{ProptestConfig, TestCaseError, any, proptest};
use proptest::test_runner::TestRunner;
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value as Json, json};

use super::random_avro::{Random, datum};

/// Without decimals, of which the judge refuses some that it has written itself.
fn without_decimals(schema: &mut Json) {
    match schema {
        Json::Object(object) if object.get("logicalType").is_some_and(|name| name == "decimal") => {
            *schema = "bytes".into()
        }
        Json::Object(object) => object.values_mut().for_each(without_decimals),
        Json::Array(list) => list.iter_mut().for_each(without_decimals),
        _ => {}
    }
}

/// Changes a schema as its next version might.
fn evolve(random: &mut Random, schema: &mut Json, depth: usize) {
    match schema {
        Json::Object(object) if object.get("fields").is_some() => {
            let fields = object["fields"].as_array_mut().unwrap();
            for field in fields.iter_mut() {
                evolve(random, &mut field["type"], depth + 1);
                // A default may no longer be one.
                if (field["type"][0] == "null") != field["default"].is_null() || field["type"][0] != "null" {
                    field.as_object_mut().unwrap().remove("default");
                }
            }
            // The first field is the alert's identifier.
            let first = usize::from(depth == 0);
            if fields.len() > first && random.below(5) == 0 {
                let at = first + random.below(fields.len() - first);
                // Names that are defined there would be missing.
                if !fields[at].to_string().contains("\"name\":\"T") && !fields[at].to_string().contains(".T") {
                    fields.remove(at);
                }
            }
            if random.below(4) == 0 {
                let at = first + random.below(fields.len() + 1 - first);
                let name = format!("new{depth}_{}", random.below(1000));
                let (kind, default) = match random.below(4) {
                    0 => (json!(["null", "double"]), json!(null)),
                    1 => (json!("long"), json!(-99)),
                    2 => (json!({"type": "array", "items": "string"}), json!([])),
                    _ => (json!("string"), json!("none")),
                };
                fields.insert(at, json!({"name": name, "type": kind, "default": default}));
            }
            if fields.len() > first + 1 && random.below(6) == 0 && !object["fields"].to_string().contains("T") {
                let fields = object["fields"].as_array_mut().unwrap();
                let one = first + random.below(fields.len() - first);
                fields.swap(first, one);
            }
        }
        Json::Object(object) => {
            for key in ["items", "values"] {
                if let Some(inner) = object.get_mut(key) {
                    evolve(random, inner, depth + 1);
                }
            }
            if let Some(symbols) = object.get_mut("symbols").and_then(Json::as_array_mut)
                && random.below(3) == 0
            {
                symbols.insert(random.below(3), "INFRARED".into());
                if random.below(2) == 0 {
                    symbols.pop();
                }
            }
        }
        Json::Array(branches) => {
            branches.iter_mut().for_each(|branch| evolve(random, branch, depth + 1));
            match random.below(8) {
                0 if branches.len() == 2 => branches.swap(0, 1),
                1 if branches.len() == 2 && !branches.contains(&json!("boolean")) => branches.push("boolean".into()),
                2 if branches.len() == 2 && branches.contains(&json!("null")) => {
                    *schema = branches.iter().find(|branch| **branch != "null").unwrap().clone();
                }
                _ => {}
            }
            distinct(schema);
        }
        Json::String(word) => {
            let wider = match word.as_str() {
                "int" => ["long", "float", "double"][random.below(3)],
                "long" => ["float", "double"][random.below(2)],
                "float" => "double",
                "string" => "bytes",
                "bytes" => "string",
                _ => return,
            };
            match random.below(12) {
                0 => *schema = wider.into(),
                1 => *schema = json!(["null", word]),
                2 => *schema = ["int", "long", "string"][random.below(3)].into(),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Gives each new nullable field the default null: without a default it is null all the same, but not for the judge.
fn with_defaults(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            let is_new = object.get("name").and_then(Json::as_str).is_some_and(|name| name.starts_with("new"));
            if is_new
                && let Some(Json::Array(branches)) = object.get_mut("type")
                && branches.contains(&Json::from("null"))
            {
                branches.sort_by_key(|branch| branch != "null");
                object.insert("default".into(), Json::Null);
            }
            object.values_mut().for_each(with_defaults);
        }
        Json::Array(list) => list.iter_mut().for_each(with_defaults),
        _ => {}
    }
}

/// A union may not have a type twice, nor a union in it.
fn distinct(schema: &mut Json) {
    if let Json::Array(branches) = schema {
        let flat: Vec<Json> =
            branches.drain(..).flat_map(|branch| branch.as_array().cloned().unwrap_or_else(|| vec![branch])).collect();
        for branch in flat {
            if !branches.contains(&branch) {
                branches.push(branch);
            }
        }
    }
}

/// What was compared.
#[derive(Debug, Default)]
struct Counts {
    /// pairs of schemas of which the second cannot read data of the first
    refused: Cell<u64>,
    /// pairs of which it can
    resolved: Cell<u64>,
    /// data that came out the same, byte for byte
    data: Cell<u64>,
}

/// PROPTEST_CASES sets the number of pairs.
#[test]
fn resolution_is_that_of_apache_avro() {
    let counts = Counts::default();
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    runner.run(&any::<u64>(), |seed| compare(seed, &counts)).unwrap_or_else(|error| panic!("{error}"));
    println!("{counts:?}");
    assert!(counts.data.get() > 0);
}

fn compare(seed: u64, counts: &Counts) -> Result<(), TestCaseError> {
    let mut random = Random::new(seed);
    let mut written_json = random.alert();
    without_decimals(&mut written_json);
    let mut read_json = written_json.clone();
    for _ in 0..1 + random.below(3) {
        evolve(&mut random, &mut read_json, 0);
    }
    with_defaults(&mut read_json);
    let (Ok(written), Ok(read)) = (Schema::from_json(&written_json), Schema::from_json(&read_json)) else {
        return Ok(());
    };
    let judge = apache_avro::Schema::parse(&written_json).unwrap();
    let Ok(read_judge) = apache_avro::Schema::parse(&read_json) else { return Ok(()) };
    let verdict = SchemaCompatibility::can_read(&judge, &read_judge);
    let resolution = Resolution::new((&written, written.root()), (&read, read.root()));
    match (&verdict, &resolution) {
        (Err(error), Ok(_)) => prop_assert!(false, "{} and {}: {}", written_json, read_json, error),
        (Ok(Compatibility::Full), Err(error)) => prop_assert!(false, "{} and {}: {}", written_json, read_json, error),
        _ => {}
    }
    let (Ok(verdict), Ok(resolution)) = (verdict, resolution) else {
        counts.refused.set(counts.refused.get() + 1);
        return Ok(());
    };
    counts.resolved.set(counts.resolved.get() + 1);
    for _ in 0..4 {
        let original = datum(&judge, &random.value(&judge));
        let mut out = b"before".to_vec();
        let ours = resolution.resolve(&original, &mut out);
        let theirs = GenericDatumReader::builder(&judge)
            .reader_schema(&read_judge)
            .build()
            .unwrap()
            .read_value(&mut original.as_slice());
        match (ours, theirs) {
            (Ok(()), Ok(value)) => {
                let expected = datum(&read_judge, &value);
                counts.data.set(counts.data.get() + 1);
                prop_assert!(
                    out[6..] == expected,
                    "{}\n{}\n{:?}\n{:?}\n{:?}",
                    written_json,
                    read_json,
                    original,
                    &out[6..],
                    expected
                );
            }
            (Err(_), Err(_)) => {}
            // The judge resolves values: an empty array can be read whatever its items are.
            (Err(_), Ok(_)) if matches!(verdict, Compatibility::Partial) => {}
            (ours, theirs) => {
                prop_assert!(false, "{}\n{}\n{:?}\n{:?}\n{:?}", written_json, read_json, original, ours, theirs)
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merged_schemas_hold_the_data_of_both(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let older_json = random.alert();
        let mut newer_json = older_json.clone();
        for _ in 0..1 + random.below(3) {
            evolve(&mut random, &mut newer_json, 0);
        }
        let (Ok(older), Ok(newer)) = (Schema::from_json(&older_json), Schema::from_json(&newer_json)) else {
            return Ok(());
        };
        let Ok(newer_judge) = apache_avro::Schema::parse(&newer_json) else { return Ok(()) };
        let older_judge = apache_avro::Schema::parse(&older_json).unwrap();
        let Ok(merged) = older.merge(&newer) else { return Ok(()) };
        prop_assert_eq!(&Schema::parse(&merged.to_string()).unwrap(), &merged);
        prop_assert!(apache_avro::Schema::parse_str(&merged.to_string()).is_ok(), "{}", merged);
        prop_assert_eq!(&merged.merge(&merged).unwrap(), &merged, "{} and {}", older_json, newer_json);
        for known in [&older, &newer] {
            // Nothing comes in that is not there, though the order may change.
            let again = merged.merge(known).unwrap();
            prop_assert_eq!(again.to_string().len(), merged.to_string().len(), "{} and {}", older_json, newer_json);
        }
        let skipper = Skipper::new(&merged);
        for (schema, judge) in [(&older, &older_judge), (&newer, &newer_judge)] {
            let resolution = Resolution::new((schema, schema.root()), (&merged, merged.root()));
            let resolution = resolution.unwrap_or_else(|error| panic!("{older_json}\n{newer_json}\n{merged}\n{error}"));
            for _ in 0..3 {
                let original = datum(judge, &random.value(judge));
                let mut out = Vec::new();
                let resolved = resolution.resolve(&original, &mut out);
                let text = resolved.is_err_and(|error| error.what.contains("UTF-8"));
                prop_assert!(text || skipper.check(merged.root(), &out).is_ok(), "{}\n{}\n{}", older_json, newer_json, merged);
            }
        }
    }

    #[test]
    fn malformed_data_are_refused_without_a_panic(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let written_json = random.alert();
        let mut read_json = written_json.clone();
        evolve(&mut random, &mut read_json, 0);
        let (Ok(written), Ok(read)) = (Schema::from_json(&written_json), Schema::from_json(&read_json)) else {
            return Ok(());
        };
        let Ok(resolution) = Resolution::new((&written, written.root()), (&read, read.root())) else { return Ok(()) };
        let judge = apache_avro::Schema::parse(&written_json).unwrap();
        let skipper = Skipper::new(&written);
        let original = datum(&judge, &random.value(&judge));
        for _ in 0..20 {
            let mut broken = original.clone();
            let at = random.below(broken.len());
            match random.below(3) {
                0 => broken.truncate(at),
                1 => broken[at] = random.below(256) as u8,
                _ => broken.insert(at, random.below(256) as u8),
            }
            let mut out = Vec::new();
            if resolution.resolve(&broken, &mut out).is_ok() {
                prop_assert!(skipper.check(written.root(), &broken).is_ok());
                let mut reader = Reader::new(&out);
                prop_assert!(Skipper::new(&read).skip(read.root(), &mut reader).is_ok() && reader.left() == 0);
            }
        }
    }
}

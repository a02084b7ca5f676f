//! `fink rules check`: files right and wrong under `tests/rules`, and a sample of rows.
//!
//! The `.txt` file of the same name has the expected output: the meaning of the rules, or all their errors.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::Fixture;
use fink::alert::{Layout, LayoutOptions, ListEncoding};
use fink::avro::Schema;
use fink::catalog::Catalog;
use fink::rules::Rules;
use fink::science_db::{self, NewTable, Put, PutCell};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules")
}

#[test]
fn every_rules_file_is_explained_or_refused_as_written_beside_it() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    assert_eq!(files.len(), 12);
    for file in files {
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fink"));
        command.current_dir(folder()).env_remove("FINK_CONFIG").args(["rules", "check", "--catalog", "catalog.json"]);
        let output = command.arg(file.file_name().unwrap()).output().unwrap();
        let said = String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap();
        assert_eq!(said, expected, "{}", file.display());
        let code = if expected.starts_with("error: ") { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{}", file.display());
        assert_eq!(output.stderr.is_empty(), code == 0, "{}", file.display());
    }
}

#[test]
fn the_examples_in_conf_and_docs_are_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = Schema::parse(&std::fs::read_to_string(root.join("conf/schemas/ztf.avsc")).unwrap()).unwrap();
    for history in [ListEncoding::Avro, ListEncoding::Text] {
        let row_key = &["objectId", "candid"];
        let options = LayoutOptions { namespace: "default", table: "ztf", family: "i", row_key, history, status: true };
        let layout = Layout::new(&schema, &options).unwrap();
        let rules = Rules::load(&root.join("conf/distribution-rules.xml"), layout.catalog()).unwrap();
        assert_eq!(rules.conditions().len(), 2);
    }
    let catalog = Catalog::load(&folder().join("catalog.json")).unwrap();
    let docs = std::fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let blocks: Vec<&str> = docs.split("```xml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [whole, part] = blocks[..] else { panic!("docs/rules.md has two examples") };
    let worked = Rules::parse(whole.as_bytes(), &catalog).unwrap();
    let same = Rules::load(&folder().join("01-worked-example.xml"), &catalog).unwrap();
    assert_eq!(worked.columns(), same.columns());
    let part = format!("<distribution-rules><select><column name='*'/></select>{part}</distribution-rules>");
    assert!(Rules::parse(part.as_bytes(), &catalog).is_ok());
}

#[test]
fn a_rules_file_that_is_not_there_is_refused() {
    let fixture = fixture(Fixture::embedded("rules"));
    fixture.run(&["rules", "check", "nowhere.xml"]).assert_stderr(2, &["nowhere.xml", "cannot read the rules file"]);
    std::fs::write(fixture.path("large.xml"), " ".repeat((1 << 20) + 1)).unwrap();
    fixture
        .run(&["rules", "check", "large.xml"])
        .assert_stderr(2, &["large.xml is larger than the maximum of 1048576 bytes"]);
}

#[test]
fn a_sample_of_the_embedded_store_is_judged() {
    judged(&fixture(Fixture::embedded("rules")));
}

#[test]
fn a_sample_of_hbase_is_judged() {
    judged(&fixture(Fixture::with_servers("rules")));
}

/// With the catalog beside, its table named after the fixture, and the worked example.
fn fixture(fixture: Fixture) -> Fixture {
    let catalog = std::fs::read_to_string(folder().join("catalog.json")).unwrap();
    std::fs::write(fixture.path("catalog.json"), catalog.replace("rules_test", &fixture.name)).unwrap();
    std::fs::copy(folder().join("01-worked-example.xml"), fixture.path("rules.xml")).unwrap();
    fixture
}

/// A row of the worked example; `age` in ms.
fn row(key: &str, ra: f64, magpsf: &[u8], kind: &str, age: i64) -> Put {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let cell = |qualifier: &str, value: &[u8]| PutCell {
        family: "i".to_owned(),
        qualifier: qualifier.to_owned(),
        value: value.to_owned(),
    };
    let cells = vec![
        cell("candid", &697_251_921_215_010_004_i64.to_be_bytes()),
        cell("candidate_ra", &ra.to_be_bytes()),
        cell("candidate_magpsf", magpsf),
        cell("cross_match_alerts_per_batch", kind.as_bytes()),
    ];
    Put { key: key.as_bytes().to_owned(), timestamp: Some(now - age), cells }
}

/// The three rows of the worked example, and an older one that only a larger sample sees.
fn judged(fixture: &Fixture) {
    let settings = fixture.science_db_settings();
    let catalog = Catalog::load(&settings.catalog).unwrap();
    let mut db = science_db::open(&settings, &settings.table_of(&catalog)).unwrap();
    db.create_table(&NewTable { families: vec!["i".to_owned(), "d".to_owned()], splits: Vec::new() }).unwrap();
    db.put(&[
        row("ZTF18aceatkx", 20.393772, &16.074839_f32.to_be_bytes(), "Star", 3_000),
        row("ZTF18acsbjvw", 20.4233877, &17.245092_f32.to_be_bytes(), "Unknown", 2_000),
        row("ZTF18acsbten", 12.5489498, &19.667372_f32.to_be_bytes(), "Unknown", 1_000),
        // Not an alert: what Fink's writer keeps of the columns' types.
        row("schema_0.7_0.3", 0.0, b"float", "string", 500),
        row("ZTF17aaaaaaa", 12.5, &15_f32.to_be_bytes(), "Star", 40_000_000),
    ])
    .unwrap();
    let sample = |count: &str| -> serde_json::Value {
        let finished = fixture.ok(&["rules", "check", "rules.xml", "--sample", count, "--format", "json"]);
        serde_json::from_str(&finished.stdout).unwrap()
    };
    let refused = |document: &serde_json::Value| -> Vec<u64> {
        document["conditions"].as_array().unwrap().iter().map(|entry| entry["refused"].as_u64().unwrap()).collect()
    };
    let of_three = sample("3");
    assert_eq!(of_three["sample"]["rows"], 3);
    assert_eq!(of_three["sample"]["kept"][0]["row_key"], "ZTF18aceatkx");
    assert_eq!(refused(&of_three), [0, 0, 2]);
    let of_all = sample("100");
    assert_eq!((of_all["sample"]["rows"].as_u64(), refused(&of_all)), (Some(4), vec![1, 0, 2]));
    let text = fixture.ok(&["rules", "check", "rules.xml", "--sample", "3"]).stdout;
    assert!(text.contains("Of the newest 3 rows 1 would be sent.\n"), "{text}");

    db.put(&[row("ZTF19zzzzzzz", 12.5, b"15", "Star", 0)]).unwrap();
    let finished = fixture.run(&["rules", "check", "rules.xml", "--sample", "1"]);
    finished.assert_stderr(1, &["1 of these rows cannot be evaluated"]);
    let reason =
        "row `ZTF19zzzzzzz`: column `candidate_magpsf` is float in the catalog, but its cell has 2 bytes instead of 4";
    assert!(finished.stdout.contains(reason), "{finished:?}");
}

//! `fink simulate`, driven as a user would.

use std::collections::BTreeMap;
use std::path::Path;

use crate::fixture::stored_table::Table;
use crate::fixture::{Finished, Fixture};
use fink::avro::container::Container;
use serde_json::Value as Json;

fn simulate(fixture: &Fixture, arguments: &str) -> Finished {
    let arguments: Vec<&str> = ["simulate", "--format", "ndjson"].into_iter().chain(arguments.split(' ')).collect();
    fixture.run(&arguments)
}

fn report(finished: &Finished) -> Json {
    assert_eq!(finished.code, 0, "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

/// The files of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_seed_always_gives_the_same_files_in_parts_too() {
    let fixture = Fixture::embedded("simulate");
    let done = report(&simulate(&fixture, "--survey lsst --alerts 12 --seed 3 --out whole"));
    assert_eq!((&done["files"], &done["folder"]), (&12.into(), &"whole".into()));
    report(&simulate(&fixture, "--survey lsst --alerts 7 --seed 3 --out parts"));
    report(&simulate(&fixture, "--survey lsst --first 7 --alerts 5 --seed 3 --out parts"));
    let whole = files(&fixture.path("whole"));
    assert!(whole == files(&fixture.path("parts")), "the parts differ from the whole");
    assert_eq!(done["bytes"], whole.values().map(Vec::len).sum::<usize>());
    report(&simulate(&fixture, "--survey lsst --alerts 12 --seed 4 --out other"));
    assert!(whole != files(&fixture.path("other")));
}

#[test]
fn what_is_loaded_is_what_the_files_hold() {
    let fixture = Fixture::embedded("simulate");
    report(&simulate(&fixture, "--survey ztf --alerts 50 --seed 1 --cross-match --out files"));
    let done = report(&simulate(&fixture, "--survey ztf --alerts 50 --seed 1 --cross-match --into-db"));
    assert_eq!(done["alerts"], 50);
    let mut wanted: Vec<Vec<u8>> = files(&fixture.path("files"))
        .values()
        .flat_map(|file| Container::read(file).unwrap().data().map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect();
    wanted.sort();
    let mut table = Table::of(&fixture);
    assert!(table.alerts() == wanted, "the alerts differ");
    assert!(table.rows().values().any(|row| row.cells["cross_match_alerts_per_batch"] == b"Unknown"));
}

#[test]
fn a_size_can_be_asked_for() {
    let fixture = Fixture::embedded("simulate");
    report(&simulate(&fixture, "--survey ztf --alerts 10 --seed 1 --bytes 100000 --out long"));
    assert!(files(&fixture.path("long")).values().filter(|file| file.len() > 95_000).count() > 5);
}

#[test]
fn wrong_arguments_are_refused_with_what_to_do() {
    let fixture = Fixture::embedded("simulate");
    simulate(&fixture, "--survey hst --alerts 1 --seed 1 --out x").assert_stderr(2, &["use `ztf` or `lsst`"]);
    simulate(&fixture, "--survey ztf --alerts 1 --seed 1").assert_stderr(2, &["--out", "--into-db"]);
    simulate(&fixture, "--survey ztf --alerts 1 --seed 1 --out x --into-db").assert_stderr(2, &["cannot be used with"]);
    simulate(&fixture, "--survey ztf --alerts 1 --seed 1 --out x --history text").assert_stderr(2, &["--into-db"]);
    assert!(!fixture.path("x").exists());
}

#[test]
fn through_thrift_into_hbase() {
    let mut fixture = Fixture::with_servers("simulate");
    fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
    let done = report(&simulate(&fixture, "--survey lsst --alerts 100 --seed 5 --into-db --regions 3 --rate 200"));
    assert_eq!((&done["alerts"], &done["table"]), (&100.into(), &format!("default:{}", fixture.name).into()));
    let mut table = Table::of(&fixture);
    assert_eq!((table.rows().len(), table.splits().len()), (100, 2));
}

#[test]
fn enriched_alerts_have_what_fink_adds() {
    let fixture = Fixture::embedded("simulate");
    for (survey, count) in [("ztf", "300"), ("lsst", "150")] {
        let options = format!("--survey {survey} --alerts {count} --seed 1 --enriched --out {survey}");
        report(&simulate(&fixture, &options));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/enriched.py");
        let output = std::process::Command::new(crate::fixture::cluster::python())
            .arg(script)
            .args([survey.as_ref(), fixture.path(survey).as_os_str()])
            .env("HOME", fixture.folder.path())
            .env("MPLBACKEND", "agg")
            .output()
            .expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(read["alerts"], count.parse::<u64>().expect("a number"), "{read}");
    }
    // They are loaded and selected like others.
    report(&simulate(&fixture, "--survey ztf --alerts 50 --seed 1 --enriched --into-db"));
    let mut table = Table::of(&fixture);
    assert!(table.rows().values().all(|row| row.cells.contains_key("cdsxmatch")));
}

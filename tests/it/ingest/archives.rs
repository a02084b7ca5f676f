//! Archives and compressed files, read as streams.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value as Json;

use super::schemas::write_container;
use super::{alerts_in, ingest, run_ingest, simulate};
use crate::fixture::stored_table::Table;
use crate::fixture::{Fixture, real_alerts_of};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of some members.
fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The files of a folder as members of an archive, by name.
fn members(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn archives_and_compressed_files_give_the_same_alerts() {
    let fixture = Fixture::embedded("archives");
    simulate(&fixture, "ztf", 30, "alerts");
    let alerts = alerts_in(&fixture.path("alerts"));
    let mut files = members(&fixture.path("alerts"));
    std::fs::create_dir(fixture.path("night")).unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(fixture.path("night").join(name), content).unwrap();
    // Long names need a header of their own, and what is no Avro file is left out.
    let long = |(name, content): (String, Vec<u8>)| (format!("{}/{name}", "d".repeat(120)), content);
    let mut in_tar: Vec<_> = files.drain(..8).map(long).collect();
    in_tar.push(("README.txt".to_owned(), b"not an alert".to_vec()));
    write("a.tar", &tar(&in_tar));
    write("b.tar.gz", &gzip(&tar(&files.drain(..8).collect::<Vec<_>>())));
    let compressed = files.drain(..6).map(|(name, content)| (format!("{name}.gz"), gzip(&content)));
    write("c.TGZ", &gzip(&tar(&compressed.collect::<Vec<_>>())));
    for (name, content) in files.drain(..) {
        write(&format!("{name}.gz"), &gzip(&content));
    }
    let report = ingest(&fixture, &["night"]);
    assert_eq!((&report["alerts"], &report["files"], &report["broken_files"]), (&30.into(), &30.into(), &0.into()));
    assert!(Table::of(&fixture).alerts() == alerts, "alerts differ");
    // A second run writes nothing that is there.
    let before: Vec<i64> = Table::of(&fixture).rows().values().map(|row| row.timestamp).collect();
    simulate(&fixture, "ztf", 31, "more");
    let report = ingest(&fixture, &["night", "more", "--skip-existing"]);
    assert_eq!((&report["alerts"], &report["existing"]), (&1.into(), &60.into()), "{report}");
    let after: Vec<i64> = Table::of(&fixture).rows().values().map(|row| row.timestamp).collect();
    assert_eq!(after.iter().filter(|timestamp| before.contains(timestamp)).count(), 30);
}

#[test]
fn an_empty_archive_is_no_error() {
    let fixture = Fixture::embedded("archives");
    std::fs::write(fixture.path("1.tar"), tar(&[])).unwrap();
    std::fs::write(fixture.path("2.tar.gz"), gzip(&tar(&[]))).unwrap();
    std::fs::write(fixture.path("3.tar.gz"), gzip(&tar(&[("README".to_owned(), b"no alerts tonight".to_vec())])))
        .unwrap();
    for name in ["1.tar", "2.tar.gz", "3.tar.gz"] {
        let finished = run_ingest(&fixture, &[name]);
        finished.assert_stderr(0, &["there is no alert in the files: nothing was loaded"]);
        let report: Json = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(report["alerts"], 0);
    }
    assert!(!fixture.path("catalog.json").exists());
    // Beside others it changes nothing.
    simulate(&fixture, "ztf", 3, "alerts");
    assert_eq!(ingest(&fixture, &["1.tar", "alerts", "2.tar.gz"])["alerts"], 3);
}

#[test]
fn what_is_damaged_in_an_archive_is_named_and_the_rest_loaded() {
    let fixture = Fixture::embedded("archives");
    simulate(&fixture, "ztf", 12, "alerts");
    let mut files = members(&fixture.path("alerts"));
    let damaged = files[4].0.clone();
    let half = files[4].1.len() / 2;
    files[4].1.truncate(half);
    let whole = tar(&files);
    std::fs::write(fixture.path("member.tar.gz"), gzip(&whole)).unwrap();
    let finished = run_ingest(&fixture, &["member.tar.gz"]);
    finished.assert_stderr(1, &[&format!("member.tar.gz: {damaged}: the Avro file is damaged"), "1 of 12 files"]);
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["alerts"], &report["broken_files"]), (&11.into(), &1.into()));
    assert_eq!(Table::of(&fixture).rows().len(), 11);

    // An archive whose second half is missing, compressed and not.
    let half = whole.len() / 2;
    for (name, content) in [("cut.tar", whole[..half].to_vec()), ("cut.tar.gz", gzip(&whole[..half]))] {
        std::fs::write(fixture.path(name), &content).unwrap();
        let finished = run_ingest(&fixture, &[name]);
        finished.assert_stderr(1, &[&format!("{name}: "), "damaged"]);
        let report: Json = serde_json::from_str(&finished.stdout).unwrap();
        assert!((4..7).contains(&report["alerts"].as_u64().unwrap()), "{report}");
    }
    let mut content = gzip(&whole);
    content.truncate(content.len() / 2);
    std::fs::write(fixture.path("stopped.tar.gz"), &content).unwrap();
    run_ingest(&fixture, &["stopped.tar.gz"])
        .assert_stderr(1, &["stopped.tar.gz: ", "files could not be loaded completely"]);
}

#[test]
fn files_that_are_not_what_their_names_say_are_named() {
    let fixture = Fixture::embedded("archives");
    simulate(&fixture, "ztf", 2, "alerts");
    std::fs::write(fixture.path("a.avro.gz"), "plain text").unwrap();
    std::fs::write(fixture.path("b.tar"), vec![b'x'; 2000]).unwrap();
    std::fs::write(fixture.path("c.tar.gz"), gzip(b"no archive")).unwrap();
    std::fs::write(fixture.path("d.avro.gz"), gzip(b"\x00\x01")).unwrap();
    std::fs::write(fixture.path("e.tar.gz"), "").unwrap();
    let finished = run_ingest(&fixture, &["a.avro.gz", "b.tar", "c.tar.gz", "d.avro.gz", "e.tar.gz", "alerts"]);
    finished.assert_stderr(
        1,
        &[
            "a.avro.gz: not a gzip file",
            "b.tar: not a tar archive",
            "c.tar.gz: not a tar archive",
            "d.avro.gz: not an Avro file: it does not start with `Obj`",
            "e.tar.gz: not a gzip file",
            "5 of 7 files",
        ],
    );
    assert_eq!(Table::of(&fixture).rows().len(), 2);
}

/// A file of 100 MB in blocks of 1 MB, and an archive with it: neither is in memory as a whole.
#[test]
fn large_files_are_read_in_constant_memory() {
    let fixture = Fixture::embedded("archives");
    let schema = r#"{"type": "record", "name": "a", "fields": [{"name": "id", "type": "int"}, {"name": "image", "type": "bytes"}]}"#;
    let image: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let datum = |id: i64| {
        let mut datum = Vec::new();
        fink::avro::write_long(id, &mut datum);
        fink::avro::write_bytes(&image, &mut datum);
        datum
    };
    let data: Vec<Vec<u8>> = (0..100).map(datum).collect();
    write_container(&fixture.path("large.avro"), schema, &data);
    drop(data);
    let (code, log, peak) = fixture.start(&["ingest", "large.avro", "--row-key", "id"], "log").wait_with_peak();
    assert_eq!(code, 0, "{log}");
    assert!(peak < 256 << 20, "{} MB", peak >> 20);
    assert_eq!(Table::of(&fixture).rows().len(), 100);

    // Damaged at its end: what is before that is loaded.
    let mut file = std::fs::read(fixture.path("large.avro")).unwrap();
    let end = file.len() - 3;
    file[end] ^= 1;
    std::fs::write(fixture.path("large.avro"), &file).unwrap();
    let other = Fixture::embedded("archives");
    let finished = run_ingest(&other, &[&fixture.path("large.avro").display().to_string(), "--row-key", "id"]);
    finished
        .assert_stderr(1, &["large.avro: the Avro file is damaged: a block without its sync marker", "1 of 1 files"]);
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert!(report["alerts"].as_u64().unwrap() >= 90, "{report}");
}

#[test]
fn a_nightly_archive_of_ztf_is_loaded() {
    let Some(folder) = real_alerts_of("ztf-tarball") else { return };
    let fixture = Fixture::embedded("archives");
    let report = ingest(&fixture, &[&folder.display().to_string()]);
    assert_eq!((&report["alerts"], &report["files"]), (&30.into(), &30.into()));
}

#[test]
fn an_alert_of_5_mb_is_loaded() {
    let fixture = Fixture::embedded("archives");
    let schema = r#"{"type": "record", "name": "a", "fields": [{"name": "id", "type": "int"}, {"name": "image", "type": "bytes"}]}"#;
    let mut datum = vec![2];
    fink::avro::write_bytes(&vec![7; 5 << 20], &mut datum);
    write_container(&fixture.path("1.avro"), schema, std::slice::from_ref(&datum));
    std::fs::write(fixture.path("2.tar.gz"), gzip(&tar(&members_of(&fixture, "1.avro")))).unwrap();
    for name in ["1.avro", "2.tar.gz"] {
        assert_eq!(ingest(&fixture, &[name, "--row-key", "id"])["alerts"], 1);
        assert!(Table::of(&fixture).alerts() == [datum.clone()], "{name}");
    }
}

fn members_of(fixture: &Fixture, name: &str) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), std::fs::read(fixture.path(name)).unwrap())]
}

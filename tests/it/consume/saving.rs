//! Files: what they hold, and that no end of a process loses an alert or writes it twice.

use std::path::Path;

use rustix::process::Signal;

use super::Consumer;
use crate::fixture::topics::{Topic, admin};
use crate::fixture::wait_until;
use fink::kafka::topics::TopicSpec;

/// How often each format is killed; `FINK_TEST_KILLS` says another number.
const KILLS: u64 = 8;

const FORMATS: [&str; 3] = ["avro", "avro-many", "parquet"];

/// How many alerts the files with names hold.
fn saved_alerts(folder: &Path, format: &str) -> usize {
    let ending = if format == "parquet" { ".parquet" } else { ".avro" };
    let held = |name: &String| {
        let mut offsets = name.trim_end_matches(ending).rsplit('-').take(2).map(|offset| offset.parse::<usize>());
        match (format, offsets.next(), offsets.next()) {
            ("avro", ..) => 1,
            (_, Some(Ok(last)), Some(Ok(first))) => last - first + 1,
            _ => panic!("the file {name} is not named by its offsets"),
        }
    };
    files(folder, ending).iter().map(held).sum()
}

/// How many files are under way.
fn files_under_way(folder: &Path) -> usize {
    let hidden = std::fs::read_dir(folder.join(".fink")).into_iter().flatten().flatten();
    let within = hidden.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten().flatten());
    within.filter(|file| file.file_name().to_string_lossy().ends_with(".tmp")).count()
}

fn files(folder: &Path, ending: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            true if !name.starts_with('.') => {
                files.extend(self::files(&entry.path(), ending).into_iter().map(|file| format!("{name}/{file}")));
            }
            true => {}
            false => files.extend(name.ends_with(ending).then_some(name)),
        }
    }
    files.sort();
    files
}

#[test]
fn every_format_holds_what_was_sent() {
    for survey in ["ztf", "lsst"] {
        let consumer = Consumer::new(&format!("formats_{survey}"));
        let mut sent = consumer.send(survey, "datum", "schema", if survey == "ztf" { 50 } else { 0 });
        sent.sort_unstable();
        for format in FORMATS {
            let rows: &[&str] = if format == "avro" { &[] } else { &["--rows", "10"] };
            let arguments = ["consume", "--from", "earliest", "--until-end", "--save", format, "--as", format];
            let arguments: Vec<&str> = arguments.iter().chain(rows).copied().collect();
            consumer.fixture.ok(&arguments);
            assert_eq!(consumer.saved(format, survey), sent, "{survey} {format}");
        }
        let names = files(&consumer.fixture.path("avro"), ".avro");
        let expected = if survey == "ztf" { "ZTF" } else { &sent[0].to_string() };
        assert!(names.len() == sent.len() && names[0].starts_with(expected), "{names:?}");
        if survey == "ztf" {
            let names = files(&consumer.fixture.path("parquet"), ".parquet");
            assert!(names.contains(&"p0-000000000000-000000000009.parquet".to_owned()), "{names:?}");
            let types = consumer.saved_with_types("parquet", survey)["types"].clone();
            assert_eq!((types["candid"].as_str(), types["objectId"].as_str()), (Some("int64"), Some("string")));
        }
    }
}

#[test]
fn folders_and_stamps_are_as_asked_for() {
    let consumer = Consumer::new("folders");
    let sent = consumer.send("ztf", "datum", "schema", 20);
    let save = |folder: &str, more: &[&str]| {
        let all = ["consume", "--from", "earliest", "-e", "--save", folder];
        let all: Vec<&str> = all.iter().chain(more).copied().collect();
        consumer.fixture.ok(&all);
        assert_eq!(consumer.saved(folder, "ztf"), sent, "{folder}");
    };
    save("times", &["--as", "parquet", "--partition-by", "time", "--by", "topic"]);
    let names = files(&consumer.fixture.path("times"), ".parquet");
    let beginning = format!("{}/year=", consumer.topic.0);
    assert!(names.iter().all(|name| name.starts_with(&beginning) && name.contains("/month=")), "{names:?}");
    save("classes", &["--as", "avro-many", "--partition-by", "class"]);
    let names = files(&consumer.fixture.path("classes"), ".avro");
    assert!(names.iter().all(|name| name.starts_with("finkclass=")), "{names:?}");
    save("bare", &["--as", "parquet", "--no-stamps"]);
    save("bare_avro", &["--no-stamps"]);
    let size = |folder: &str, ending: &str| -> u64 {
        let folder = consumer.fixture.path(folder);
        files(&folder, ending).iter().map(|name| folder.join(name).metadata().expect("a file").len()).sum()
    };
    assert!(size("bare", ".parquet") * 2 < size("times", ".parquet"));
    let other = ["consume", "--from", "earliest", "-e", "--save", "bare", "--as", "parquet", "--where", "magpsf < 1"];
    consumer.fixture.run(&other).assert_stderr(2, &["holds what was saved in another way"]);
}

#[test]
fn what_a_folder_has_is_not_written_again() {
    let consumer = Consumer::new("again");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    for format in FORMATS {
        for _ in 0..2 {
            consumer.fixture.ok(&["consume", "--from", "earliest", "-e", "--save", format, "--as", format]);
        }
        assert_eq!(consumer.saved(format, "ztf"), sent, "{format}");
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_writes_nothing_twice() {
    let mut consumer = Consumer::new("kills");
    // A member with a name of its own takes its partitions back at once, where others wait until the killed one has timed out.
    consumer.fixture.add("[kafka.librdkafka]", "\"group.instance.id\" = \"one\"");
    let sent = consumer.send("ztf", "datum", "schema", 600);
    for (number, format) in FORMATS.into_iter().enumerate() {
        let group = format!("{}_{number}", consumer.group);
        let rows: &[&str] = if format == "avro" { &[] } else { &["--rows", "7"] };
        let arguments = ["-v", "--group", &group, "--save", format, "--as", format];
        let arguments: Vec<&str> = arguments.iter().chain(rows).copied().collect();
        let kills = std::env::var("FINK_TEST_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
        for kill in 0..kills {
            let running = consumer.start(&arguments, &format!("{format}_{kill}.log"));
            running.wait_for("reading 3 partitions");
            // Kills at other moments: before the first file, between files, between a file and its name, between that and its commit.
            let (folder, begun) = (consumer.fixture.path(format), saved_alerts(&consumer.fixture.path(format), format));
            let wanted = begun + usize::try_from(kill).expect("a small number") * sent.len() / 40;
            let has_come = || {
                let saved = saved_alerts(&folder, format);
                (saved == sent.len() || saved + files_under_way(&folder) >= wanted).then_some(())
            };
            wait_until(|| running.log(), has_come);
            running.kill();
        }
        let until_end: Vec<&str> = ["consume", "--until-end"].iter().chain(&arguments).copied().collect();
        consumer.fixture.ok(&until_end);
        assert_eq!(consumer.saved(format, "ztf"), sent, "{format}");
    }
}

#[test]
fn two_consumers_of_a_group_save_each_alert_once() {
    let consumer = Consumer::new("rebalance");
    for format in FORMATS {
        let mut sent = consumer.send("ztf", "datum", "schema", 200);
        let group = format!("{}_{format}", consumer.group);
        let rows: &[&str] = if format == "avro" { &[] } else { &["--rows", "7", "--flush", "2s"] };
        let arguments = ["-v", "--group", &group, "--save", format, "--as", format];
        let arguments: Vec<&str> = arguments.iter().chain(rows).copied().collect();
        let one = consumer.start(&arguments, &format!("{format}_one.log"));
        let ending = if format == "parquet" { ".parquet" } else { ".avro" };
        let is_saving = || !files(&consumer.fixture.path(format), ending).is_empty();
        wait_until(|| one.log(), || is_saving().then_some(()));
        // The second takes partitions from the first; then the first ends, by a kill, and the second takes what is left.
        let other = consumer.start(&arguments, &format!("{format}_other.log"));
        other.wait_for("reading ");
        consumer.send("ztf", "datum", "schema", 200);
        one.kill();
        other.wait_for("reading 3 partitions");
        other.terminate();
        let until_end: Vec<&str> = ["consume", "--until-end"].iter().chain(&arguments).copied().collect();
        consumer.fixture.ok(&until_end);
        // The same 200 ids were sent again: names of single alerts are the ids, files of many hold both.
        let saved = consumer.saved(format, "ztf");
        if format != "avro" {
            let rounds = FORMATS.iter().position(|known| *known == format).expect("a format") + 1;
            sent = (0..2 * rounds).flat_map(|_| sent.clone()).collect();
            sent.sort_unstable();
        }
        assert_eq!(saved, sent, "{format}: {} {}", saved.len(), sent.len());
    }
}

#[test]
fn a_signal_saves_what_was_read_and_commits_it() {
    let consumer = Consumer::new("signals");
    let sent = consumer.send("ztf", "datum", "schema", 60);
    for (signal, code, folder) in [(Signal::INT, 130, "interrupted"), (Signal::TERM, 0, "terminated")] {
        let group = format!("{}_{folder}", consumer.group);
        let save = ["--group", &group, "--save", folder, "--as", "parquet", "--flush", "1h"];
        let running = consumer.start(&save, "consume.log");
        let has_begun = || (files_under_way(&consumer.fixture.path(folder)) > 0).then_some(());
        wait_until(|| running.log(), has_begun);
        running.signal(signal);
        let (ended, log) = running.wait();
        assert_eq!(ended, code, "{log}");
        let mut all = consumer.saved(folder, "ztf");
        assert!(!all.is_empty(), "{log}");
        all.extend(consumer.candids(&["--group", &group, "-e"]));
        all.sort_unstable();
        assert_eq!(all, sent, "{log}");
    }
}

#[test]
fn a_command_for_a_file_of_many_is_run_until_it_succeeds() {
    let consumer = Consumer::new("exec_many");
    let sent = consumer.send("ztf", "datum", "schema", 30);
    let save = |command: &str| {
        let all = ["consume", "-e", "--save", "saved", "--as", "avro-many", "--rows", "5", "--exec", command];
        consumer.fixture.run(&all)
    };
    let done = consumer.fixture.path("done");
    // It fails for the second file; the files of the first call are in place, and are not written again.
    save("test $(cat done 2>/dev/null | wc -l) -lt 1 && echo {file} >>done")
        .assert_stderr(1, &["the command for", "the next call runs the command again"]);
    save("exit 1").assert_stderr(1, &["the command for"]);
    let finished = save("echo {file} >>done");
    assert_eq!(finished.code, 0, "{finished:?}");
    let text = std::fs::read_to_string(done).expect("a file");
    let mut commands: Vec<&str> = text.lines().map(|line| line.rsplit('/').next().unwrap_or(line)).collect();
    commands.sort_unstable();
    assert_eq!(commands, files(&consumer.fixture.path("saved"), ".avro"));
    assert_eq!(consumer.saved("saved", "ztf"), sent);
}

#[test]
fn a_command_that_fails_ends_before_the_commit() {
    let consumer = Consumer::new("exec");
    let sent = consumer.send("ztf", "datum", "schema", 9);
    let failing = ["consume", "-e", "--save", "saved", "--exec", "test -s {file} && false"];
    consumer.fixture.run(&failing).assert_stderr(1, &["the command for", "its offsets are not committed"]);
    consumer.fixture.ok(&[
        "consume",
        "-e",
        "--save",
        "saved",
        "--exec",
        "cp {file} copy.txt",
        "--exec-failures",
        "ignore",
    ]);
    assert_eq!(consumer.saved("saved", "ztf"), sent);
    assert!(consumer.fixture.path("copy.txt").exists());
    // Everything is committed now.
    assert!(consumer.candids(&["-e"]).is_empty());
}

#[test]
fn parquet_files_of_many_partitions_take_little_memory() {
    let mut consumer = Consumer::new("memory");
    let alerts = consumer.fixture.path("large");
    let out = alerts.display().to_string();
    let simulate = ["simulate", "--survey", "lsst", "--alerts", "12", "--seed", "5", "--bytes", "80000", "--out", &out];
    consumer.fixture.ok(&simulate);
    consumer.files = Some(alerts);
    let topic = Topic::named(format!("{}_many", consumer.topic.0));
    let spec = TopicSpec { partitions: Some(12), replication: None, config: Vec::new() };
    admin().create_topic(&topic.0, &spec).expect("a topic");
    consumer.send_to(&topic.0, "lsst", "datum", "schema", 1500);
    let arguments = [&topic.0, "--no-group", "-e", "--save", "saved", "--as", "parquet", "--rows", "10000"];
    let (code, log, peak) = consumer.start(&arguments, "memory.log").wait_with_peak();
    assert!(code == 0 && log.contains("1,500 alerts saved"), "{log}");
    assert!(peak < 200 << 20, "{} MB", peak >> 20);
    assert_eq!(saved_alerts(&consumer.fixture.path("saved"), "parquet"), 1500);
}

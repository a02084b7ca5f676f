//! `fink audit` of many alerts: how long it takes, and how much memory. FINK_AUDIT_ALERTS says how many; `scripts/dev/long-test audit` sets it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use fink::science_db::{Put, PutCell};

use super::audit::{MessageCopy, producer, table};
use crate::fixture::alert_table::{key, now};

/// Most memory that an audit may take, however many alerts there are.
const MOST_MEMORY: u64 = 256 << 20;

#[test]
fn one_missing_doubled_and_altered_alert_of_many_are_found_in_bounded_memory() {
    let count = std::env::var("FINK_AUDIT_ALERTS").map_or(5_000, |count| count.parse().expect("a number of alerts"));
    let mut table = table("auditscale");
    let start = now() - 7_200_000;
    for number in (0..count).step_by(1_000) {
        table.put(number..(number + 1_000).min(count), Some(start + i64::from(number / 1_000)));
    }
    let until = start + i64::from(count / 1_000) + 1;
    let (from, until) = (start.to_string(), until.to_string());
    table.fixture.ok(&["start", "distribution", "--until", &until]);
    let messages = table.messages(&table.fixture.name);
    assert_eq!(messages.len(), count as usize);
    let doubled = MessageCopy::of(&messages[count as usize / 2]);
    let by_hand = producer(&table);
    by_hand.begin().expect("a transaction");
    doubled.send(&by_hand, &table.fixture.name);
    let _committed = by_hand.commit().expect("a commit");
    drop(messages);
    table.put(count..count + 1, Some(start));
    let cells =
        vec![PutCell { family: "i".into(), qualifier: "candidate_ra".into(), value: 1_f64.to_be_bytes().to_vec() }];
    table.db.put(&[Put { key: key(7), timestamp: Some(start), cells }]).expect("a cell is written");

    let began = Instant::now();
    let arguments = ["audit", "--as-admin", "--from", &from, "--until", &until];
    let mut audit =
        table.fixture.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let status = format!("/proc/{}/status", audit.id());
    let mut peak = 0;
    while audit.try_wait().expect("a child").is_none() {
        peak = peak.max(peak_memory(&std::fs::read_to_string(&status).unwrap_or_default()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let seconds = began.elapsed().as_secs_f64();
    let output = audit.wait_with_output().expect("what it printed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!(
        "{count} alerts audited in {seconds:.1} s, {:.0} a second, with at most {} MB",
        f64::from(count) / seconds,
        peak >> 20
    );
    println!("{out}{err}");
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("1 missing, 1 duplicated, 1 altered"), "{err}");
    for (row, what) in [(format!("row{count:05}"), "missing"), ("row00007".to_owned(), "altered")] {
        assert!(out.lines().any(|line| line.contains(&row) && line.contains(what)), "{row} {what}: {out}");
    }
    assert!(peak > 0 && peak < MOST_MEMORY, "{peak} bytes");

    table
        .fixture
        .run(&[&arguments[..], &["--repair", "--yes"]].concat())
        .assert_stderr(1, &["1 missing alerts were published"]);
    table.fixture.run(&arguments).assert_stderr(1, &["differ: 1 duplicated, 1 altered"]);
}

/// The most memory that a process has had, bytes, of its /proc/PID/status.
fn peak_memory(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

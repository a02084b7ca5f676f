//! The producer's password is changed by the procedure of docs/security.md while the service sends, and no alert is lost or doubled.
//!
//! The test of the suite is short; FINK_ROTATION_SECONDS makes it as long as one likes (`scripts/dev/long-test rotation` runs it at full length).

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::fixture::alert_table::{Table, now};
use crate::fixture::cluster::User;
use crate::fixture::kafka_cli::KafkaCli;
use crate::fixture::wait_for_clock;

/// Alerts in a second.
const RATE: u32 = 300;

/// Writes alerts at a steady rate until `stop` is set.
fn write(mut table: Table, stop: Arc<AtomicBool>, written: Arc<AtomicU32>) -> Table {
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
        let next = written.load(Ordering::Relaxed);
        if due > next {
            table.put(next..due, Some(now()));
            written.store(due, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    table
}

#[test]
fn a_password_is_changed_while_alerts_are_sent_and_none_is_lost_or_doubled() {
    let seconds: u64 =
        std::env::var("FINK_ROTATION_SECONDS").map_or(4, |text| text.parse().expect("a number of seconds"));
    let phase = Duration::from_secs(seconds);
    let cli = KafkaCli::new("rotation");
    let mut table = Table::with_short_intervals("rotation");
    let (user, topic) = (cli.name("_u"), table.fixture.name.clone());
    let rejected = format!("{topic}_rejected");
    let secret = |name: &str, text: &str| {
        let path = cli.fixture.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (old, new) = (secret("old", "the-old-password"), secret("new", "the-new-password"));
    cli.ok(&["add-user", &user, "--password-file", &old]);
    let role = ["--produce", "--topic", &topic, "--topic", &rejected, "--transactional-id", &topic, "--create"];
    cli.ok(&[&["grant", &user], &role[..], &["--any-host", "--yes"]].concat());
    let cluster = table.fixture.cluster();
    let (own_user, own_file) =
        (cluster.username(User::Producer).to_owned(), cluster.password_file(User::Producer).to_owned());
    table.fixture.replace(&format!("\"{own_user}\""), &format!("\"{user}\""));
    table.fixture.replace(&format!("\"{own_file}\""), &format!("\"{old}\""));

    let first = table.fixture.start(&["start", "distribution", "--from", "earliest"], "first");
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    // The configuration of the second service; the first has read its own.
    let mut fixture = std::mem::replace(&mut table.fixture, crate::fixture::Fixture::embedded("none"));
    let writer = std::thread::spawn({
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        move || write(table, stop, written)
    });
    first.wait_for("distribut");
    let write_for_a_phase = || wait_for_clock(now() + i64::try_from(phase.as_millis()).expect("a short phase"));
    write_for_a_phase();

    // The new password beside the old one, by the other mechanism.
    cli.ok(&["add-user", &user, "--mechanism", "SCRAM-SHA-256", "--password-file", &new, "--replace"]);
    fixture.replace("\"SCRAM-SHA-512\"", "\"SCRAM-SHA-256\"");
    fixture.replace(&format!("\"{old}\""), &format!("\"{new}\""));
    // As from another machine: the second takes over, the first ends by itself.
    let before = written.load(Ordering::Relaxed);
    let mut command = fixture.command(&["start", "distribution"]);
    let log = fixture.path("second");
    let file = std::fs::File::create(&log).unwrap();
    command
        .env("FINK_RUN_DIR", fixture.path("run-of-another-machine"))
        .stderr(file)
        .stdout(std::process::Stdio::null());
    let second = crate::fixture::Running::from_child(command.spawn().unwrap(), log);
    first.wait_for("has taken over");
    let (code, log) = first.wait();
    assert_eq!(code, 3, "{log}");
    // The end of the old password.
    cli.ok(&["add-user", &user, "--replace", "--mechanism", "SCRAM-SHA-512", "--password-file", &new]);
    assert!(!cli.logs_in(&user, "the-old-password") && cli.logs_in(&user, "the-new-password"));
    write_for_a_phase();

    stop.store(true, Ordering::Relaxed);
    let mut table = writer.join().unwrap();
    table.fixture = fixture;
    let all = written.load(Ordering::Relaxed);
    table.wait_for(all as usize, &second);
    // A repair would send again what is not in the checkpoint.
    table.wait_for_repair(&second);
    second.terminate();
    table.assert_published(0..all);
    println!("{all} alerts at {RATE} a second, {before} before the change: each arrived once");
    assert!(before > 0 && all > before + RATE, "the change was not in the middle: {before} of {all}");
}

//! What an operator sees of a running service: its status, rejected alerts, outages, and a second process.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::audit;
use crate::fixture::alert_table::{SHORT_INTERVALS, Table, now, row, with_catalog};
use crate::fixture::proxy::Proxy;
use crate::fixture::{Fixture, Running, wait_until};

/// A table behind a proxy in front of its gateway.
pub(super) fn behind_proxy(what: &str) -> (Table, Proxy) {
    let mut table = Table::new(what);
    table.fixture.use_gateways();
    let addresses = table.fixture.cluster().value("FINK_TEST_THRIFT2").to_owned();
    let proxy = Proxy::new(addresses.split(',').next().expect("a gateway"));
    table.fixture.replace(&addresses, &proxy.address());
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    (table, proxy)
}

fn status(fixture: &Fixture) -> Value {
    serde_json::from_str(&fixture.ok(&["status", "--format", "json"]).stdout).expect("JSON")
}

/// Waits until the status fulfils `is_so`.
fn wait_for_status(fixture: &Fixture, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until(|| format!("the status is {}", status(fixture)), || Some(status(fixture)).filter(&is_so))
}

/// The folder for run files of a process on another machine.
pub(super) const ELSEWHERE: &str = "run-elsewhere";

/// A second process of the same distribution, as on another machine.
pub(super) fn start_elsewhere(fixture: &Fixture, arguments: &[&str]) -> Running {
    let log = fixture.path("elsewhere");
    let stderr = std::fs::File::create(&log).expect("the fixture's folder");
    let mut command = fixture.command(arguments);
    command.env("FINK_RUN_DIR", fixture.path(ELSEWHERE)).stderr(stderr).stdout(Stdio::null());
    Running::from_child(command.spawn().expect("the built program"), log)
}

#[test]
fn status_show_and_doctor_tell_the_same_lag_which_grows_while_nothing_can_be_read() {
    let (mut table, proxy) = behind_proxy("lag");
    table.put(0..20, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(20, &running);
    let is_live = |status: &Value| status["lane"] == "live" && status["lag"].as_f64().is_some_and(|lag| lag < 2.0);
    let live = wait_for_status(&table.fixture, |status| is_live(status) && status["alerts"] == 20);
    assert_eq!(live["streams"][0]["sent"], 20, "{live}");
    let doctor = table.fixture.run(&["doctor"]).stdout;
    let line = doctor.lines().find(|line| line.contains("checkpoint:")).expect("a check of the checkpoint");
    assert!(line.starts_with("✔ checkpoint: everything is published up to 20") && line.contains("lag 0."), "{line}");

    proxy.freeze(true);
    let frozen = now();
    let grown = wait_for_status(&table.fixture, |status| status["lag"].as_f64().is_some_and(|lag| lag > 3.0));
    let lag = grown["lag"].as_f64().expect("a lag");
    assert!(lag * 1000.0 <= (now() - frozen) as f64 + 2_000.0, "{grown}");
    let shown: Value = serde_json::from_str(&table.fixture.ok(&["show", "--format", "json"]).stdout).expect("JSON");
    assert!(shown[0]["lag"].as_f64().is_some_and(|shown| shown >= lag), "{shown} after {lag}");
    proxy.freeze(false);
    wait_for_status(&table.fixture, is_live);
    running.terminate();
    // The checkpoint of a service that has stopped tells how far it was.
    let doctor = table.fixture.run(&["doctor"]).stdout;
    assert!(doctor.contains("✔ checkpoint: everything is published up to 20"), "{doctor}");
    table.fixture.run(&["status"]).assert_stderr(1, &["no distribution is running"]);
}

#[test]
fn rejected_alerts_are_warned_of_and_fail_a_job() {
    let mut table = audit::table("rejects");
    table.put(0..20, Some(now() - 60_000));
    let bad_at = now() - 59_000;
    for number in [7, 11] {
        let mut bad = row(number, Some(bad_at));
        bad.cells[2].value = vec![1, 2, 3];
        table.db.put(&[bad]).expect("a row is written");
    }
    let until = now().to_string();
    let job = ["start", "distribution", "--until", &until];
    let failed = table.fixture.run(&job);
    let warning = "WARN ] stream `full`: 2 alerts rejected, first row row00007";
    failed.assert_stderr(
        1,
        &[warning, "candidate_magpsf", "3 bytes", "2 alerts were rejected: see `fink rejected list`"],
    );
    assert_eq!(
        failed.stderr.matches("WARN").count(),
        1 + failed.stderr.matches("--until that become").count(),
        "{failed:?}"
    );
    let list = ["rejected", "list", "--as-admin", "--format", "ndjson"];
    let listed = table.fixture.ok(&list).stdout;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let rows: Vec<&Value> = listed.iter().map(|rejected| &rejected["row"]).collect();
    assert_eq!(rows, ["row00007", "row00011"], "{listed:?}");
    let summary = table.fixture.ok(&["rejected", "list", "--as-admin", "--summary", "--from", "-2h"]).stdout;
    assert!(summary.lines().count() == 2 && summary.contains("full    2"), "{summary}");

    // One of them is corrected, without a new version.
    table.db.put(&[row(7, Some(bad_at))]).expect("a row is written");
    let retry = ["rejected", "retry", "--as-admin", "--yes"];
    let retried = table.fixture.run(&retry);
    retried.assert_stderr(1, &["1 rejected alerts were published, 0 were on", "1 alerts were not published"]);
    table.fixture.run(&retry).assert_stderr(1, &["0 rejected alerts were published, 1 were on"]);
    assert_eq!(
        table.published().into_iter().collect::<Vec<_>>(),
        (0..20).filter(|n| *n != 11).map(|n| (n, 1)).collect::<Vec<_>>()
    );
    let until = (now() - 1).to_string();
    let job = ["start", "distribution", "--until", &until, "--allow-rejected", "--yes"];
    table.fixture.run(&job).assert_stderr(0, &["stream `full`: 1 alert rejected, first row row00011"]);
    let service = table.fixture.start(&["start", "distribution", "--from", "earliest", "--yes"], "log");
    service.wait_for("1 alert rejected, first row");
    service.terminate();
}

#[test]
fn the_table_is_sent_again_only_after_confirmation_and_a_running_service_goes_on() {
    let mut table = Table::with_short_intervals("again2");
    table.put(0..20, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(20, &running);
    let (code, log) = start_elsewhere(&table.fixture, &["start", "distribution", "--from", "earliest"]).wait();
    assert_eq!(code, 2, "{log}");
    for words in ["alerts already", "all alerts written before 20", "Z would be sent again", "--yes"] {
        assert!(log.contains(words), "nothing about `{words}`: {log}");
    }
    let (code, log) = start_elsewhere(&table.fixture, &["start", "distribution", "--from", "-2h"]).wait();
    assert!(code == 2 && log.contains("alerts written from 20"), "{log}");
    table.put(20..30, None);
    table.wait_for(30, &running);
    running.terminate();

    let whole = ["start", "distribution", "--until", "now"];
    table.fixture.run(&whole).assert_stderr(2, &["all alerts written before 20", "--yes"]);
    table.assert_published(0..30);
    // A changed name is a lost checkpoint.
    let name = format!("distribution.name={}b", table.fixture.name);
    let renamed = |more: &[&str]| table.fixture.run(&[&["start", "distribution", "--set", &name], more].concat());
    renamed(&["--exit-after", "60s"]).assert_stderr(1, &["has no checkpoint", "--from"]);
    renamed(&["--from", "2019-11-01", "--exit-after", "60s"])
        .assert_stderr(2, &["alerts written since 2019-11-01T00:00:00Z could be sent again"]);
    table.assert_published(0..30);
}

#[test]
fn an_outage_of_the_science_database_is_told_once_with_its_end() {
    let (mut table, proxy) = behind_proxy("away");
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written");
    proxy.refuse(true);
    proxy.cut_after(0);
    running.wait_for("; trying again until it answers");
    table.put(0..20, None);
    // Longer than some attempts.
    std::thread::sleep(Duration::from_secs(3));
    proxy.refuse(false);
    running.wait_for("the science database answers again, after");
    table.wait_for(20, &running);
    let log = running.terminate();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    table.assert_published(0..20);
}

#[test]
fn a_server_that_never_answers_is_named_and_no_success() {
    let mut fixture = with_catalog("never", "");
    let servers = fixture.cluster().value("FINK_TEST_HBASE").to_owned();
    fixture.replace(&servers, "127.0.0.1:1");
    let finished = fixture.run(&["start", "distribution", "--exit-after", "3s"]);
    finished.assert_stderr(1, &["the science database at 127.0.0.1:1 did not answer within the time of --exit-after"]);
    assert_eq!(finished.stderr.matches("WARN").count(), 1, "{finished:?}");

    let mut table = Table::new("nokafka");
    let brokers = table.fixture.cluster().bootstrap_servers().to_owned();
    table.fixture.replace(&brokers, "127.0.0.1:1");
    let finished = table.fixture.run(&["start", "distribution", "--exit-after", "8s"]);
    finished.assert_stderr(1, &["kafka at 127.0.0.1:1 did not answer within the time of --exit-after"]);
    finished
        .assert_stderr(1, &["WARN ] cannot connect to kafka at 127.0.0.1:1", "nothing is published until it answers"]);
    assert_eq!(finished.stderr.matches("WARN").count(), 1, "{finished:?}");
    assert!(!finished.stderr.contains("FAIL") && !finished.stderr.contains("thrd:"), "{finished:?}");
    let doctor = table.fixture.run(&["doctor", "--timeout", "3s"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    let lines: Vec<&str> = doctor.stdout.lines().chain(doctor.stderr.lines()).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("127.0.0.1:1")).count(), 1, "{doctor:?}");
}

#[test]
fn an_idle_process_that_was_fenced_ends_within_seconds_with_its_own_exit_code() {
    let mut table = Table::with_short_intervals("idle");
    let first = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    first.wait_for("distributing what is written");
    let second = start_elsewhere(&table.fixture, &["start", "distribution"]);
    second.wait_for("distributing what is written");
    let fenced = Instant::now();
    let (code, log) = first.wait();
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("has taken over"), "{log}");
    assert!(fenced.elapsed() < Duration::from_secs(60), "{:?}", fenced.elapsed());
    table.put(0..20, None);
    table.wait_for(20, &second);
    second.terminate();
}

#[test]
fn a_standby_waits_until_the_active_process_has_ended() {
    let mut table = Table::with_short_intervals("standby");
    let active = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    active.wait_for("distributing what is written");
    let standby = start_elsewhere(&table.fixture, &["start", "distribution", "--standby"]);
    standby.wait_for("is the active process of distribution");
    table.put(0..20, None);
    table.wait_for(20, &active);
    // Longer than the active process is silent while it is idle.
    std::thread::sleep(Duration::from_secs(8));
    assert!(!standby.log().contains("taking over"), "{}", standby.log());
    active.terminate();
    standby.wait_for("the active process has ended; taking over");
    table.put(20..40, None);
    table.wait_for(40, &standby);
    standby.terminate();
    table.assert_published(0..40);
}

#[test]
fn a_stop_in_the_history_lane_commits_what_was_sent_and_reports_no_error() {
    let mut table = Table::with_short_intervals("stop");
    table.put(0..3_000, Some(now() - 3_600_000));
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("reading the past");
    table.wait_for(1, &running);
    let log = running.terminate();
    assert!(!log.contains("ERROR") && !log.to_lowercase().contains("purge") && !log.contains("WARN"), "{log}");
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(3_000, &running);
    running.terminate();
    table.assert_published(0..3_000);
}

#[test]
fn sighup_puts_a_new_stream_in_force_and_a_wrong_configuration_is_refused() {
    let mut table = Table::with_short_intervals("reload");
    table.put(0..20, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(20, &running);
    let good = table.fixture.config.clone();
    let second = format!("{}_second", table.fixture.name);
    table.fixture.config.push_str(&format!("[[stream]]\nname = \"second\"\ntopic = \"{second}\"\n"));
    // This also writes the file that the service reads.
    table.fixture.run(&["config", "check"]).assert_stderr(0, &["the configuration is valid; streams: full, second"]);
    running.signal(rustix::process::Signal::HUP);
    running.wait_for("the new configuration is in force");
    table.put(20..40, None);
    table.wait_for(40, &running);
    table.wait_for_messages(&second, 20, &running);

    table.fixture.config = good.replace("\ntopic = ", "\nrules = \"nowhere.xml\"\ntopic = ");
    table.fixture.run(&["config", "check"]).assert_stderr(2, &["nowhere.xml"]);
    running.signal(rustix::process::Signal::HUP);
    running.wait_for("the new configuration is refused");
    table.put(40..60, None);
    table.wait_for(60, &running);
    table.wait_for_messages(&second, 40, &running);
    running.terminate();
    table.assert_published(0..60);
    assert_eq!(table.messages(&second).len(), 40);
}

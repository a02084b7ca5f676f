//! What a running service answers over HTTP: its metrics, its readiness, and its status page in a browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::operation::behind_proxy;
use crate::fixture::alert_table::{Table, now, row};
use crate::fixture::cluster::python;
use crate::fixture::{Running, skip, wait_until};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The status code and the body of a response.
fn get(address: &str, path: &str) -> (u16, String) {
    get_as(address, path, address)
}

/// The same, under the name of a host.
fn get_as(address: &str, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    (code, body.to_owned())
}

/// A service that has its metrics at the returned address.
fn start(table: &mut Table) -> (Running, String) {
    table.fixture.config.push_str("[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("metrics on http://");
    let log = running.log();
    let address = log.split("http://").nth(1).and_then(|rest| rest.split("/metrics").next()).expect("an address");
    (running, address.to_owned())
}

/// Writes a row that is rejected, with a key of its own.
fn put_damaged(table: &mut Table, key: &[u8]) {
    let mut damaged = row(900, Some(now()));
    damaged.key = key.to_vec();
    damaged.cells[2].value = vec![1, 2, 3];
    table.db.put(&[damaged]).expect("a row is written");
}

/// Runs a command with `input`, which must succeed, and returns what it prints.
fn filter(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the input");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{command:?} fails on\n{input}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The command `promtool`, where `scripts/test` has found it.
fn promtool() -> Option<Command> {
    let program = std::env::var_os("FINK_TEST_PROMTOOL").filter(|program| !program.is_empty());
    if program.is_none() {
        skip("FINK_TEST_PROMTOOL does not name promtool, which comes with Prometheus");
    }
    program.map(Command::new)
}

#[test]
fn metrics_and_readiness_are_served_while_the_service_runs() {
    let (mut table, proxy) = behind_proxy("metrics");
    proxy.freeze(true);
    table.put(0..20, None);
    let (running, address) = start(&mut table);
    let address = address.as_str();
    assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));
    let (code, reason) = get(address, "/readyz");
    assert!(code == 503 && reason.starts_with("starting"), "{code} {reason}");
    proxy.freeze(false);
    table.wait_for(20, &running);
    let is_ready = || (get(address, "/readyz").0 == 200).then_some(());
    wait_until(|| format!("not ready: {:?}; {}", get(address, "/readyz"), running.log()), is_ready);
    put_damaged(&mut table, b"row00900");
    let of_stream = format!("stream=\"full\",topic=\"{}\"", table.fixture.name);
    let sent = format!("fink_stream_messages_total{{{of_stream}}} 20");
    let rejected = format!("fink_stream_rejected_total{{{of_stream},reason=\"encoding\"}} 1");
    for line in ["fink_alerts_total 21", "fink_lane{lane=\"live\"} 1", &sent, &rejected] {
        let has_line = || get(address, "/metrics").1.lines().any(|found| found == line).then_some(());
        wait_until(|| format!("no line `{line}`: {}", get(address, "/metrics").1), has_line);
    }
    let text = get(address, "/metrics").1;
    let files =
        ["conf/prometheus/alerts.yml", "conf/grafana/fink.json", "docs/operate.md"].map(|file| root().join(file));
    let samples = filter(Command::new(python()).arg(root().join("tests/python/metrics.py")).args(files), &text);
    let samples: Vec<(String, Value, f64)> = serde_json::from_str(&samples).expect("JSON");
    let sample = |name: &str, label: &str, value: &str| {
        let found =
            samples.iter().find(|(found, labels, _)| found == name && (label.is_empty() || labels[label] == value));
        found.unwrap_or_else(|| panic!("no {name}{{{label}=\"{value}\"}}: {samples:?}")).2
    };
    for (name, request) in [("scan_triggers", true), ("get", true), ("scan", false)] {
        let count = sample("fink_scan_duration_seconds_count", "request", name);
        assert!(!request || count > 0.0, "{name}: {count}");
    }
    assert!(sample("fink_encode_duration_seconds_count", "", "") > 0.0);
    assert!(sample("fink_commit_duration_seconds_count", "", "") > 0.0);
    assert!(sample("fink_ledger_alerts", "", "") >= 20.0);
    assert!(sample("fink_checkpoint_age_seconds", "", "") < 60.0);
    assert_eq!(sample("fink_outage_seconds", "server", "kafka"), 0.0);
    assert!(sample("process_resident_memory_bytes", "", "") > 1e6);
    if let Some(mut promtool) = promtool() {
        filter(promtool.args(["check", "metrics"]), &text);
    }
    assert_eq!(get(address, "/nowhere").0, 404);
    assert_eq!(get_as(address, "/", "evil.example").0, 403);
    running.terminate();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_outage_is_in_the_metrics_and_the_status_page() {
    let (mut table, proxy) = behind_proxy("page");
    table.put(0..20, None);
    let (running, address) = start(&mut table);
    table.wait_for(20, &running);
    put_damaged(&mut table, b"<img src=x onerror=alert(1)>");
    let rejects = || get(&address, "/metrics").1.contains("reason=\"encoding\"} 1\n").then_some(());
    wait_until(|| format!("nothing is rejected: {}", running.log()), rejects);
    let mut command = Command::new(python());
    command.arg(root().join("tests/python/status_page.py")).arg(format!("http://{address}/"));
    command.args(std::env::var_os("FINK_TEST_SCREENSHOTS").map(PathBuf::from).inspect(|folder| {
        std::fs::create_dir_all(folder).expect("the folder of the screenshots");
    }));
    let find = Command::new(python()).arg(root().join("tests/python/view_page.py")).arg("find").status();
    if !find.expect("python").success() {
        return skip("there is no Chromium: apt-get install chromium");
    }
    let mut page = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let mut to_page = page.stdin.take().expect("a pipe");
    let outage = |seconds: &str| format!("fink_outage_seconds{{server=\"science_db\"}} {seconds}");
    let mut running = Some(running);
    for line in BufReader::new(page.stdout.take().expect("a pipe")).lines() {
        match line.expect("UTF-8").as_str() {
            "outage" => {
                proxy.refuse(true);
                proxy.disconnect_all();
            }
            "recovery" => {
                let text = get(&address, "/metrics").1;
                assert!(text.contains("fink_outages_total{server=\"science_db\"} 1\n"), "{text}");
                assert!(!text.contains(&outage("0.0\n")), "{text}");
                proxy.refuse(false);
            }
            "end" => drop(running.take().map(Running::terminate)),
            other => panic!("the page says `{other}`"),
        }
        to_page.write_all(b"\n").expect("the page's script reads");
    }
    assert!(page.wait().expect("its end").success());
}

#[test]
fn the_alert_rules_and_the_dashboard_are_valid() {
    let dashboard = std::fs::read_to_string(root().join("conf/grafana/fink.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("an expression")).collect();
    assert!(expressions.len() >= panels.len() && panels.len() > 10);
    let Some(promtool) = promtool() else { return };
    let check = |what: [&str; 2], file: &Path| filter(Command::new(promtool.get_program()).args(what).arg(file), "");
    let folder = root().join("conf/prometheus");
    check(["check", "rules"], &folder.join("alerts.yml"));
    check(["test", "rules"], &folder.join("alerts.test.yml"));
    check(["check", "config"], &folder.join("scrape.yml"));
    // Grafana puts an interval in the place of its variable.
    let rules = expressions.iter().enumerate().map(|(number, expression)| {
        let expression = expression.replace("$__rate_interval", "1m");
        serde_json::json!({"record": format!("panel:{number}"), "expr": expression})
    });
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules.to_string()).expect("a file");
    check(["check", "rules"], file.path());
}

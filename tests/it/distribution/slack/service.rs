//! The service with notices, on the real servers.

use std::collections::BTreeMap;
use std::process::Stdio;

use fink::science_db::{Put, PutCell};

use super::server::{Response, Server};
use crate::fixture::alert_table::{Table, row};
use crate::fixture::{Finished, Fixture, Running};

const TOKEN: &str = "xoxb-2718281828-secret";
const CLASSES: [&str; 7] = ["RRLyr", "EB*", "QSO", "Unknown", "Star", "Galaxy", "AGN_Candidate"];

fn cell(qualifier: &str, value: &[u8]) -> PutCell {
    PutCell { family: "i".into(), qualifier: qualifier.into(), value: value.to_vec() }
}

fn classified(number: u32) -> Put {
    let mut row = row(number, None);
    row.cells.push(cell("candidate_dec", &(-f64::from(number)).to_be_bytes()));
    row.cells.push(cell("cross_match_alerts_per_batch", CLASSES[number as usize % CLASSES.len()].as_bytes()));
    row
}

/// A table of 500 alerts of seven classes, two of which have a channel; and one more of the first class that cannot be sent.
fn fixture(what: &str, server: &Server) -> Table {
    let columns = r#", "candidate_dec": {"cf": "i", "col": "candidate_dec", "type": "double"},
        "cross_match_alerts_per_batch": {"cf": "i", "col": "cross_match_alerts_per_batch", "type": "string"}"#;
    let mut table = Table::with_columns(what, columns);
    std::fs::write(table.fixture.path("channels.txt"), "# two of seven\nrrlyr\n\neb\nunknown\n").expect("a file");
    table.fixture.config.push_str(&format!("[slack]\nchannels = \"channels.txt\"\nendpoint = \"{}\"\n", server.url));
    let mut bad = classified(700);
    assert_eq!(CLASSES[700 % CLASSES.len()], "RRLyr");
    bad.cells[2].value = vec![1, 2, 3];
    let puts: Vec<Put> = (0..500).map(classified).chain([bad]).collect();
    table.db.put(&puts).expect("rows are written");
    table
}

/// Starts the service, which logs everything.
fn start(fixture: &Fixture) -> Running {
    let (log, mut command) = (fixture.path("log"), fixture.command(&["start", "distribution"]));
    let stderr = std::fs::File::create(&log).expect("the fixture's folder");
    command.env("SLACK_API_TOKEN", TOKEN).env("FINK_LOG", "trace").stdout(Stdio::null()).stderr(stderr);
    Running::from_child(command.spawn().expect("the built program"), log)
}

/// Ends the service; its log without traces, nowhere in which the token may be.
fn terminate(service: Running) -> String {
    let log = service.terminate();
    assert!(!log.contains(TOKEN), "the token is in the log");
    let lines = log.lines().filter(|line| !line.contains(" TRACE ") && !line.contains(" DEBUG "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn alerts_that_were_sent_are_announced_in_the_channel_of_their_class() {
    let server = Server::start(&[Response::Posted]);
    let table = fixture("slack", &server);
    let running = start(&table.fixture);
    server.wait_for(8);
    table.wait_for(500, &running);
    let log = terminate(running);
    for words in ["501 alerts", "1 rejected", "slack: 144 alerts announced in 8 messages, 0 dropped"] {
        assert!(log.contains(words), "nothing about `{words}`: {log}");
    }
    let mut announced: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in server.requests() {
        let rows = request.text.lines().filter(|line| line.starts_with("| ZTF")).map(str::to_owned);
        announced.entry(request.channel).or_default().extend(rows);
    }
    let rows = |class: usize| -> Vec<String> {
        let numbers = (0..500_usize).filter(|number| number % CLASSES.len() == class);
        let mut rows: Vec<String> = numbers
            .map(|number| {
                let (object, ra) = (format!("ZTF{}", number / 3), number % 360);
                format!("| {object:<8} | {ra:<12} | {:<13} | {:<5}|", format!("-{number}"), CLASSES[class])
            })
            .collect();
        rows.sort();
        rows
    };
    let plain = |rows: &[String]| {
        let mut rows: Vec<String> = rows.iter().map(|row| row.split_whitespace().collect::<String>()).collect();
        rows.sort();
        rows
    };
    assert_eq!(announced.keys().collect::<Vec<_>>(), ["#eb", "#rrlyr"]);
    let expected = |class: usize| plain(&rows(class)).iter().map(|row| row.replace("|-0|", "|0|")).collect::<Vec<_>>();
    let found =
        |channel: &str| plain(&announced[channel]).iter().map(|row| row.replace("|-0|", "|0|")).collect::<Vec<_>>();
    assert_eq!((found("#rrlyr"), found("#eb")), (expected(0), expected(1)));
}

#[test]
fn a_failing_slack_delays_no_alert() {
    let server = Server::start(&[Response::Status(429, Some(1)), Response::Status(500, None), Response::Silence]);
    let table = fixture("slackless", &server);
    let running = start(&table.fixture);
    server.wait_for(3);
    table.wait_for(500, &running);
    let log = terminate(running);
    for words in ["slack limits the rate", "http status 500", "0 alerts announced in 0 messages, 144 dropped"] {
        assert!(log.contains(words), "nothing about `{words}`: {log}");
    }
    table.assert_published(0..500);
}

/// What the program says of a configuration that asks for notices, and how it ends.
fn refusal(columns: &str, variables: &[(&str, &str)]) -> Finished {
    let mut fixture = Fixture::embedded("slackbad");
    let catalog = format!(
        r#"{{"table": {{"namespace": "default", "name": "t"}}, "rowkey": "key", "columns": {{
        "key": {{"cf": "rowkey", "col": "key", "type": "string"}},
        "candid": {{"cf": "i", "col": "candid", "type": "long"}}{columns}}}}}"#
    );
    std::fs::write(fixture.path("catalog.json"), catalog).expect("a file");
    std::fs::write(fixture.path("channels.txt"), "rrlyr\n").expect("a file");
    fixture.config.push_str("[kafka]\nsecurity_protocol = \"plaintext\"\n[slack]\nchannels = \"channels.txt\"\n");
    let output =
        fixture.command(&["start", "distribution"]).envs(variables.iter().copied()).output().expect("a program");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Finished { arguments: String::new(), code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn notices_that_cannot_be_made_refuse_the_start() {
    let class = r#", "cross_match_alerts_per_batch": {"cf": "i", "col": "c", "type": "string"}"#;
    let ra = |kind: &str| format!(r#"{class}, "candidate_ra": {{"cf": "i", "col": "r", "type": "{kind}"}}"#);
    let dec = r#", "candidate_dec": {"cf": "i", "col": "d", "type": "float"}"#;
    let token = [("SLACK_API_TOKEN", TOKEN)];
    refusal("", &token).assert_stderr(2, &["`cross_match_alerts_per_batch`", "slack.channels"]);
    refusal(class, &token).assert_stderr(2, &["`candidate_ra`"]);
    refusal(&ra("string"), &token).assert_stderr(2, &["`candidate_ra`", "it is string"]);
    refusal(&format!("{}{dec}", ra("double")), &[]).assert_stderr(2, &["SLACK_API_TOKEN"]);
    let finished = refusal("", &[("SLACK_API_TOKEN", "xoxb 31415")]);
    finished.assert_stderr(2, &["SLACK_API_TOKEN", "blanks"]);
    assert!(!finished.stderr.contains("31415"), "{finished:?}");
}

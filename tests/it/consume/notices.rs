//! Notices of alerts on the user's own Slack channel.

use super::Consumer;
use crate::distribution::slack::server::{Response, Server};
use crate::fixture::Finished;

fn consume(consumer: &Consumer, token: Option<&str>) -> Finished {
    let arguments = ["consume", "--limit", "3", "--slack", "#my-alerts", "--format", "ndjson"];
    let mut command = consumer.fixture.command(&arguments);
    match token {
        Some(token) => command.env("SLACK_API_TOKEN", token),
        None => command.env_remove("SLACK_API_TOKEN"),
    };
    Finished::of(&arguments, &mut command)
}

#[test]
fn a_channel_is_told_of_each_alert() {
    let server =
        Server::start(&[Response::Error("channel_not_found"), Response::Status(429, Some(1)), Response::Posted]);
    let mut consumer = Consumer::new("slack");
    consumer.fixture.config.push_str(&format!("[slack]\nendpoint = \"{}\"\n", server.url));
    consumer.send("ztf", "datum", "schema", 12);
    let token = "xoxp-3141592653-secret";
    // A channel that is not there is a warning: the alerts are read all the same.
    let finished = consume(&consumer, Some(token));
    finished.assert_stderr(0, &["channel_not_found"]);
    assert_eq!(finished.stdout.lines().count(), 3);
    let finished = consume(&consumer, Some(token));
    assert!(finished.code == 0 && !finished.stderr.contains(token), "{finished:?}");
    let posted: Vec<_> = server.requests().into_iter().filter(|request| request.is_posted).collect();
    let told: Vec<serde_json::Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!posted.is_empty() && posted.iter().all(|request| request.channel.ends_with("my-alerts")), "{posted:?}");
    for alert in told {
        let object = alert["objectId"].as_str().expect("a name");
        assert!(posted.iter().any(|request| request.text.contains(object)), "{object}: {posted:?}");
    }
    consume(&consumer, None).assert_stderr(2, &["SLACK_API_TOKEN"]);
}

//! Schemas from a registry.

use super::Consumer;
use crate::fixture::registry::{Registry, Reply, nowhere};
use crate::fixture::{Finished, command_without_env};

/// A registry that gives these answers in turn, the last one again and again.
fn answering(replies: Vec<Reply>) -> Registry {
    Registry::start(move |request| replies[request.number.min(replies.len() - 1)].clone())
}

/// Alerts with the schema id 7 in front; their schema.
fn consumer(what: &str) -> (Consumer, String) {
    let consumer = Consumer::new(what);
    consumer.send("ztf", "confluent", "object-id", 12);
    let file = std::fs::read(&consumer.alerts("ztf")[0]).expect("a file");
    let schema = fink::avro::container::Container::read(&file).expect("an Avro file").schema_json.clone();
    (consumer, schema)
}

fn consume(consumer: &Consumer, registry: &str, variables: &[(&str, &str)]) -> Finished {
    let config = consumer.fixture.path("fink.toml");
    std::fs::write(&config, &consumer.fixture.config).expect("a file");
    let arguments = [
        "-c",
        "fink.toml",
        "consume",
        "--no-group",
        "-e",
        "--format",
        "ndjson",
        "--fields",
        "candid",
        "--registry",
        registry,
    ];
    Finished::of(&arguments, &mut command_without_env(consumer.fixture.folder.path(), &arguments, variables))
}

#[test]
fn a_registry_is_asked_once_for_each_schema_even_where_it_is_slow_or_away_for_a_moment() {
    let (consumer, schema) = consumer("registry");
    let Reply::Text(status, text) = Reply::schema(&schema) else { unreachable!() };
    let busy = Reply::Text(503, "no".to_owned());
    let registry = answering(vec![Reply::Away, busy, Reply::Slow(status, text)]);
    let finished = consume(&consumer, &format!("{}/", registry.url), &[]);
    finished.assert_stderr(0, &["trying again in 1 s", "503"]);
    assert_eq!(finished.stdout.lines().count(), 12);
    let requests = registry.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(requests[0].line == "GET /schemas/ids/7", "{requests:?}");
}

#[test]
fn a_registry_without_an_answer_ends_the_program_with_what_to_do() {
    let (consumer, _) = consumer("no_registry");
    consume(&consumer, &nowhere(), &[]).assert_stderr(1, &["/schemas/ids/7 cannot be reached", "--schema"]);
    let wrong = answering(vec![Reply::Text(200, "<html>".to_owned())]);
    consume(&consumer, &wrong.url, &[]).assert_stderr(1, &["/schemas/ids/7 sends an answer that is not JSON"]);
    // A schema that is none, or an id that it does not know: the messages are named, as any without a schema.
    let wrong = answering(vec![Reply::schema(r#"{"type":"recor"}"#)]);
    consume(&consumer, &wrong.url, &[]).assert_stderr(1, &["/schemas/ids/7: ", "12 messages could not be decoded"]);
    let unknown = answering(vec![Reply::unknown()]);
    let finished = consume(&consumer, &unknown.url, &[]);
    finished.assert_stderr(1, &["has no schema with the id 7", "12 messages could not be decoded"]);
    assert_eq!(unknown.requests().len(), 1);
}

#[test]
fn a_registry_that_asks_for_a_login_gets_it_from_variables() {
    let (consumer, schema) = consumer("registry_login");
    // alice:sesame
    let registry = Registry::start(move |request| {
        match request.head.to_lowercase().contains("authorization: basic ywxpy2u6c2vzyw1l") {
            true => Reply::schema(&schema),
            false => Reply::Text(401, "no".to_owned()),
        }
    });
    consume(&consumer, &registry.url, &[]).assert_stderr(1, &["asks for a login: set FINK_REGISTRY_USERNAME"]);
    let login = [("FINK_REGISTRY_USERNAME", "alice"), ("FINK_REGISTRY_PASSWORD", "wrong")];
    let refused = consume(&consumer, &registry.url, &login);
    refused.assert_stderr(1, &["refuses the login"]);
    assert!(!refused.stderr.contains("wrong"), "{refused:?}");
    let login = [("FINK_REGISTRY_USERNAME", "alice"), ("FINK_REGISTRY_PASSWORD", "sesame")];
    let finished = consume(&consumer, &registry.url, &login);
    assert!(finished.code == 0 && finished.stdout.lines().count() == 12, "{finished:?}");
    let in_address = registry.url.replace("http://", "http://alice:sesame@");
    consume(&consumer, &in_address, &[]).assert_stderr(2, &["FINK_REGISTRY_PASSWORD"]);
}

//! Schemas from a registry.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Consumer;
use crate::fixture::{Finished, command_without_env};

/// What the registry does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Schema,
    /// the schema, a moment later
    Slow,
    /// disconnects
    Away,
    Status(u16),
    /// no document of a registry
    Text(&'static str),
}

/// A registry that gives these answers in turn, the last one again and again, to those who log in as `login`.
struct Registry {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    fn start(schema: String, answers: &'static [Answer], login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&heads);
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let number = known.lock().map_or(0, |heads| heads.len());
                let answer = answers[number.min(answers.len() - 1)];
                let is_refused = login.is_some_and(|login| !head.to_lowercase().contains(&login.to_lowercase()));
                known.lock().expect("no panic").push(head);
                let document = serde_json::json!({ "schema": schema }).to_string();
                let (status, body) = match answer {
                    _ if is_refused => (401, "no"),
                    Answer::Away => continue,
                    Answer::Status(status) => (status, "no"),
                    Answer::Text(text) => (200, text),
                    Answer::Schema => (200, document.as_str()),
                    Answer::Slow => {
                        std::thread::sleep(Duration::from_millis(700));
                        (200, document.as_str())
                    }
                };
                let length = body.len();
                let _gone = write!(
                    client,
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { url, heads }
    }

    fn requests(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }
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
    let registry = Registry::start(schema, &[Answer::Away, Answer::Status(503), Answer::Slow], None);
    let finished = consume(&consumer, &format!("{}/", registry.url), &[]);
    finished.assert_stderr(0, &["trying again in 1 s", "503"]);
    assert_eq!(finished.stdout.lines().count(), 12);
    let requests = registry.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(requests[0].starts_with("GET /schemas/ids/7 HTTP/1.1"), "{requests:?}");
}

#[test]
fn a_registry_without_an_answer_ends_the_program_with_what_to_do() {
    let (consumer, schema) = consumer("no_registry");
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    consume(&consumer, &nowhere, &[]).assert_stderr(1, &["/schemas/ids/7 cannot be reached", "--schema"]);
    let wrong = Registry::start(schema.clone(), &[Answer::Text("<html>")], None);
    consume(&consumer, &wrong.url, &[]).assert_stderr(1, &["/schemas/ids/7: expected value at line 1"]);
    let wrong = Registry::start(r#"{"type":"recor"}"#.to_owned(), &[Answer::Schema], None);
    consume(&consumer, &wrong.url, &[]).assert_stderr(1, &["/schemas/ids/7: "]);
    // An id that it does not know: the messages are named, as any without a schema.
    let unknown = Registry::start(schema, &[Answer::Status(404)], None);
    let finished = consume(&consumer, &unknown.url, &[]);
    finished.assert_stderr(1, &["the schema with the id 7 in a registry", "12 messages could not be decoded"]);
    assert_eq!(unknown.requests().len(), 1);
}

#[test]
fn a_registry_that_asks_for_a_login_gets_it_from_variables() {
    let (consumer, schema) = consumer("registry_login");
    // alice:sesame
    let registry = Registry::start(schema, &[Answer::Schema], Some("Authorization: Basic YWxpY2U6c2VzYW1l"));
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

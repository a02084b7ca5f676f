//! Streams whose schemas are registered with a schema registry.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fixture::Finished;
use crate::fixture::alert_table::{Table, now};
use crate::fixture::registry::{Registry, Reply, nowhere};
use fink::alert::Encoding;
use fink::alert::decoder::{BytesFormat, Decoder};
use fink::alert::message::unframe;
use fink::avro::Schema;

/// A job for all rows written so far.
fn job(until: i64) -> Vec<String> {
    ["start", "distribution", "--from", "1", "--until", &until.to_string()].map(str::to_owned).to_vec()
}

fn table(what: &str, registry: &str) -> Table {
    let mut table = Table::new(what);
    let keys = format!("encoding = \"confluent\"\nkey = \"none\"\nregistry = \"{registry}\"");
    table.fixture.replace("name = \"full\"\n", &format!("name = \"full\"\n{keys}\n"));
    table.put(0..10, Some(now() - 3_600_000));
    table
}

#[test]
fn the_schema_of_a_stream_is_registered_and_its_messages_carry_the_id() {
    let known: Arc<Mutex<Vec<String>>> = Arc::default();
    let schemas = Arc::clone(&known);
    // As Confluent's registry: the same schema has the same id.
    let registry = Registry::start(move |request| {
        let mut known = schemas.lock().expect("no panic");
        let schema = request.body["schema"].as_str().expect("a schema").to_owned();
        if !known.contains(&schema) {
            known.push(schema.clone());
        }
        let id = 70_000 + known.iter().position(|known| *known == schema).expect("a schema");
        Reply::Text(200, json!({ "id": id }).to_string())
    });
    let mut table = table("registered", &registry.url);
    let topic = table.fixture.name.clone();
    let until = now();
    let arguments = job(until);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    table
        .fixture
        .ok(&arguments)
        .assert_stderr(0, &["stream `full`: the schema has the id 70000", "finished: 10 alerts"]);
    let requests = registry.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].line, format!("POST /subjects/{topic}-value/versions"));
    assert!(requests[0].head.to_lowercase().contains("application/vnd.schemaregistry.v1+json"), "{}", requests[0].head);

    let schema = Schema::parse(&known.lock().expect("no panic")[0]).expect("a schema");
    let decoder = Decoder::new(schema);
    let messages = table.messages(&topic);
    let mut candids: Vec<i64> = messages
        .iter()
        .map(|message| {
            let value = message.value.as_deref().expect("a value");
            let (id, datum) = unframe(Encoding::Confluent, value).expect("a framed datum");
            assert_eq!(id, Some(70_000));
            let alert: Value = decoder.value(datum, BytesFormat::Base64).expect("a datum");
            alert["candid"].as_i64().expect("candid")
        })
        .collect();
    candids.sort_unstable();
    assert_eq!(candids, (0..10).collect::<Vec<_>>());
    // A restart registers the same schema again, and a dry run asks nobody.
    table.put(10..12, Some(until));
    let arguments = job(until + 1);
    table.fixture.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((known.lock().expect("no panic").len(), registry.requests().len()), (1, 2));
    table.fixture.ok(&["start", "distribution", "--dry-run"]);
    assert_eq!(registry.requests().len(), 2);
}

/// Over HTTPS, with an authority of its own and a login.
#[test]
fn a_schema_is_registered_over_https() {
    let cluster = crate::fixture::cluster::Cluster::get();
    let tls = std::path::PathBuf::from(cluster.value("FINK_TEST_TLS_DIR"));
    let registry = Registry::start_with_tls(&tls, move |request| {
        // alice:sesame
        match request.head.to_lowercase().contains("authorization: basic ywxpy2u6c2vzyw1l") {
            true => Reply::Slow(200, r#"{"id": 7}"#.to_owned()),
            false => Reply::Text(401, "no".to_owned()),
        }
    });
    let table = table("https", &registry.url);
    let ca = tls.join("ca.pem").display().to_string();
    let run = |variables: &[(&str, &str)], until: i64| {
        let arguments = job(until);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Finished::of(&arguments, table.fixture.command(&arguments).envs(variables.iter().copied()))
    };
    let login = [("FINK_REGISTRY_USERNAME", "alice"), ("FINK_REGISTRY_PASSWORD", "sesame")];
    let trusting = [&login[..], &[("FINK_REGISTRY_CA", ca.as_str())]].concat();
    run(&trusting[2..], now()).assert_stderr(2, &["asks for a login"]);
    run(&[("FINK_REGISTRY_CA", "none.pem")], now()).assert_stderr(2, &["FINK_REGISTRY_CA: none.pem: cannot read it"]);
    run(&trusting, now()).assert_stderr(0, &["the schema has the id 7", "finished: 10 alerts"]);
}

#[test]
fn a_schema_that_the_registry_refuses_is_told_at_the_start() {
    let words = "Schema being registered is incompatible with an earlier schema for subject";
    let refusal = json!({ "error_code": 409, "message": words }).to_string();
    let registry = Registry::start(move |_| Reply::Text(409, refusal.clone()));
    let table = table("incompatible", &registry.url);
    let topic = &table.fixture.name;
    let finished = table.fixture.run(&["start", "distribution", "--exit-after", "60s"]);
    finished.assert_stderr(2, &["stream `full`: ", &format!("`{topic}-value`"), "409", words]);
    assert!(table.messages(topic).is_empty());
    let registry = Registry::start(move |_| Reply::Text(401, "no".to_owned()));
    let mut table = table;
    let old = table.fixture.config.lines().find(|line| line.starts_with("registry = ")).expect("a line").to_owned();
    table.fixture.replace(&old, &format!("registry = \"{}\"", registry.url));
    table.fixture.run(&["start", "distribution"]).assert_stderr(2, &["FINK_REGISTRY_USERNAME"]);
}

#[test]
fn a_registry_that_is_away_at_the_start_is_waited_for() {
    let is_away = Arc::new(Mutex::new(true));
    let away = Arc::clone(&is_away);
    let registry = Registry::start(move |_| match *away.lock().expect("no panic") {
        true => Reply::Away,
        false => Reply::Text(200, r#"{"id": 7}"#.to_owned()),
    });
    let table = table("registry_away", &registry.url);
    let arguments = job(now());
    let running = table.fixture.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "log");
    running.wait_for("trying again until it answers");
    *is_away.lock().expect("no panic") = false;
    let (code, log) = running.wait();
    assert!(code == 0 && log.contains("the schema registry answers again") && log.contains("10 alerts"), "{log}");
    // A job whose time is over names it; a service that is stopped meanwhile ends as usual.
    let mut table = table;
    table.fixture.replace(&registry.url, &nowhere());
    let finished = table.fixture.run(&["start", "distribution", "--from", "now", "--exit-after", "2s"]);
    finished.assert_stderr(1, &["the schema registry at http://127.0.0.1"]);
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "service.log");
    running.wait_for("trying again until it answers");
    running.terminate();
}

#[test]
fn a_registry_needs_the_framing_that_carries_its_id() {
    let mut table = table("registry_keys", "http://127.0.0.1:1");
    table.fixture.replace("encoding = \"confluent\"", "encoding = \"datum\"");
    table
        .fixture
        .run(&["config", "show"])
        .assert_stderr(2, &["stream.full.registry", "requires encoding = \"confluent\""]);
    table.fixture.replace("encoding = \"datum\"", "encoding = \"confluent\"\nschema_id = 7");
    table.fixture.run(&["config", "show"]).assert_stderr(2, &["remove `schema_id`"]);
    table.fixture.replace("schema_id = 7\n", "");
    table.fixture.replace("http://127.0.0.1:1", "registry.example.org");
    table.fixture.run(&["config", "show"]).assert_stderr(2, &["begins with http:// or https://"]);
}

//! `fink ingest --from-topic`: topics of the real Kafka into the real HBase.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use fink::alert::message::{Encoding, Framing};
use fink::alert::{BytesFormat, Decoder};
use fink::avro::Schema;
use fink::cancel::CancellationToken;
use fink::kafka::topics::TopicSpec;
use fink::kafka::{CommitOutcome, Producer, ProducerRecord};
use fink::science_db::{HBaseTableAdmin, StoreKind};
use serde_json::{Value as Json, json};

use super::evolution::{alerts_of, assert_contains};
use super::schemas::{long, text, write_container};
use crate::fixture::cluster::{User, python, science_db_settings};
use crate::fixture::registry::{Registry, Reply, nowhere};
use crate::fixture::stored_table::Table;
use crate::fixture::topics::{Topic, admin, options, settings, unique, with_option};
use crate::fixture::{Finished, Fixture, Running, real_alerts_of, wait_until};

/// The alerts of a stream of schemas 1.0 and 1.1, which has one field more.
const V1_0: &str = r#"{"type": "record", "name": "s.v1_0.alert", "fields": [{"name": "id", "type": "string"}, {"name": "name", "type": "string"}]}"#;
const V1_1: &str = r#"{"type": "record", "name": "s.v1_1.alert", "fields": [{"name": "id", "type": "string"}, {"name": "name", "type": "string"},
    {"name": "mag", "type": ["null", "float"], "default": null}]}"#;

fn v1_0(id: i64) -> Vec<u8> {
    [text(&id.to_string()), text(&format!("é {id}"))].concat()
}

fn v1_1(id: i64) -> Vec<u8> {
    [v1_0(id), vec![2], 1.5f32.to_le_bytes().to_vec()].concat()
}

fn framed(encoding: Encoding, schema: &str, id: Option<u32>, datum: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let schema = Schema::parse(schema).unwrap();
    Framing::new(encoding, &schema, id).unwrap().write(datum, &mut value);
    value
}

fn confluent(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

/// A message: its key, its value and its header with a schema id.
type Framed<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>);

/// A topic, and the table that its alerts are loaded into.
pub(super) struct Stream {
    pub fixture: Fixture,
    topic: Topic,
    producer: Producer,
}

impl Stream {
    pub fn new(what: &str, partitions: i32) -> Self {
        let mut fixture = Fixture::with_servers(&format!("stream_{what}"));
        fixture.add("[science_db]", &format!("table = \"{}\"", fixture.name));
        let consumer = fixture.cluster().login_keys(User::Consumer);
        fixture.config = fixture.config.replace(
            "[distribution]\n",
            &format!(
                "[kafka.librdkafka]\n\"session.timeout.ms\" = \"6000\"\n\"heartbeat.interval.ms\" = \"1000\"\n\
                 [consumer]\n{consumer}group = \"{}\"\n[distribution]\n",
                fixture.name
            ),
        );
        let topic = Topic::named(fixture.name.clone());
        let config = vec![("max.message.bytes".to_owned(), "20000000".to_owned())];
        admin().create_topic(&topic.0, &TopicSpec { partitions: Some(partitions), replication: None, config }).unwrap();
        let settings = with_option(settings(), "message.max.bytes", "20000000");
        let producer = Producer::open(&settings, &options(&unique("stream")), &CancellationToken::new()).unwrap();
        Self { fixture, topic, producer }
    }

    pub fn send(&self, values: &[Vec<u8>]) {
        let messages: Vec<_> = values.iter().map(|value| (None, Some(value.as_slice()), None)).collect();
        self.send_all(&messages);
    }

    fn send_all(&self, messages: &[Framed<'_>]) {
        self.producer.begin().unwrap();
        for (id, (key, value, header)) in messages.iter().enumerate() {
            let headers: Vec<(&str, &[u8])> = header.iter().map(|id| ("__value_schema_id", *id)).collect();
            let topic = &self.topic.0;
            let record = ProducerRecord { topic, partition: 0, key: *key, value: *value, headers: &headers, id };
            self.producer.send(&record).unwrap();
        }
        assert_eq!(self.producer.commit(), Ok(CommitOutcome::Committed));
    }

    pub fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["ingest", "--format", "ndjson", "--from-topic", &self.topic.0][..], arguments].concat()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        self.fixture.run(&self.arguments(arguments))
    }

    /// Loads what is there; the report.
    pub fn load(&self, arguments: &[&str]) -> Json {
        let finished = self.run(&[&["--until-end"], arguments].concat());
        assert_eq!(finished.code, 0, "{finished:?}");
        serde_json::from_str(&finished.stdout).unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.fixture.start(&self.arguments(arguments), "ingest.log")
    }

    /// The folder of both schemas, named as Rubin names them.
    fn schemas(&self) -> String {
        let folder = self.fixture.path("schemas");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("s.v1_0.alert.avsc"), V1_0).unwrap();
        std::fs::write(folder.join("s.v1_1.alert.avsc"), V1_1).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    /// The rows, read through HBase's own gateway: keys and timestamps. Empty where there is no table yet.
    fn rows(&self) -> Vec<(String, i64)> {
        if !self.fixture.path("catalog.json").exists() {
            return Vec::new();
        }
        let gateway = self.fixture.cluster().thrift1();
        let settings = science_db_settings(StoreKind::Thrift1, gateway, self.fixture.folder.path());
        let mut table = Table::with(settings);
        table.rows().into_iter().map(|(key, row)| (key, row.timestamp)).collect()
    }

    pub fn keys(&self) -> Vec<String> {
        self.rows().into_iter().map(|(key, _)| key).collect()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let table = format!("default:{}", self.fixture.name);
        let settings =
            science_db_settings(StoreKind::HBase, self.fixture.cluster().hbase(), self.fixture.folder.path());
        let mut admin = HBaseTableAdmin::new(&settings, &table);
        let _disabled = admin.disable();
        let _deleted = admin.delete();
    }
}

#[test]
fn messages_in_every_framing_are_loaded_and_broken_ones_are_named() {
    let stream = Stream::new("framings", 1);
    let schemas = stream.schemas();
    let header = [&[0][..], &101u32.to_be_bytes()].concat();
    let (confluent_0, confluent_1) = (confluent(100, &v1_0(1)), confluent(101, &v1_1(2)));
    let single = framed(Encoding::SingleObject, V1_1, None, &v1_1(3));
    let container = framed(Encoding::Container, V1_0, None, &v1_0(4));
    let (by_header, by_key, bare) = (v1_1(5), v1_0(6), v1_1(7));
    let (unknown, wrong, cut) = (confluent(999, &v1_1(8)), confluent(101, &v1_0(9)), confluent(101, &v1_1(10)[..4]));
    stream.send_all(&[
        (None, Some(&confluent_0), None),
        (None, Some(&unknown), None),
        (Some(b"10"), Some(&confluent_1), None),
        (None, Some(&wrong), None),
        (None, Some(&single), None),
        (None, Some(&container), None),
        (None, Some(&cut), None),
        (None, Some(&by_header), Some(&header)),
        (None, None, None),
        (None, Some(&by_header), Some(b"101")),
        (Some(V1_0.as_bytes()), Some(&by_key), None),
        (None, Some(&bare), None),
    ]);
    let finished = stream.run(&["--until-end", "--schemas", &schemas, "--row-key", "id"]);
    let topic = &stream.topic.0;
    finished.assert_stderr(
        1,
        &[
            &format!("{topic}[0] at 1: no file has the schema with the id 999"),
            &format!("{topic}[0] at 3: it is no alert of the schema 101: "),
            &format!("{topic}[0] at 6: it is no alert of the schema 101: "),
            &format!("{topic}[0] at 8: the message has no value"),
            &format!("{topic}[0] at 9: its header `__value_schema_id` has no id of a schema"),
            "5 messages could not be loaded",
        ],
    );
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    let counts = ["alerts", "existing", "messages", "broken_messages"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [7, 0, 12, 5]);
    let mut expected: Vec<Vec<u8>> = [1, 4, 6].map(|id| [v1_0(id), vec![0]].concat()).to_vec();
    expected.extend([2, 3, 5, 7].map(v1_1));
    expected.sort();
    assert_eq!(Table::of(&stream.fixture).alerts(), expected);
    // All of it is dealt with: the next run reads what is new, and an alert that is there already is left as it is.
    let before = stream.rows();
    stream.send(&[confluent(101, &v1_1(2)), confluent(101, &v1_1(11))]);
    let report = stream.load(&["--schemas", &schemas]);
    assert_eq!(["alerts", "existing", "messages"].map(|name| report[name].as_u64().unwrap()), [1, 1, 2]);
    let after = stream.rows();
    assert!(before.iter().all(|row| after.contains(row)) && after.len() == 8, "{before:?}\n{after:?}");
}

#[test]
fn the_ends_of_consume_end_it_and_the_next_run_goes_on() {
    let stream = Stream::new("ends", 1);
    let schemas = stream.schemas();
    stream.send(&[1, 2, 3, 4, 5].map(|id| confluent(101, &v1_1(id))));
    let common = ["--schemas", &schemas, "--row-key", "id"];
    let finished = stream.run(&[&["--limit", "2"][..], &common].concat());
    assert_eq!((finished.code, stream.keys().len()), (0, 2), "{finished:?}");
    let finished = stream.run(&[&["--idle", "2s"][..], &common].concat());
    assert_eq!((finished.code, stream.keys().len()), (0, 5), "{finished:?}");
    stream
        .run(&[&["--expect", "1", "--exit-after", "3s"][..], &common].concat())
        .assert_stderr(1, &["1 alerts were expected, 0 came"]);
    // From the beginning, the rows are there already; or are written again.
    let report = stream.load(&[&["--from", "earliest"][..], &common].concat());
    assert_eq!((&report["alerts"], &report["existing"]), (&0.into(), &5.into()));
    let before = stream.rows();
    let report = stream.load(&[&["--from", "earliest", "--overwrite"][..], &common].concat());
    assert_eq!((&report["alerts"], &report["existing"]), (&5.into(), &0.into()));
    assert!(stream.rows().iter().zip(&before).all(|(new, old)| new.0 == old.0 && new.1 > old.1));
    stream.fixture.run(&["ingest", "alerts", "--limit", "3"]).assert_stderr(2, &["are for --from-topic"]);
    stream.fixture.run(&["ingest", "alerts", "--from-topic", "t"]).assert_stderr(2, &["--from-topic"]);
}

#[test]
fn after_a_crash_every_alert_has_one_row_with_one_timestamp() {
    const ALERTS: usize = 3000;
    let stream = Stream::new("crash", 1);
    let schemas = stream.schemas();
    let values: Vec<Vec<u8>> = (0..ALERTS as i64).map(|id| confluent(101, &v1_1(id))).collect();
    stream.send(&values);
    let arguments = ["--schemas", &schemas, "--row-key", "id"];
    let mut before = Vec::new();
    for _ in 0..2 {
        let running = stream.start(&[&["--rate", "400"][..], &arguments].concat());
        let known = before.len();
        wait_until(|| format!("{known} rows: {}", running.log()), || (stream.rows().len() > known + 200).then_some(()));
        running.kill();
        before = stream.rows();
        assert!(before.len() < ALERTS, "it was killed too late");
    }
    let report = stream.load(&arguments);
    let after = stream.rows();
    assert_eq!(after.len(), ALERTS);
    assert!(before.iter().all(|row| after.contains(row)), "a row was written again");
    assert_eq!(report["alerts"].as_u64().unwrap() as usize, ALERTS - before.len());
    assert_eq!(stream.load(&arguments)["messages"], 0);
}

#[test]
fn a_registry_may_be_slow_and_away_and_its_schemas_outlast_it() {
    let stream = Stream::new("registry", 1);
    let is_away = Arc::new(Mutex::new(false));
    let guid = "00112233-4455-6677-8899-aabbccddeeff";
    let away = Arc::clone(&is_away);
    let registry = Registry::start(move |request| match request.line.strip_prefix("GET /schemas/").unwrap() {
        _ if *away.lock().unwrap() => Reply::Away,
        "ids/7" => {
            let Reply::Text(status, text) = Reply::schema(V1_0) else { unreachable!() };
            Reply::Slow(status, text)
        }
        "ids/8" | "ids/9" => Reply::schema(V1_1),
        path if path == format!("guids/{guid}") => Reply::schema(V1_1),
        _ => Reply::unknown(),
    });
    let arguments = ["--registry", &registry.url, "--row-key", "id"];
    stream.send(&[1, 2, 3].map(|id| confluent(7, &v1_0(id))));
    assert_eq!(stream.load(&arguments)["alerts"], 3);
    assert_eq!(registry.requests().len(), 1);
    let header =
        [&[1][..], &[0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]]
            .concat();
    stream.send_all(&[(None, Some(&v1_1(4)), Some(&header))]);
    assert_eq!(stream.load(&arguments)["alerts"], 1);
    // Away: what is kept serves another process.
    *is_away.lock().unwrap() = true;
    stream.send(&[confluent(7, &v1_0(5))]);
    stream.send_all(&[(None, Some(&v1_1(6)), Some(&header))]);
    assert_eq!(stream.load(&arguments)["alerts"], 2);
    // A new id waits, and what comes after it.
    stream.send(&[confluent(7, &v1_0(7)), confluent(8, &v1_1(8)), confluent(7, &v1_0(9))]);
    let running = stream.start(&[&["--until-end"][..], &arguments].concat());
    running.wait_for("trying again until it answers");
    wait_until(|| running.log(), || (stream.keys().len() == 7).then_some(()));
    *is_away.lock().unwrap() = false;
    let (code, log) = running.wait();
    assert!(code == 0 && log.contains("the schema registry answers again"), "{log}");
    assert_eq!(stream.keys().len(), 9);
    // It does not come back in time: nothing is lost.
    *is_away.lock().unwrap() = true;
    stream.send(&[confluent(9, &v1_1(10))]);
    stream
        .run(&[&["--until-end", "--exit-after", "6s"][..], &arguments].concat())
        .assert_stderr(1, &["ended while messages were left"]);
    *is_away.lock().unwrap() = false;
    stream.send(&[confluent(99, &v1_1(11)), confluent(8, &v1_1(12))]);
    let finished = stream.run(&[&["--until-end"][..], &arguments].concat());
    finished.assert_stderr(1, &["has no schema with the id 99", "1 messages could not be loaded"]);
    assert_eq!(stream.keys().len(), 11);
    let no_answer = ["--until-end", "--exit-after", "5s", "--from", "earliest", "--group"];
    let other = format!("{}_2", stream.fixture.name);
    let finished = stream.run(&[&no_answer[..], &[&other, "--registry", &nowhere()]].concat());
    finished.assert_stderr(1, &["ended while messages were left", "the schema registry"]);
}

/// A registry with a login and an authority of its own, over HTTPS, whose schemas refer to others.
#[test]
fn a_registry_over_https_gives_schemas_with_what_they_refer_to() {
    let stream = Stream::new("https", 1);
    let tls = PathBuf::from(stream.fixture.cluster().value("FINK_TEST_TLS_DIR"));
    let is_away = Arc::new(Mutex::new(false));
    let away = Arc::clone(&is_away);
    let reference = |name: &str, subject: &str| json!({"name": name, "subject": subject, "version": 3});
    let whole = |schema: Json, references: &[Json]| {
        Reply::Slow(200, json!({"schema": schema.to_string(), "references": references}).to_string())
    };
    let source = json!({"type": "record", "name": "source", "namespace": "s", "fields": [
        {"name": "band", "type": "band"}, {"name": "flux", "type": ["null", "float"]}]});
    let band = json!({"type": "enum", "name": "s.band", "symbols": ["u", "g", "r"]});
    let alert = json!({"type": "record", "name": "s.alert", "fields": [{"name": "id", "type": "string"},
        {"name": "now", "type": "source"}, {"name": "before", "type": {"type": "array", "items": "s.source"}}]});
    let registry = Registry::start_with_tls(&tls, move |request| {
        if *away.lock().unwrap() {
            return Reply::Away;
        }
        // alice:sesame
        if !request.head.to_lowercase().contains("authorization: basic ywxpy2u6c2vzyw1l") {
            return Reply::Text(401, "no".to_owned());
        }
        match request.line.strip_prefix("GET /").unwrap() {
            "schemas/ids/7" => whole(alert.clone(), &[reference("s.source", "the source")]),
            "schemas/ids/8" => whole(alert.clone(), &[reference("s.source", "lost")]),
            "schemas/ids/9" => Reply::Text(200, json!({"schema": "{}", "schemaType": "JSON"}).to_string()),
            "subjects/the%20source/versions/3" => whole(source.clone(), &[reference("s.band", ":.s:band")]),
            "subjects/%3A.s%3Aband/versions/3" => whole(band.clone(), &[reference("s.source", "the source")]),
            _ => Reply::unknown(),
        }
    });
    let point = |band: i64| [long(band), vec![2], 1.5f32.to_le_bytes().to_vec()].concat();
    let alert = |id: i64| [text(&id.to_string()), point(1), long(2), point(0), point(2), vec![0]].concat();
    let load = |variables: &[(&str, &str)]| {
        let arguments = stream.arguments(&["--until-end", "--registry", &registry.url, "--row-key", "id"]);
        let mut command = stream.fixture.command(&arguments);
        Finished::of(&arguments, command.envs(variables.iter().copied()))
    };
    let ca = tls.join("ca.pem").display().to_string();
    let login = [("FINK_REGISTRY_USERNAME", "alice"), ("FINK_REGISTRY_PASSWORD", "sesame")];
    let trusting = [&login[..], &[("FINK_REGISTRY_CA", ca.as_str())]].concat();
    stream.send(&[confluent(7, &alert(1)), confluent(7, &alert(2))]);
    // Its authority is not the system's; without a login; with a file that is no certificate.
    let start = |variables: &[(&str, &str)]| {
        let arguments = stream.arguments(&["--registry", &registry.url, "--row-key", "id"]);
        let log = stream.fixture.path("https.log");
        let stderr = std::fs::File::create(&log).unwrap();
        let mut command = stream.fixture.command(&arguments);
        Running::from_child(command.envs(variables.iter().copied()).stderr(stderr).spawn().unwrap(), log)
    };
    let running = start(&login);
    running.wait_for("trying again until it answers");
    let log = running.terminate();
    assert!(log.contains("cannot be trusted") && log.contains("FINK_REGISTRY_CA names a file"), "{log}");
    load(&trusting[2..]).assert_stderr(1, &["asks for a login"]);
    let wrong = [("FINK_REGISTRY_CA", "fink.toml")];
    load(&wrong).assert_stderr(2, &["FINK_REGISTRY_CA: fink.toml: it has no certificate"]);
    let loaded = load(&trusting);
    assert_eq!(loaded.code, 0, "{loaded:?}");
    assert_eq!(Table::of(&stream.fixture).alerts(), [alert(1), alert(2)]);
    // Each document is asked for once, and the whole schema outlasts the registry.
    let asked = |words: &str| registry.requests().iter().filter(|request| request.line.contains(words)).count();
    assert_eq!((asked("source/versions"), asked("band/versions")), (1, 1));
    *is_away.lock().unwrap() = true;
    stream.send(&[confluent(7, &alert(3))]);
    assert_eq!(load(&trusting).code, 0);
    // What cannot be had is named, and the rest loaded.
    *is_away.lock().unwrap() = false;
    stream.send(&[confluent(8, &alert(4)), confluent(9, &alert(5)), confluent(7, &alert(6))]);
    load(&trusting).assert_stderr(
        1,
        &[
            "/schemas/ids/8: there is no version 3 of the subject `lost`, which it refers to",
            "/schemas/ids/9: the schema 9 is of the type JSON, not AVRO",
            "2 messages could not be loaded",
        ],
    );
    assert_eq!(stream.keys(), ["1", "2", "3", "6"]);
    // Away with a new id: it is waited for.
    *is_away.lock().unwrap() = true;
    stream.send(&[confluent(10, &alert(7))]);
    let running = start(&trusting);
    running.wait_for("trying again until it answers");
    let log = running.terminate();
    assert!(log.contains("stopped while messages were left") && log.contains("https://127.0.0.1"), "{log}");
}

#[test]
fn an_alert_that_is_too_large_for_a_row_is_named_and_a_large_one_is_loaded() {
    let stream = Stream::new("large", 1);
    let schema = r#"{"type": "record", "name": "a", "fields": [{"name": "id", "type": "string"}, {"name": "stamp", "type": "bytes"}]}"#;
    std::fs::write(stream.fixture.path("a.avsc"), schema).unwrap();
    let alert = |id: i64, size: usize| {
        let mut datum = text(&id.to_string());
        fink::avro::write_bytes(&vec![7; size], &mut datum);
        datum
    };
    let sizes = [10, 5_000_000, 12_000_000, 20, 5_000_000];
    let values: Vec<Vec<u8>> = sizes.iter().zip(1..).map(|(size, id)| alert(id, *size)).collect();
    values.iter().for_each(|value| stream.send(std::slice::from_ref(value)));
    let finished = stream.run(&["--until-end", "--schema", "a.avsc", "--row-key", "id"]);
    finished.assert_stderr(1, &["[0] at 4: its row of 120000", "cannot be written", "1 messages could not be loaded"]);
    assert_eq!(stream.keys(), ["1", "2", "4", "5"]);
}

#[test]
fn a_science_database_that_is_away_is_waited_for_and_sigterm_ends_it() {
    let mut stream = Stream::new("away", 1);
    stream.fixture.use_gateways();
    let gateway = stream.fixture.cluster().thrift2();
    let proxy = crate::fixture::proxy::Proxy::new(&gateway[0]);
    let all = stream.fixture.cluster().value("FINK_TEST_THRIFT2").to_owned();
    stream.fixture.replace(&all, &proxy.address());
    let schemas = stream.schemas();
    stream.send(&[confluent(101, &v1_1(1))]);
    let running = stream.start(&["--schemas", &schemas, "--row-key", "id"]);
    wait_until(|| running.log(), || (stream.keys().len() == 1).then_some(()));
    proxy.refuse(true);
    proxy.disconnect_all();
    stream.send(&[confluent(101, &v1_1(2)), confluent(101, &v1_1(3))]);
    running.wait_for("trying again until it answers");
    proxy.refuse(false);
    wait_until(|| running.log(), || (stream.keys().len() == 3).then_some(()));
    running.wait_for("the science database answers again");
    proxy.refuse(true);
    proxy.disconnect_all();
    stream.send(&[confluent(101, &v1_1(4))]);
    wait_until(
        || running.log(),
        || (running.log().matches("trying again until it answers").count() == 2).then_some(()),
    );
    let log = running.terminate();
    assert!(log.contains("stopped while messages were left"), "{log}");
    proxy.refuse(false);
    assert_eq!(stream.load(&["--schemas", &schemas])["alerts"], 1);
    assert_eq!(stream.keys(), ["1", "2", "3", "4"]);
}

#[test]
fn alerts_that_do_not_fit_the_table_do_not_stop_the_others() {
    let stream = Stream::new("misfits", 1);
    write_container(&stream.fixture.path("first.avro"), V1_0, &[v1_0(1)]);
    stream.fixture.ok(&["ingest", "first.avro", "--row-key", "id"]);
    let misfit = V1_0.replace(r#""name": "name", "type": "string""#, r#""name": "name", "type": "double""#);
    let value = [text("2"), 1.5f64.to_le_bytes().to_vec()].concat();
    let key = misfit.as_bytes();
    let good = v1_0(3);
    stream.send_all(&[(Some(key), Some(&value), None), (Some(V1_0.as_bytes()), Some(&good), None)]);
    let finished = stream.run(&["--until-end"]);
    finished.assert_stderr(1, &["[0] at 0: ", "column `name` is string in the catalog but double in the alerts"]);
    assert_eq!(stream.keys(), ["1", "3"]);
    // Alone it is told, and not passed over.
    stream.send_all(&[(Some(key), Some(&value), None)]);
    for _ in 0..2 {
        stream.run(&["--until-end"]).assert_stderr(1, &["error: catalog ", "column `name`"]);
    }
}

#[test]
fn rubin_s_stream_of_all_versions_is_loaded_as_it_is_sent() {
    let Some(folder) = real_alerts_of("lsst-wire") else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "avro"));
    files.sort();
    assert_eq!(files.len(), 10);
    let values: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let stream = Stream::new("rubin", 1);
    stream.send(&values);
    let schemas = folder.join("schemas");
    let row_key = "diaSource.diaObjectId,diaSource.diaSourceId";
    let report = stream.load(&["--schemas", schemas.to_str().unwrap(), "--row-key", row_key]);
    assert_eq!((&report["messages"], &report["broken_messages"]), (&10.into(), &0.into()));
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/wire_alerts.py");
    let out = stream.fixture.path("containers");
    let written = Command::new(python()).arg(script).args([&folder, &out]).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let mut expected: Vec<Json> = Vec::new();
    for path in &files {
        // Some versions have the same alert as an example: its first row is left as it is.
        for alert in alerts_of(&out.join(path.file_name().unwrap())) {
            if expected.iter().all(|known| id(known) != id(&alert)) {
                expected.push(alert);
            }
        }
    }
    assert_eq!(report["alerts"].as_u64().unwrap() as usize, expected.len());
    assert_eq!(report["existing"].as_u64().unwrap() as usize, 10 - expected.len());
    let mut table = Table::of(&stream.fixture);
    let newest = table.schema();
    let decoder = Decoder::new(newest.clone());
    let found: Vec<Json> =
        table.alerts_as(&newest).iter().map(|datum| decoder.value(datum, BytesFormat::Base64).unwrap()).collect();
    assert_eq!(found.len(), expected.len());
    for alert in &expected {
        let whole = found.iter().find(|found| id(found) == id(alert)).expect("a row of the alert");
        assert_contains("", whole, alert);
    }
}

/// What Rubin's row keys are made of.
fn id(alert: &Json) -> (&Json, &Json) {
    (&alert["diaSource"]["diaObjectId"], &alert["diaSource"]["diaSourceId"])
}

//! `fink doctor` and the service report each connection error in the words of docs/security.md, and distinguish it from the others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use fink::science_db::{NewTable, Put, PutCell, ScienceDb};
use serde_json::Value;

use super::foreign_servers;
use super::forwarder::Forwarder;
use super::security_page;
use crate::fixture::cluster::{Cluster, User};
use crate::fixture::kafka_cli::KafkaCli;
use crate::fixture::small_table::{science_db, write_catalog};
use crate::fixture::{Fixture, wait_until};

/// A port without a listener.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

/// An authority that the brokers do not know, and its certificate for itself.
fn other_authority(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"])
        .args(["-subj", "/CN=somebody else", "-keyout", "other.key", "-out", "other.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(folder.join("other.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn table_of(fixture: &Fixture) -> Box<dyn ScienceDb> {
    science_db(fixture)
}

/// A fixture with an embedded table, so that nothing but Kafka can be wrong.
struct Connection {
    fixture: Fixture,
    cluster: Cluster,
}

impl Connection {
    fn new() -> Self {
        let mut fixture = Fixture::embedded("mistakes");
        write_catalog(&fixture);
        table_of(&fixture).create_table(&NewTable { families: vec!["i".to_owned()], splits: Vec::new() }).unwrap();
        other_authority(fixture.folder.path());
        fs::write(fixture.path("wrong.password"), "not-the-password").unwrap();
        fs::set_permissions(fixture.path("wrong.password"), fs::Permissions::from_mode(0o600)).unwrap();
        let cluster = Cluster::get();
        let name = fixture.name.clone();
        fixture.config += &format!(
            "[kafka]\nusername = \"{}\"\npassword_file = \"{}\"\n[distribution]\nname = \"{name}\"\nrejected_topic = \"{name}_r\"\n\
             [[stream]]\nname = \"full\"\ntopic = \"{name}\"\npartitions = 1\n",
            cluster.username(User::Producer),
            cluster.password_file(User::Producer),
        );
        Self { fixture, cluster }
    }

    /// Something to be sent.
    fn put_alert(&self) {
        let cell = PutCell { family: "i".to_owned(), qualifier: "candid".to_owned(), value: vec![0; 8] };
        table_of(&self.fixture).put(&[Put { key: b"a".to_vec(), timestamp: None, cells: vec![cell] }]).unwrap();
    }

    fn set<'a>(arguments: &[&'a str], settings: &'a [String]) -> Vec<&'a str> {
        let sets = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
        arguments.iter().copied().chain(sets).collect()
    }

    /// What `fink doctor` finds wrong with Kafka.
    fn doctor(&self, settings: &[String]) -> Vec<String> {
        let finished = self.fixture.run(&Self::set(&["doctor", "--format", "json", "--timeout", "4s"], settings));
        assert_eq!(finished.code, 1, "{finished:?}");
        let checks: Vec<Value> =
            serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        let bad = |check: &&Value| check["state"] == "bad";
        checks.iter().filter(bad).map(|check| check["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the service logs this, at its end or, where it tries again, soon after its start; its log. `number` names the log's file.
    fn service(&self, settings: &[String], said: &str, number: usize) -> String {
        let arguments = Self::set(&["start", "distribution"], settings);
        let running = self.fixture.start(&arguments, &format!("service-{number}.log"));
        wait_until(
            || format!("nothing like `{said}`: {}", running.log()),
            || running.log().lines().any(|line| is_as_said(line, said)).then_some(()),
        );
        running.log()
    }
}

/// The mistakes, by their names in docs/security.md, with the settings that make them.
fn mistakes(connection: &Connection) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let cluster = &connection.cluster;
    let value = |name: &str| cluster.value(name).to_owned();
    let first = |name: &str| cluster.value(name).split(',').next().unwrap().to_owned();
    let tls = Path::new(cluster.value("FINK_TEST_TLS_DIR"));
    let file = |name: &str| tls.join(name).display().to_string();
    let elsewhere = Forwarder::new("127.0.0.2", &first("FINK_TEST_TLS_BOOTSTRAP"), None).address;
    let misled = Forwarder::with_other_port(&first("FINK_TEST_BOOTSTRAP"), closed_port()).address;
    let old_ca = connection.fixture.path("old.pem");
    let old = foreign_servers::with_old_certificate(&old_ca);
    let plain = ("bootstrap_servers", first("FINK_TEST_BOOTSTRAP"));
    let servers = ("bootstrap_servers", value("FINK_TEST_TLS_BOOTSTRAP"));
    let certified = ("bootstrap_servers", value("FINK_TEST_CERTIFICATE_BOOTSTRAP"));
    let over_tls = ("security_protocol", "sasl_ssl".to_owned());
    let by_certificate = ("security_protocol", "ssl".to_owned());
    let ca = ("ssl_ca", file("ca.pem"));
    vec![
        ("an unknown authority", vec![servers.clone(), over_tls.clone()]),
        ("another authority in ssl_ca", vec![servers.clone(), over_tls.clone(), ("ssl_ca", "other.pem".to_owned())]),
        ("a wrong host name", vec![("bootstrap_servers", elsewhere), over_tls.clone(), ca.clone()]),
        (
            "a certificate that has run out",
            vec![("bootstrap_servers", old), over_tls.clone(), ("ssl_ca", old_ca.display().to_string())],
        ),
        ("TLS against a port without", vec![plain.clone(), over_tls.clone(), ca.clone()]),
        ("no TLS against a port with", vec![servers.clone()]),
        ("no client's certificate where one is asked for", vec![certified.clone(), by_certificate.clone(), ca.clone()]),
        (
            "a client's certificate of another authority",
            vec![
                certified.clone(),
                by_certificate,
                ca.clone(),
                ("ssl_certificate", "other.pem".to_owned()),
                ("ssl_key", "other.key".to_owned()),
            ],
        ),
        (
            "a login where none is taken",
            vec![
                certified,
                over_tls.clone(),
                ca.clone(),
                ("ssl_certificate", file("producer.pem")),
                ("ssl_key", file("producer.key")),
            ],
        ),
        ("no login where one is asked for", vec![plain.clone(), ("security_protocol", "plaintext".to_owned())]),
        ("a wrong password", vec![plain.clone(), ("password_file", "wrong.password".to_owned())]),
        ("a wrong password over TLS", vec![servers, over_tls, ca, ("password_file", "wrong.password".to_owned())]),
        ("a mechanism that the brokers do not offer", vec![plain, ("sasl_mechanism", "PLAIN".to_owned())]),
        ("a closed port", vec![("bootstrap_servers", format!("127.0.0.1:{}", closed_port()))]),
        ("a port that is not Kafka's", vec![("bootstrap_servers", foreign_servers::web_server())]),
        ("a broker that hangs", vec![("bootstrap_servers", foreign_servers::silent_server())]),
        ("a name that is not known", vec![("bootstrap_servers", "broker.invalid:9093".to_owned())]),
        ("an advertised listener that cannot be reached", vec![("bootstrap_servers", misled)]),
    ]
}

/// Whether `text` matches the page, where `<…>` matches anything.
fn is_as_said(text: &str, said: &str) -> bool {
    let text = text.replace('`', "");
    let mut rest = text.as_str();
    let parts: Vec<&str> = said.split(['<', '>']).step_by(2).collect();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn each_error_is_reported_in_the_words_of_the_page() {
    let connection = Connection::new();
    let page = security_page::table("mistake");
    let mistakes = mistakes(&connection);
    let named: Vec<&str> = page.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(named, mistakes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "the page names the same mistakes");
    let cases: Vec<_> = mistakes.iter().zip(&page).enumerate().collect();
    // A few at a time: they wait most of the time.
    for cases in cases.chunks(6) {
        std::thread::scope(|scope| {
            for (number, ((name, settings), row)) in cases {
                scope.spawn(|| assert_reported(&connection, &page, *number, name, settings, row));
            }
        });
    }
}

fn assert_reported(
    connection: &Connection,
    page: &[Vec<String>],
    number: usize,
    name: &str,
    settings: &[(&str, String)],
    row: &[String],
) {
    let mut settings: Vec<String> = settings.iter().map(|(key, value)| format!("kafka.{key}={value}")).collect();
    // The services run beside each other.
    settings.push(format!("distribution.name={}_{number}", connection.fixture.name));
    let bad = connection.doctor(&settings);
    println!("{name}\n    {}", bad.join("\n    "));
    assert!(bad.iter().any(|text| is_as_said(text, &row[1])), "{name}: {bad:?}");
    let others = page.iter().filter(|other| other[1] != row[1]);
    for other in others {
        assert!(!bad.iter().any(|text| is_as_said(text, &other[1])), "{name} is also {}: {bad:?}", other[0]);
    }
    let log = connection.service(&settings, &row[1], number);
    assert!(!log.contains("not-the-password") && !bad.concat().contains("not-the-password"));
}

#[test]
fn doctor_and_service_report_a_missing_acl_in_the_same_words() {
    let cli = KafkaCli::new("missing_right");
    let mut connection = Connection::new();
    let (user, topic) = (cli.name("_u"), connection.fixture.name.clone());
    cli.add_user(&user, "password-without-rights");
    cli.ok(&["create-topic", &topic, "--partitions", "1"]);
    // Everything but the right to write the stream's topic, which may be read.
    let rest = ["--topic", &format!("{topic}_r"), "--transactional-id", &topic, "--create", "--any-host", "--yes"];
    cli.ok(&[&["grant", &user, "--produce"], &rest[..]].concat());
    cli.ok(&["grant", &user, "--consume", "--topic", &topic, "--any-host", "--yes"]);
    fs::write(connection.fixture.path("password"), "password-without-rights").unwrap();
    fs::set_permissions(connection.fixture.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let password_file = connection.cluster.password_file(User::Producer).to_owned();
    connection.fixture.replace(&format!("\"{password_file}\""), "\"password\"");
    let settings = [
        format!("kafka.username={user}"),
        format!("kafka.bootstrap_servers={}", connection.cluster.bootstrap_servers()),
    ];
    let said = format!(
        "user {user} is not authorized to write to topic {topic}; see fink kafka grant and fink kafka list-acls"
    );
    let bad = connection.doctor(&settings);
    assert!(bad.iter().any(|text| is_as_said(text, &said)), "{bad:?}");
    connection.put_alert();
    connection.service(&settings, &said, 0);
    cli.ok(&["delete-topic", &topic, "--yes"]);
}

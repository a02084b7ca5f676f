//! Reading over TLS.

use std::path::Path;

use super::Consumer;
use crate::fixture::cluster::User;

fn over_tls(what: &str, protocol: &str, servers: &str) -> Consumer {
    let mut consumer = Consumer::new(what);
    let cluster = crate::fixture::cluster::Cluster::get();
    let tls = Path::new(cluster.value("FINK_TEST_TLS_DIR"));
    let (old, new) = (cluster.bootstrap_servers(), cluster.value(servers));
    consumer.fixture.replace(&format!("\"{old}\""), &format!("\"{new}\""));
    let mut keys = format!("security_protocol = \"{protocol}\"\nssl_ca = \"{}\"", tls.join("ca.pem").display());
    if protocol == "ssl" {
        for (key, file) in [("ssl_certificate", "consumer.pem"), ("ssl_key", "consumer.key")] {
            keys.push_str(&format!("\n{key} = \"{}\"", tls.join(file).display()));
        }
        let login = cluster.login_keys(User::Consumer);
        consumer.fixture.replace(&login, "");
    }
    consumer.fixture.add("[kafka]", &keys);
    consumer
}

fn reads_and_saves(consumer: &Consumer) {
    let sent = consumer.send("ztf", "datum", "schema", 30);
    assert_eq!(consumer.candids(&["--no-group", "-e"]), sent);
    consumer.fixture.ok(&["consume", "-e", "--save", "saved", "--as", "parquet"]);
    assert_eq!(consumer.saved("saved", "ztf"), sent);
    let stats = consumer.fixture.ok(&["consume", "stats", "--format", "json"]);
    assert!(stats.stdout.contains("\"lag\": 0") || stats.stdout.contains("\"lag\":0"), "{stats:?}");
}

#[test]
fn alerts_are_read_over_tls_with_a_login() {
    reads_and_saves(&over_tls("sasl_ssl", "sasl_ssl", "FINK_TEST_TLS_BOOTSTRAP"));
}

#[test]
fn alerts_are_read_with_a_certificate() {
    reads_and_saves(&over_tls("ssl", "ssl", "FINK_TEST_CERTIFICATE_BOOTSTRAP"));
}

#[test]
fn a_broker_of_another_authority_is_refused() {
    let mut consumer = over_tls("authority", "sasl_ssl", "FINK_TEST_TLS_BOOTSTRAP");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=other",
        ])
        .args(["-keyout", "other.key", "-out", "other.pem"])
        .current_dir(consumer.fixture.folder.path())
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let cluster = crate::fixture::cluster::Cluster::get();
    let right = Path::new(cluster.value("FINK_TEST_TLS_DIR")).join("ca.pem").display().to_string();
    let other = consumer.fixture.path("other.pem").display().to_string();
    consumer.fixture.replace(&right, &other);
    consumer.fixture.run(&["consume", "--no-group", "-e", "--exit-after", "20s"]).assert_stderr(1, &["certificate"]);
}

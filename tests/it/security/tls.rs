//! End to end over TLS: with a login, and with a certificate in its place.

use std::path::Path;

use crate::fixture::Fixture;
use crate::fixture::cluster::User;

/// A fixture whose connections to Kafka are encrypted.
fn over_tls(what: &str, protocol: &str) -> Fixture {
    let mut fixture = Fixture::with_servers(what);
    let cluster = crate::fixture::cluster::Cluster::get();
    let (name, catalog) = (fixture.name.clone(), fixture.path("catalog.json").display().to_string());
    fixture.replace(&format!("catalog = \"{catalog}\""), &format!("catalog = \"{catalog}\"\ntable = \"{name}\""));
    fixture.replace("\"sasl_plaintext\"", &format!("\"{protocol}\""));
    let servers = match protocol {
        "ssl" => cluster.value("FINK_TEST_CERTIFICATE_BOOTSTRAP"),
        _ => cluster.value("FINK_TEST_TLS_BOOTSTRAP"),
    };
    fixture.replace(&format!("\"{}\"", cluster.bootstrap_servers()), &format!("\"{servers}\""));
    fixture.add("[kafka]", &format!("ssl_ca = \"{}\"", file(&cluster, "ca.pem")));
    fixture
}

fn file(cluster: &crate::fixture::cluster::Cluster, name: &str) -> String {
    Path::new(cluster.value("FINK_TEST_TLS_DIR")).join(name).display().to_string()
}

fn by_certificate(fixture: &mut Fixture, certificate: &str, key: &str, more: &str) {
    fixture.add("[kafka]", &format!("ssl_certificate = \"{certificate}\"\nssl_key = \"{key}\"\n{more}"));
}

/// Loads alerts, distributes them, and reads them back as `reader` says.
fn alerts_arrive(fixture: &Fixture, reader: &[String]) {
    fixture.ok(&["simulate", "--survey", "ztf", "--alerts", "40", "--seed", "5", "--into-db"]);
    let said = fixture.ok(&["start", "distribution", "--until", "now"]);
    assert!(!said.stderr.contains("error"), "{said:?}");
    let sets: Vec<&str> = reader.iter().flat_map(|set| ["--set", set.as_str()]).collect();
    let test = ["start", "distribution_test", "--topic", &fixture.name, "--from", "earliest", "--format", "ndjson"];
    let read = fixture.ok(&[&test[..], &["--expect", "40", "--limit", "40", "--exit-after", "60s"], &sets].concat());
    let mut seen: Vec<String> = Vec::new();
    for line in read.stdout.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        seen.push(format!("{}-{}", message["partition"], message["offset"]));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 40, "{read:?}");
    let doctor = fixture.ok(&["doctor"]);
    assert!(doctor.stdout.contains("✔ encryption: TLS") && doctor.stdout.contains("✔ kafka brokers: "), "{doctor:?}");
}

#[test]
fn alerts_are_distributed_over_tls_with_a_login() {
    let fixture = over_tls("sasl_ssl", "sasl_ssl");
    let cluster = crate::fixture::cluster::Cluster::get();
    let reader = [
        format!("kafka.username={}", cluster.username(User::Consumer)),
        format!("kafka.password_file={}", cluster.password_file(User::Consumer)),
    ];
    alerts_arrive(&fixture, &reader);
}

#[test]
fn alerts_are_distributed_with_certificates_and_an_encrypted_key() {
    let mut fixture = over_tls("ssl", "ssl");
    let cluster = crate::fixture::cluster::Cluster::get();
    std::fs::write(fixture.path("key.password"), "sesame-sesame").unwrap();
    let made = std::process::Command::new("openssl")
        .args(["ec", "-aes256", "-passout", "file:key.password", "-out", "producer.key"])
        .args(["-in", &file(&cluster, "producer.key")])
        .current_dir(fixture.folder.path())
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["key.password", "producer.key"] {
        std::fs::set_permissions(fixture.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let key = fixture.path("producer.key").display().to_string();
    by_certificate(&mut fixture, &file(&cluster, "producer.pem"), &key, "ssl_key_password_file = \"key.password\"");
    let reader = [
        format!("kafka.ssl_certificate={}", file(&cluster, "consumer.pem")),
        format!("kafka.ssl_key={}", file(&cluster, "consumer.key")),
    ];
    alerts_arrive(&fixture, &reader);

    fixture.run(&["doctor", "--set", "kafka.ssl_key_password_file="]).assert_stderr(1, &["checks failed"]);
    let denied = fixture.run(
        &[
            &["start", "distribution", "--set"][..],
            &[&reader[0], "--set", &reader[1], "--set", &format!("distribution.name={}_2", fixture.name)],
        ]
        .concat(),
    );
    denied.assert_stderr(1, &["user `(of ", "consumer.pem)` is not authorized to"]);
    assert!(!denied.stderr.contains("sesame-sesame"));
}

//! HBase over TLS: what is wrong about certificates and servers is named, and the program works with the right ones.

use fink::config::{HBaseProtocol, HBaseTlsSettings};
use fink::science_db::{HBaseTableAdmin, ScienceDbError};

use super::hbase_wrong_servers::{info_port, kerberos_server, open_over};
use crate::fixture::Fixture;
use crate::fixture::cluster::{Cluster, TIMEOUT};
use crate::security::foreign_servers::{requiring_certificate, with_old_certificate, with_other_name};

/// What a session with the server at `address` is refused with.
fn refusal(tls: HBaseTlsSettings, address: &str) -> String {
    let Err(error) = open_over(tls, address, TIMEOUT) else { panic!("{address} was taken") };
    assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    let text = error.to_string();
    let reason = text.strip_prefix(&format!("the science database at {address} refused the request: "));
    reason.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn trusting(ca: &std::path::Path) -> HBaseTlsSettings {
    HBaseTlsSettings { protocol: HBaseProtocol::Ssl, ssl_ca: Some(ca.to_owned()), ..HBaseTlsSettings::default() }
}

#[test]
fn certificate_of_an_unknown_authority_is_refused() {
    let cluster = Cluster::get();
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("ca.pem");
    let _server = with_old_certificate(&other);
    let advice = "set science_db.ssl_ca to a file with the certificate of that CA";
    for address in cluster.hbase() {
        assert_eq!(
            refusal(trusting(&other), &address),
            format!(
                "the certificate of the server was issued by `fink test cluster`, which is not in science_db.ssl_ca ({}): {advice}",
                other.display()
            )
        );
        let system = HBaseTlsSettings { ssl_ca: None, ..cluster.hbase_tls() };
        assert_eq!(
            refusal(system, &address),
            format!(
                "the certificate of the server was issued by `fink test cluster`, which this machine does not trust: {advice}"
            )
        );
    }
}

#[test]
fn certificates_for_another_name_and_time_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let address = with_other_name(&ca);
    assert_eq!(
        refusal(trusting(&ca), &address),
        "the certificate of the server is for 127.0.0.2, not for 127.0.0.1: use another name in science_db.address, or issue a certificate for \
         127.0.0.1"
    );
    let address = with_old_certificate(&ca);
    let text = refusal(trusting(&ca), &address);
    assert!(
        text.starts_with("the certificate of the server is valid from ")
            && text.ends_with(" only: renew it, or set this machine's clock"),
        "{text}"
    );
}

#[test]
fn server_that_requires_a_certificate_is_named() {
    let cluster = Cluster::get();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let address = requiring_certificate(&ca);
    let text = refusal(trusting(&ca), &address);
    assert!(
        text.starts_with("the server requires a client certificate (")
            && text.ends_with("): set science_db.ssl_certificate and science_db.ssl_key"),
        "{text}"
    );
    let certificate = cluster.tls_file("producer.pem");
    let tls = HBaseTlsSettings {
        ssl_certificate: Some(certificate.clone()),
        ssl_key: Some(cluster.tls_file("producer.key")),
        ..trusting(&ca)
    };
    let text = refusal(tls, &address);
    assert!(
        text.starts_with(&format!("the server rejects the client certificate {} (", certificate.display())),
        "{text}"
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let cluster = Cluster::get();
    let address = &cluster.hbase()[0];
    let text = refusal(trusting("/nowhere.pem".as_ref()), address);
    assert!(text.starts_with("science_db.ssl_ca: cannot read /nowhere.pem: "), "{text}");
    let tls = HBaseTlsSettings {
        ssl_certificate: Some(cluster.tls_file("producer.pem")),
        ssl_key: Some(cluster.tls_file("consumer.key")),
        ..cluster.hbase_tls()
    };
    let text = refusal(tls, address);
    assert!(text.contains("is not the key of the certificate"), "{text}");
}

#[test]
fn servers_without_tls_are_named() {
    let tls = Cluster::get().hbase_tls();
    let without = refusal(tls.clone(), &kerberos_server());
    assert!(
        without.starts_with("it does not support TLS: set science_db.security_protocol = \"plaintext\""),
        "{without}"
    );
    let web = refusal(tls.clone(), &info_port());
    assert!(web.starts_with("it is a web server"), "{web}");
    let gateway = refusal(tls.clone(), &Cluster::get().thrift2()[0]);
    assert!(gateway.starts_with("it is a Thrift 2 gateway"), "{gateway}");
    let broker = Cluster::get().bootstrap_servers().split(',').next().expect("a broker").to_owned();
    let kafka = refusal(tls, &broker);
    assert!(kafka.starts_with("it is a Kafka broker"), "{kafka}");
}

#[test]
fn program_ingests_and_distributes_over_tls() {
    let mut fixture = Fixture::with_servers("hbasetls");
    let table = fixture.name.clone();
    let ca = fixture.cluster().tls_file("ca.pem").display().to_string();
    let keys = format!("table = \"{table}\"\nsecurity_protocol = \"ssl\"\nssl_ca = \"{ca}\"");
    fixture.add("[science_db]", &keys);
    fixture.ok(&["simulate", "--survey", "ztf", "--alerts", "20", "--seed", "3", "--into-db"]);
    let finished = fixture.ok(&["start", "distribution", "--from", "earliest", "--until", "now"]);
    assert!(finished.stderr.contains("20 alerts"), "{finished:?}");
    let doctor = fixture.run(&["doctor"]);
    assert!(doctor.stdout.contains("called directly over TLS"), "{doctor:?}");
    let mut admin = HBaseTableAdmin::new(&fixture.science_db_settings(), &format!("default:{table}"));
    admin.disable().and_then(|()| admin.delete()).expect("no table");
}

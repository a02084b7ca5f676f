//! Servers that are no HBase, or none that fink can use: what they are is named.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fink::config::{HBaseTlsSettings, ScienceDbSettings, StoreKind};
use fink::science_db::{HBaseTableAdmin, ScienceDb, ScienceDbError, Sessions, Timeouts};

use super::faults::never;
use crate::fixture::alert_table;
use crate::fixture::cluster::{Cluster, TIMEOUT, science_db_settings};
use crate::fixture::proxy::server_answering;
use crate::security::foreign_servers::with_old_certificate;

/// Where the server says nothing.
const SHORT: Duration = Duration::from_millis(300);

fn open(address: &str, timeout: Duration) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    open_over(HBaseTlsSettings::default(), address, timeout)
}

pub(super) fn open_over(
    tls: HBaseTlsSettings,
    address: &str,
    timeout: Duration,
) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    let plain = science_db_settings(StoreKind::HBase, vec![address.to_owned()], Path::new("unused"));
    let settings = ScienceDbSettings { tls, ..plain };
    let timeouts = Timeouts { handshake: timeout, handshake_alone: timeout, read: timeout, ..Timeouts::default() };
    Sessions::new(&settings, "default:none", timeouts).open(&never())
}

fn assert_refused(address: &str, words: &[&str]) {
    let Err(error) = open(address, TIMEOUT) else { panic!("{address} was taken") };
    assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(address) && words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn thrift_gateways_are_named() {
    let cluster = Cluster::get();
    let advice = "science_db.address must name masters or region servers";
    assert_refused(&cluster.thrift2()[0], &["Thrift 2 gateway", "science_db.kind = \"thrift2\"", advice]);
    assert_refused(&cluster.thrift1()[0], &["Thrift 1 gateway", "science_db.kind = \"thrift1\"", advice]);
}

#[test]
fn kafka_broker_is_named() {
    let cluster = Cluster::get();
    let broker = cluster.bootstrap_servers().split(',').next().expect("a broker").to_owned();
    assert_refused(&broker, &["Kafka broker"]);
}

#[test]
fn zookeeper_is_named() {
    assert_refused(Cluster::get().value("FINK_TEST_ZOOKEEPER"), &["ZooKeeper server"]);
}

/// As Jetty answers what is no HTTP.
pub(super) fn info_port() -> String {
    server_answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", false)
}

#[test]
fn web_server_is_named() {
    assert_refused(&info_port(), &["web server", "info port of a master or region server"]);
}

#[test]
fn garbage_is_refused() {
    let garbage: [&'static [u8]; 5] = [
        // a frame longer than any
        &[0xff; 64],
        // an empty frame
        b"\0\0\0\0",
        // a header that is longer than its frame
        b"\0\0\0\x02\x7f\0",
        // a header that is no message
        b"\0\0\0\x03\x02\xff\xff",
        // the response to a call that was not made
        b"\0\0\0\x03\x02\x08\x63",
    ];
    for garbage in garbage {
        assert_refused(&server_answering(garbage, false), &["does not speak HBase's RPC"]);
    }
}

#[test]
fn length_without_content_is_waited_for_and_not_allocated() {
    let address = server_answering(b"\x7f\xff\xff\xff", false);
    let Err(error) = open(&address, SHORT) else { panic!("an empty promise was taken") };
    assert!(error.is_transient(), "{error}");
}

#[test]
fn silent_server_and_one_that_hangs_up_are_away() {
    for hangs_up in [false, true] {
        let address = server_answering(b"", hangs_up);
        let Err(error) = open(&address, SHORT) else { panic!("silence was taken") };
        assert!(error.is_transient() && error.to_string().contains(&address), "{error}");
    }
}

/// A region server with Kerberos, as far as its first answer: it refuses SIMPLE, and tells its principal.
pub(super) fn kerberos_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut preamble = [0; 6];
            if client.read_exact(&mut preamble).is_err() {
                continue;
            }
            let call_id = b"\x08\xff\xff\xff\xff\x0f";
            let frame = match &preamble {
                b"Securi" => {
                    let principal = b"\x0a\x10hbase/_HOST@SITE";
                    [&[call_id.len() as u8][..], call_id, &[principal.len() as u8], principal].concat()
                }
                _ => {
                    let class = b"org.apache.hadoop.hbase.security.AccessDeniedException";
                    let exception =
                        [b"\x0a", &[class.len() as u8][..], class, b"\x12\x1aAuthentication is required\x28\x01"]
                            .concat();
                    let header = [call_id, &b"\x12"[..], &[exception.len() as u8], &exception].concat();
                    [&[header.len() as u8][..], &header].concat()
                }
            };
            let bytes = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
            let _ = client.write_all(&bytes);
            // Until the client has read it.
            let _ = client.read(&mut [0; 1024]);
        }
    });
    address
}

#[test]
fn kerberos_is_refused_with_its_principal() {
    assert_refused(&kerberos_server(), &["requires Kerberos", "hbase/_HOST@SITE", "thrift2"]);
}

#[test]
fn the_program_ends_with_what_is_wrong_about_a_server() {
    let cluster = Cluster::get();
    let mut fixture = alert_table::with_catalog("wrongserver", "");
    let first = |name: &str| cluster.value(name).split(',').next().expect("an address").to_owned();
    let servers = [
        (first("FINK_TEST_THRIFT2"), "Thrift 2 gateway"),
        (first("FINK_TEST_BOOTSTRAP"), "Kafka broker"),
        (first("FINK_TEST_ZOOKEEPER"), "ZooKeeper server"),
        (with_old_certificate(&fixture.path("ca")), "requires TLS"),
        (info_port(), "web server"),
        (kerberos_server(), "requires Kerberos"),
    ];
    let mut before = cluster.value("FINK_TEST_HBASE").to_owned();
    for (address, words) in servers {
        fixture.replace(&before, &address);
        fixture.run(&["start", "distribution", "--from", "now"]).assert_stderr(1, &[&address, words]);
        let doctor = fixture.run(&["doctor", "--timeout", "10s"]);
        assert!(doctor.code == 1 && doctor.stdout.contains(words), "{doctor:?}");
        before = address;
    }
}

#[test]
fn the_program_ends_with_what_is_wrong_about_a_table() {
    let mut missing = alert_table::with_catalog("notable", "");
    missing.run(&["start", "distribution", "--from", "now"]).assert_stderr(1, &["has no table `default:fink_notable"]);
    missing.add("[science_db]", "table = \"nowhere:t\"");
    missing.run(&["start", "distribution", "--from", "now"]).assert_stderr(1, &["has no table `nowhere:t`"]);

    let mut table =
        alert_table::Table::with_columns("wrongfamily", r#", "x": {"cf": "z", "col": "x", "type": "string"}"#);
    let words = "the table has no column family `z`";
    table.put(0..1, None);
    let scans = ["start", "distribution", "--from", "earliest"];
    table.fixture.run(&scans).assert_stderr(1, &[words]);

    let table = alert_table::Table::new("disabled");
    let name = format!("default:{}", table.fixture.name);
    let mut admin = HBaseTableAdmin::new(&table.fixture.science_db_settings(), &name);
    admin.disable().expect("a disabled table");
    table.fixture.run(&scans).assert_stderr(1, &["is DISABLED: run `enable '"]);
    let doctor = table.fixture.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains("is DISABLED: run `enable '"), "{doctor:?}");
    admin.delete().expect("no table");
}

//! Gateways that fail: nothing is lost, doubled or misunderstood.

use std::path::Path;
use std::time::Duration;

use fink::cancel::CancellationToken;
use fink::config::{ScienceDbSettings, StoreKind};
use fink::row::{Columns, Rows};
use fink::science_db::{KeyRange, Put, PutCell, Scan, ScienceDb, ScienceDbError, Sessions, Timeouts, open};
use fink::window::Window;

use super::stores::{self, Store};
use crate::fixture::cluster::{Cluster, science_db_settings};
use crate::fixture::proxy::{Proxy, server_answering};

pub const TABLE: &str = "default:db_test_2";

pub fn settings(kind: StoreKind, addresses: &[String]) -> ScienceDbSettings {
    science_db_settings(kind, addresses.to_vec(), Path::new("unused"))
}

fn through(proxies: &[&Proxy]) -> Box<dyn ScienceDb> {
    let addresses: Vec<String> = proxies.iter().map(|proxy| proxy.address()).collect();
    open(&settings(StoreKind::Thrift2, &addresses), TABLE).expect("a session")
}

/// A token that is never cancelled.
pub fn never() -> CancellationToken {
    CancellationToken::new()
}

fn impatient(settings: &ScienceDbSettings) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    let short = Duration::from_millis(300);
    let timeouts = Timeouts { handshake: short, handshake_alone: short, ..Timeouts::default() };
    Sessions::new(settings, TABLE, timeouts).open(&never())
}

pub fn proxies() -> [Proxy; 2] {
    let targets = Cluster::get().thrift2();
    assert!(targets.len() >= 2, "two Thrift 2 gateways are needed");
    [Proxy::new(&targets[0]), Proxy::new(&targets[1])]
}

pub fn columns() -> Columns {
    Columns::new(vec![(String::from("i"), String::from("a"))])
}

pub fn put(store: &Store, name: &str, timestamp: Option<i64>, value: Vec<u8>) -> Put {
    let cell = PutCell { family: String::from("i"), qualifier: String::from("a"), value };
    Put { key: format!("{}{name}", store.prefix).into_bytes(), timestamp, cells: vec![cell] }
}

pub fn range(store: &Store) -> KeyRange {
    KeyRange { start: store.prefix.clone().into_bytes(), end: format!("{}~", store.prefix).into_bytes() }
}

pub fn scan(db: &mut dyn ScienceDb, store: &Store, page: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let columns = columns();
    let scan = Scan { keys: range(store), window: Window::ALL, columns: &columns, page };
    let (mut rows, mut found) = (Rows::default(), Vec::new());
    let mut after: Option<Vec<u8>> = None;
    while db.scan(&scan, after.as_deref(), &mut rows).expect("a page in spite of it all") {
        found.extend(rows.iter().map(|row| (row.key.to_vec(), row.cell(0).expect("a cell").value.to_vec())));
        after = rows.last().map(|row| row.key.to_vec());
    }
    found.extend(rows.iter().map(|row| (row.key.to_vec(), row.cell(0).expect("a cell").value.to_vec())));
    found
}

#[test]
fn scan_cut_in_the_middle_of_an_answer_loses_and_doubles_nothing() {
    let store = stores::thrift2();
    let puts: Vec<Put> = (0..50u8).map(|n| put(&store, &format!("{n:02}"), Some(1), vec![n; 2000])).collect();
    store.open().put(&puts).expect("a put");
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        puts.iter().map(|put| (put.key.clone(), put.cells[0].value.clone())).collect();
    let [one, other] = proxies();
    let mut db = through(&[&one, &other]);
    for (cut, cut_other) in [(0, 40_000), (3, 60), (20_000, 0), (30_000, 30_000), (41_000, 1), (80_000, 90_000)] {
        one.cut_after(cut);
        other.cut_after(cut_other);
        assert_eq!(scan(&mut *db, &store, 20), expected, "cut after {cut} and {cut_other}");
        assert!(one.has_cut() || other.has_cut());
    }
}

#[test]
fn stopped_gateway_is_left_for_the_next() {
    let store = stores::thrift2();
    store.open().put(&[put(&store, "row", Some(1), b"x".to_vec())]).expect("a put");
    let [one, other] = proxies();
    let mut db = through(&[&one, &other]);
    one.refuse(true);
    one.cut_after(0);
    assert_eq!(scan(&mut *db, &store, 5).len(), 1);
    assert_eq!(other.accepted(), 1);

    other.refuse(true);
    other.cut_after(0);
    let error = db.key_ranges().expect_err("no gateway is left");
    assert!(error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&one.address()) && text.contains(&other.address()), "{text}");

    one.refuse(false);
    one.cut_after(i64::MAX);
    assert_eq!(scan(&mut *db, &store, 5).len(), 1, "the session recovers with its gateway");
}

#[test]
fn sessions_are_spread_over_the_gateways() {
    let [one, other] = proxies();
    let sessions =
        Sessions::new(&settings(StoreKind::Thrift2, &[one.address(), other.address()]), TABLE, Timeouts::default());
    let _open: Vec<_> = (0..4).map(|_| sessions.open(&never()).expect("a session")).collect();
    assert_eq!((one.accepted(), other.accepted()), (2, 2));
}

#[test]
fn write_without_a_timestamp_is_not_repeated() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let mut db = through(&[&one, &other]);
    one.cut_after(0);
    let error = db.put(&[put(&store, "once", None, b"x".to_vec())]).expect_err("it is unknown whether it was done");
    assert!(error.is_transient() && error.to_string().contains("may have been done"), "{error}");
    assert_eq!(other.accepted(), 0);
    db.put(&[put(&store, "again", Some(5), b"x".to_vec())]).expect("a put");
    one.cut_after(0);
    db.put(&[put(&store, "again", Some(5), b"y".to_vec())]).expect("the same put on the other gateway");
    assert_eq!(scan(&mut *db, &store, 5).len(), 2);
}

#[test]
fn connection_closed_in_the_meantime_is_noticed_before_a_write() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let mut db = through(&[&one, &other]);
    // The answer comes whole, the connection ends after it.
    one.cut_after(0);
    let _ = db.key_ranges().expect("key ranges from the other gateway");
    other.cut_after(0);
    let _ = db.key_ranges().expect("key ranges");
    for _ in 0..2 {
        db.put(&[put(&store, "row", None, b"x".to_vec())]).expect("a put on a new connection");
    }
}

#[test]
fn other_thrift_version_is_named() {
    let cases = [
        (StoreKind::Thrift2, Cluster::get().thrift1(), "thrift2", 1),
        (StoreKind::Thrift1, Cluster::get().thrift2(), "thrift1", 2),
    ];
    for (kind, addresses, name, version) in cases {
        let Err(error) = open(&settings(kind, &addresses), TABLE) else { panic!("the wrong gateway was taken") };
        assert!(
            matches!(&error, ScienceDbError::WrongServer { wanted, found, .. } if *wanted == name && *found == version),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_thrift_server_is_refused() {
    let garbage: [&'static [u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0xff; 64],
        b"\x80\x01\x00\x02\xff\xff\xff\xff",
        b"\x80\x01\x00\x02\x00\x00\x00\x13getThriftServerType\x00\x00\x00\x01\x01\x00\x00",
    ];
    for garbage in garbage {
        for kind in [StoreKind::Thrift2, StoreKind::Thrift1] {
            let address = server_answering(garbage, false);
            let Err(error) = impatient(&settings(kind, std::slice::from_ref(&address))) else {
                panic!("garbage was taken")
            };
            assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
            assert!(error.to_string().contains("does not speak HBase's Thrift"), "{error}");
        }
    }
}

#[test]
fn length_without_content_is_waited_for_and_not_allocated() {
    // The name of the method is said to be 2 GB long.
    let address = server_answering(b"\x80\x01\x00\x02\x7f\xff\xff\xff", false);
    let Err(error) = impatient(&settings(StoreKind::Thrift2, &[address])) else { panic!("an empty promise was taken") };
    let text = error.to_string();
    assert!(matches!(error, ScienceDbError::Refused { .. } | ScienceDbError::Unreachable { .. }), "{text}");
}

#[test]
fn silent_server_is_given_up() {
    let silent = server_answering(b"", false);
    let Err(error) = impatient(&settings(StoreKind::Thrift2, &[silent])) else { panic!("silence was taken") };
    assert!(error.is_transient() && error.to_string().contains("minWorkerThreads"), "{error}");
}

#[test]
fn server_that_hangs_up_is_passed_over() {
    let store = stores::thrift2();
    let dead = server_answering(b"", true);
    let mut list = vec![dead, String::from("127.0.0.1:1"), String::from("no-such-host.invalid:9090")];
    let Err(error) = impatient(&settings(StoreKind::Thrift2, &list)) else { panic!("dead gateways were taken") };
    assert!(error.is_transient() && list.iter().all(|address| error.to_string().contains(address)), "{error}");
    list.extend(Cluster::get().thrift2());
    let mut db = open(&settings(StoreKind::Thrift2, &list), TABLE).expect("the gateway that lives");
    assert!(scan(&mut *db, &store, 5).is_empty());
}

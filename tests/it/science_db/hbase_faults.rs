//! HBase's own protocol through connections that fail: nothing is lost, doubled or misunderstood.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fink::cancel::CancellationToken;
use fink::config::StoreKind;
use fink::row::Rows;
use fink::science_db::{Put, ScienceDb, ScienceDbError, Sessions, Timeouts};

use super::faults::{columns, never, put, scan};
use super::frozen_gateways::assert_cancelled;
use super::log_capture;
use super::stores;
use crate::fixture::cluster::{Cluster, science_db_settings};
use crate::fixture::proxy::Proxy;

const TABLE: &str = "default:db_test_native";

/// Sessions that reach the servers `addresses` for what is known of the cluster, and the region server through `proxy`.
fn sessions_at(addresses: Vec<String>, proxy: &Proxy, timeouts: Timeouts) -> Sessions {
    log_capture::start();
    let settings = science_db_settings(StoreKind::HBase, addresses, Path::new("unused"));
    Sessions::new(&settings, TABLE, timeouts)
        .with_detours(BTreeMap::from([(Cluster::get().region_server(), proxy.address())]))
}

fn sessions(proxy: &Proxy, timeouts: Timeouts) -> Sessions {
    sessions_at(Cluster::get().hbase(), proxy, timeouts)
}

fn region_server() -> Proxy {
    Proxy::new(&Cluster::get().region_server())
}

fn through(proxy: &Proxy) -> Box<dyn ScienceDb> {
    sessions(proxy, Timeouts::default()).open(&never()).expect("a session")
}

#[test]
fn scan_cut_in_the_middle_of_a_response_loses_and_doubles_nothing() {
    let store = stores::hbase();
    let puts: Vec<Put> = (0..50u8).map(|n| put(&store, &format!("{n:02}"), Some(1), vec![n; 2000])).collect();
    store.open().put(&puts).expect("a put");
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        puts.iter().map(|put| (put.key.clone(), put.cells[0].value.clone())).collect();
    let proxy = region_server();
    let mut db = through(&proxy);
    for cut in [0, 3, 60, 20_000, 30_000, 41_000, 80_000, 90_000] {
        proxy.cut_after(cut);
        assert_eq!(scan(&mut *db, &store, 20), expected, "cut after {cut}");
        assert!(proxy.has_cut());
    }
}

#[test]
fn reads_by_key_are_repeated_after_a_cut() {
    let store = stores::hbase();
    let puts: Vec<Put> = (0..50u8).map(|n| put(&store, &format!("{n:02}"), Some(1), vec![n; 2000])).collect();
    let proxy = region_server();
    let mut db = through(&proxy);
    let keys: Vec<&[u8]> = puts.iter().map(|put| &put.key[..]).collect();
    for cut in [0, 1, 50, 5_000] {
        proxy.cut_after(cut);
        db.put(&puts).expect("a put with timestamps is repeated");
        proxy.cut_after(cut);
        let mut rows = Rows::default();
        db.get(&keys, &columns(), &mut rows).expect("rows");
        assert_eq!(rows.iter().map(|row| row.key.to_vec()).collect::<Vec<_>>(), keys);
    }
}

#[test]
fn write_without_a_timestamp_is_not_repeated() {
    let store = stores::hbase();
    let proxy = region_server();
    let mut db = through(&proxy);
    assert!(scan(&mut *db, &store, 5).is_empty());
    proxy.cut_after(0);
    let error = db.put(&[put(&store, "once", None, b"x".to_vec())]).expect_err("it is unknown whether it was done");
    assert!(error.is_transient() && error.to_string().contains("may have been done"), "{error}");
    assert!(proxy.has_cut());
    db.put(&[put(&store, "again", None, b"x".to_vec())]).expect("a put on a new connection");
}

#[test]
fn connection_closed_in_the_meantime_is_noticed_before_a_write() {
    let store = stores::hbase();
    let proxy = region_server();
    let mut db = through(&proxy);
    for _ in 0..3 {
        db.put(&[put(&store, "row", None, b"x".to_vec())]).expect("a put");
        proxy.disconnect_all();
    }
}

#[test]
fn other_server_of_the_list_answers_where_one_is_away() {
    let store = stores::hbase();
    let mut list = vec![String::from("127.0.0.1:1"), String::from("no-such-host.invalid:16000")];
    let settings = |list: &[String]| science_db_settings(StoreKind::HBase, list.to_vec(), Path::new("unused"));
    let open = |list: &[String]| Sessions::new(&settings(list), TABLE, Timeouts::default()).open(&never());
    let Err(error) = open(&list) else { panic!("nobody is there") };
    assert!(error.is_transient() && list.iter().all(|address| error.to_string().contains(address)), "{error}");
    for server in Cluster::get().hbase() {
        list.truncate(2);
        list.push(server);
        let mut db = open(&list).expect("the server that lives");
        assert!(scan(&mut *db, &store, 5).is_empty());
    }
}

#[test]
fn server_that_answers_late_is_waited_for() {
    let store = stores::hbase();
    let proxy = region_server();
    let mut db = through(&proxy);
    assert!(scan(&mut *db, &store, 5).is_empty());
    proxy.delay(Duration::from_secs(11));
    assert!(scan(&mut *db, &store, 5).is_empty());
    let address = proxy.address();
    assert_eq!(log_capture::lines(&["WARN", &address, "has not answered for 10 s; still waiting"]).len(), 1);
    assert_eq!(log_capture::lines(&["INFO", &address, "has answered after 1"]).len(), 1);
}

#[test]
fn read_that_times_out_is_repeated_and_the_time_out_grows() {
    let store = stores::hbase();
    let proxy = region_server();
    let timeouts = Timeouts { read: Duration::from_millis(500), ..Timeouts::default() };
    let mut db = sessions(&proxy, timeouts).open(&never()).expect("a session");
    proxy.delay(Duration::from_millis(900));
    assert!(scan(&mut *db, &store, 5).is_empty());
}

#[test]
fn server_that_stays_away_is_given_up_with_its_address() {
    let store = stores::hbase();
    let proxy = region_server();
    let mut db = through(&proxy);
    assert!(scan(&mut *db, &store, 5).is_empty());
    proxy.refuse(true);
    proxy.disconnect_all();
    let error = db.get(&[b"row"], &columns(), &mut Rows::default()).expect_err("nobody answers");
    assert!(error.is_transient() && error.to_string().contains(&Cluster::get().region_server()), "{error}");
    proxy.refuse(false);
    assert!(scan(&mut *db, &store, 5).is_empty(), "the session recovers with its server");
}

#[test]
fn blocked_calls_end_soon_after_they_are_cancelled() {
    let store = stores::hbase();
    let proxy = region_server();
    let address = vec![proxy.address()];
    let large = put(&store, "large", Some(1), vec![0; 8 << 20]);
    for work in [
        |db: &mut dyn ScienceDb, _: &[_]| db.key_ranges().map(drop),
        |db: &mut dyn ScienceDb, _: &[_]| db.get(&[b"row"], &columns(), &mut Rows::default()),
        // More than the buffers of the connection take.
        |db: &mut dyn ScienceDb, puts: &[_]| db.put(puts),
    ] {
        let token = CancellationToken::new();
        let mut db = sessions_at(address.clone(), &proxy, Timeouts::default()).open(&token).expect("a session");
        let _ = db.key_ranges().expect("key ranges");
        proxy.freeze(true);
        assert_cancelled(&token, || work(&mut *db, std::slice::from_ref(&large)));
        let token = CancellationToken::new();
        assert_cancelled(&token, || sessions_at(address.clone(), &proxy, Timeouts::default()).open(&token));
        proxy.freeze(false);
        let error = db.key_ranges().expect_err("the session's token stays cancelled");
        assert!(matches!(error, ScienceDbError::Cancelled { .. }), "{error}");
    }
}

//! Sessions with a server that responds as it is told: what HBase seldom does is tested here.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::client::Client;
use super::fake_server::{Call, FakeServer, Reply, block, rows_reply, scan_response};
use super::proto::{ListNamespaceDescriptorsRequest, ScanResponse};
use super::table::Table;
use super::{Cluster, HBase};
use crate::cancel::CancellationToken;
use crate::row::{Columns, Rows};
use crate::science_db::timeouts::Call::Metadata;
use crate::science_db::{KeyRange, Put, PutCell, Scan, ScienceDb, ScienceDbError, Timeouts};
use crate::window::Window;

fn columns() -> Columns {
    Columns::new(["a", "b"].map(|name| (String::from("i"), String::from(name))).to_vec())
}

/// The pages of a scan, each as its keys.
fn scan(db: &mut HBase, page: usize) -> Result<Vec<Vec<String>>, ScienceDbError> {
    let columns = columns();
    let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns: &columns, page };
    let (mut rows, mut pages, mut after) = (Rows::default(), Vec::new(), None::<Vec<u8>>);
    loop {
        let more = db.scan(&scan, after.as_deref(), &mut rows)?;
        pages.push(rows.iter().map(|row| String::from_utf8_lossy(row.key).into_owned()).collect());
        if !more {
            return Ok(pages);
        }
        after = rows.last().map(|row| row.key.to_vec());
    }
}

fn put(timestamp: Option<i64>) -> Put {
    let cell = PutCell { family: "i".into(), qualifier: "a".into(), value: b"x".to_vec() };
    Put { key: b"row".to_vec(), timestamp, cells: vec![cell] }
}

#[test]
fn pages_of_one_scanner_are_numbered_and_the_next_one_is_asked_for_ahead() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([
        rows_reply(&["1", "2"], false, true),
        rows_reply(&["3"], false, true),
        rows_reply(&[], false, false),
    ]);
    assert_eq!(scan(&mut db, 2).unwrap(), [vec!["1", "2"], vec!["3"], vec![]]);
    let scans = server.scans();
    let sequence: Vec<_> = scans.iter().map(|scan| (scan.scanner_id, scan.next_call_seq)).collect();
    assert_eq!(sequence, [(None, Some(0)), (Some(7), Some(1)), (Some(7), Some(2))]);
}

#[test]
fn heartbeats_without_rows_are_waited_through() {
    let server = FakeServer::new();
    let mut db = server.open();
    let heartbeat =
        || Reply::Scan(ScanResponse { heartbeat_message: Some(true), ..scan_response(&[], false, true) }, Vec::new());
    server.reply([heartbeat(), heartbeat(), rows_reply(&["1"], false, false)]);
    assert_eq!(scan(&mut db, 2).unwrap(), [["1"]]);
}

#[test]
fn row_cut_by_a_response_goes_on_or_is_complete() {
    let server = FakeServer::new();
    let mut db = server.open();
    let part = |row: &str, qualifier: &str| block(&[(row, "i", qualifier, b"x")]);
    server.reply([
        Reply::Scan(scan_response(&[1, 1], true, true), [part("1", "a"), part("2", "a")].concat()),
        // It goes on.
        Reply::Scan(scan_response(&[1, 1], true, true), [part("2", "b"), part("3", "a")].concat()),
        // It was complete.
        Reply::Scan(scan_response(&[1], true, true), part("4", "a")),
        rows_reply(&[], false, false),
    ]);
    let columns = columns();
    let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns: &columns, page: 10 };
    let (mut rows, mut found, mut after) = (Rows::default(), Vec::new(), None::<Vec<u8>>);
    loop {
        let more = db.scan(&scan, after.as_deref(), &mut rows).unwrap();
        found.extend(rows.iter().map(|row| (row.key.to_vec(), row.cell(1).is_some())));
        if !more {
            break;
        }
        after = rows.last().map(|row| row.key.to_vec());
    }
    let expected = [(b"1", false), (b"2", true), (b"3", false), (b"4", false)];
    assert_eq!(found, expected.map(|(key, has_b)| (key.to_vec(), has_b)));
}

#[test]
fn rows_above_the_page_are_kept_for_the_next() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([rows_reply(&["1", "2", "3", "4", "5"], false, false)]);
    assert_eq!(scan(&mut db, 2).unwrap(), [vec!["1", "2"], vec!["3", "4"], vec!["5"]]);
    assert_eq!(server.scans().len(), 1);
}

#[test]
fn lost_scanner_is_opened_again_behind_the_last_row() {
    for lost in
        ["UnknownScannerException", "exceptions.ScannerResetException", "exceptions.OutOfOrderScannerNextException"]
    {
        let server = FakeServer::new();
        let mut db = server.open();
        server.reply([
            rows_reply(&["1", "2"], true, true),
            Reply::Exception(lost),
            rows_reply(&["2", "3"], false, false),
        ]);
        assert_eq!(scan(&mut db, 5).unwrap(), [vec!["1"], vec!["2", "3"]]);
        let scans = server.scans();
        let start = scans[2].scan.as_ref().and_then(|scan| scan.start_row.clone());
        assert_eq!(start.as_deref(), Some(b"1\0".as_slice()), "the part of row 2 is read again");
    }
}

#[test]
fn scan_goes_on_where_it_was_after_a_pause_longer_than_the_lease_of_its_scanner() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([
        rows_reply(&["1", "2"], false, true),
        // The call that was sent ahead was answered in time, the next one finds no scanner.
        rows_reply(&["3", "4"], true, true),
        Reply::Exception("UnknownScannerException"),
        rows_reply(&["4", "5"], false, true),
        Reply::Exception("regionserver.LeaseException"),
        rows_reply(&["6"], false, false),
    ]);
    assert_eq!(scan(&mut db, 2).unwrap(), [vec!["1", "2"], vec!["3"], vec!["4", "5"], vec!["6"]]);
    let starts = server.scans().into_iter().filter_map(|request| request.scan?.start_row);
    assert_eq!(starts.collect::<Vec<_>>(), [&b""[..], b"3\0", b"5\0"]);
}

#[test]
fn server_of_meta_and_master_that_fail_are_waited_for() {
    let server = FakeServer::new();
    let mut client = Client::new(&server.cluster(), 0, &CancellationToken::new());
    server.be_absent(3);
    assert_eq!(Table::new("default:t").list(&mut client).unwrap().len(), 1);
    server.be_absent(3);
    let namespaces = client.master(Metadata, &ListNamespaceDescriptorsRequest {}).unwrap();
    assert!(namespaces.namespace_descriptor.is_empty());
    // A first session says at once what is the matter.
    server.be_absent(1);
    let Err(error) = HBase::open(&server.cluster(), "default:t", 0, &CancellationToken::new()) else {
        panic!("no server has hbase:meta")
    };
    assert!(error.is_transient() && error.to_string().contains("HBase is starting or stopped"), "{error}");
}

/// The address of a server that has ended.
fn dead_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn region_of_a_dead_server_is_found_where_it_went() {
    let (server, dead) = (FakeServer::new(), dead_server());
    let mut db = server.open();
    server.region_was_at(&[&dead, &dead, &dead]);
    server.reply([rows_reply(&["1"], false, false), Reply::Done]);
    assert_eq!(scan(&mut db, 5).unwrap(), [["1"]]);
    server.region_was_at(&[&dead]);
    db.put(&[put(None)]).unwrap();
}

#[test]
fn region_of_a_server_that_hangs_is_found_where_it_went() {
    // It accepts connections, as the kernel does for a suspended process.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hanging.local_addr().unwrap().to_string();
    let server = FakeServer::new();
    let timeouts = Timeouts { read: Duration::from_secs(2), ..Timeouts::default() };
    let cluster = Arc::new(Cluster::new(std::slice::from_ref(&server.address), timeouts, BTreeMap::new()));
    let mut db = HBase::open(&cluster, "default:t", 0, &CancellationToken::new()).unwrap();
    server.region_was_at(&[&address]);
    server.reply([rows_reply(&["1"], false, false)]);
    assert_eq!(scan(&mut db, 5).unwrap(), [["1"]]);
}

#[test]
fn meta_of_a_dead_server_is_found_where_it_went() {
    let (server, dead) = (FakeServer::new(), dead_server());
    server.meta_was_at(&[&dead, &dead, &dead]);
    let mut db = server.open();
    // The region's server has ended with it.
    server.region_was_at(&[&dead]);
    server.reply([rows_reply(&["1"], false, false)]);
    assert_eq!(scan(&mut db, 5).unwrap(), [["1"]]);
}

#[test]
fn region_that_moved_is_followed() {
    let (server, other) = (FakeServer::new(), FakeServer::new());
    let mut db = server.open();
    server.reply([rows_reply(&["1"], false, true), Reply::Moved(other.address.clone())]);
    other.reply([rows_reply(&["2"], false, false)]);
    assert_eq!(scan(&mut db, 1).unwrap(), [["1"], ["2"]]);
    assert_eq!(other.scans().len(), 1);
}

#[test]
fn busy_server_is_asked_again() {
    for busy in ["CallQueueTooBigException", "RegionTooBusyException", "quotas.RpcThrottlingException"] {
        let server = FakeServer::new();
        let mut db = server.open();
        server.reply([Reply::Exception(busy), Reply::Exception(busy), rows_reply(&["1"], false, false)]);
        assert_eq!(scan(&mut db, 5).unwrap(), [["1"]]);
        server.reply([Reply::Exception(busy), Reply::Done]);
        db.put(&[put(None)]).unwrap();
    }
}

#[test]
fn row_that_fails_alone_is_written_again_alone() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([Reply::FirstRowFails("NotServingRegionException"), Reply::Done]);
    db.put(&[put(Some(1)), Put { key: b"row 2".to_vec(), ..put(Some(1)) }]).unwrap();
    let rows = |call: &Call| match call {
        Call::Multi(request) => request.region_action[0].action.len(),
        Call::Scan(request) => panic!("{request:?}"),
    };
    assert_eq!(server.calls().iter().map(rows).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn rows_that_fail_one_after_the_other_are_no_repeated_failure() {
    let server = FakeServer::new();
    let mut db = server.open();
    let fails = || Reply::OtherRowsFail("NotServingRegionException");
    let puts = ["1", "2", "3", "4"].map(|key| Put { key: key.into(), ..put(Some(1)) });
    server.reply([fails(), fails(), fails(), Reply::Done]);
    db.put(&puts).unwrap();
    assert_eq!(server.state_reads(), 0, "each call made progress");
    let fails = || Reply::FirstRowFails("NotServingRegionException");
    server.reply([fails(), fails(), Reply::Done]);
    db.put(&puts[..1]).unwrap();
    assert_eq!(server.state_reads(), 1, "the same row has failed twice");
}

#[test]
fn refused_row_is_an_error_with_the_reason() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([Reply::FirstRowFails("security.AccessDeniedException")]);
    let error = db.put(&[put(None)]).unwrap_err();
    assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("AccessDeniedException: of the test: grant the right to user `"), "{text}");
}

#[test]
fn columns_that_the_user_may_not_read_are_an_error_instead_of_absent() {
    let server = FakeServer::new();
    server.deny(&["i"]);
    let cluster = server.cluster();
    let mut db = HBase::open(&cluster, "default:t", 0, &CancellationToken::new()).unwrap();
    let errors = [scan(&mut db, 5).unwrap_err(), db.get(&[b"1"], &columns(), &mut Rows::default()).unwrap_err()];
    for error in errors {
        assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
        let user = cluster.user();
        let text = format!(
            "the user `{user}` has no right to read (READ) these columns of the table `default:t`: i:a, i:b; run `grant '{user}', 'R', 't'` in"
        );
        assert!(error.to_string().contains(&text), "{error}");
    }
    assert!(server.calls().is_empty());
    // As soon as the right is granted.
    server.deny(&["j"]);
    server.reply([rows_reply(&["1"], false, false)]);
    assert_eq!(scan(&mut db, 5).unwrap(), [["1"]]);
}

#[test]
fn master_that_does_not_answer_the_question_for_rights_holds_up_no_reads() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.be_absent(1);
    server.reply([rows_reply(&["1"], false, false), rows_reply(&["2"], false, false)]);
    assert_eq!([scan(&mut db, 5).unwrap(), scan(&mut db, 5).unwrap()], [[["1"]], [["2"]]]);
}

#[test]
fn write_without_a_timestamp_is_repeated_only_where_it_was_not_begun() {
    let server = FakeServer::new();
    let mut db = server.open();
    for reply in [Reply::Close, Reply::Exception("SomethingElseException")] {
        server.reply([reply]);
        let error = db.put(&[put(None)]).unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("may have been done"), "{error}");
    }
    server.reply([Reply::Close, Reply::Done]);
    db.put(&[put(Some(1))]).unwrap();
    assert_eq!(server.calls().len(), 4);
}

#[test]
fn response_that_does_not_match_the_request_is_an_error() {
    let mut without_end = scan_response(&[1], false, false);
    without_end.more_results_in_region = None;
    let cells = block(&[("1", "i", "a", b"x")]);
    let wrong = [Reply::Scan(scan_response(&[2], false, false), cells.clone()), Reply::Scan(without_end, cells)];
    for reply in wrong {
        let server = FakeServer::new();
        let mut db = server.open();
        server.reply([reply]);
        let error = scan(&mut db, 5).unwrap_err();
        assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    }
}

#[test]
fn cancelled_session_stops_waiting_for_a_busy_server() {
    let server = FakeServer::new();
    let cancel = CancellationToken::new();
    let cluster = Arc::new(Cluster::new(std::slice::from_ref(&server.address), Timeouts::default(), BTreeMap::new()));
    let mut db = HBase::open(&cluster, "default:t", 0, &cancel).unwrap();
    server.reply((0..1000).map(|_| Reply::Exception("CallQueueTooBigException")));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            cancel.cancel();
        });
        assert!(matches!(scan(&mut db, 5), Err(ScienceDbError::Cancelled { .. })));
    });
}

//! Sessions with a server that responds as it is told: what HBase seldom does is tested here.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use prost::Message;

use super::cell_block::{NewCell, PUT, write_cell};
use super::proto::{
    CellBlockMeta, ExceptionResponse, GetMetaRegionLocationsResponse, MultiRequest, MultiResponse, NameBytesPair,
    RegionActionResult, RegionInfo, RegionLocation, ResponseHeader, Result as RowResult, ResultOrException,
    ScanRequest, ScanResponse, ServerName, TableName,
};
use super::{Cluster, HBase, frame};
use crate::cancel::CancellationToken;
use crate::row::{Columns, Rows};
use crate::science_db::{KeyRange, Put, PutCell, Scan, ScienceDb, ScienceDbError, Timeouts};
use crate::window::Window;

/// What the server does with a call to the table.
enum Reply {
    Scan(ScanResponse, Vec<u8>),
    /// every row of a `Multi` is done
    Done,
    /// the first row fails with this exception, the others are done
    FirstRowFails(&'static str),
    Exception(&'static str),
    /// the region is now at this server
    Moved(String),
    Close,
}

/// A master and region server with one table of one region.
struct FakeServer {
    address: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    /// the calls to the table
    calls: Arc<Mutex<Vec<Call>>>,
}

#[derive(Debug)]
enum Call {
    Scan(ScanRequest),
    Multi(MultiRequest),
}

impl FakeServer {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { address, replies: Arc::default(), calls: Arc::default() };
        let (address, replies, calls) =
            (server.address.clone(), Arc::clone(&server.replies), Arc::clone(&server.calls));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (address, replies, calls) = (address.clone(), Arc::clone(&replies), Arc::clone(&calls));
                thread::spawn(move || serve(client, &address, &replies, &calls));
            }
        });
        server
    }

    fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    fn open(&self) -> HBase {
        let cluster = Arc::new(Cluster::new(&[self.address.clone()], Timeouts::default(), BTreeMap::new()));
        HBase::open(&cluster, "default:t", 0, &CancellationToken::new()).unwrap()
    }

    fn calls(&self) -> Vec<Call> {
        assert!(self.replies.lock().unwrap().is_empty(), "replies that nobody asked for");
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn scans(&self) -> Vec<ScanRequest> {
        let scan = |call| match call {
            Call::Scan(request) => request,
            Call::Multi(request) => panic!("{request:?}"),
        };
        self.calls().into_iter().map(scan).collect()
    }
}

fn serve(
    mut client: TcpStream,
    address: &str,
    replies: &Mutex<VecDeque<Reply>>,
    calls: &Mutex<Vec<Call>>,
) -> Option<()> {
    let mut preamble = [0; 10];
    client.read_exact(&mut preamble).ok()?;
    let len = u32::from_be_bytes(preamble[6..].try_into().unwrap());
    client.read_exact(&mut vec![0; len as usize]).ok()?;
    loop {
        let mut len = [0; 4];
        client.read_exact(&mut len).ok()?;
        let mut request = vec![0; u32::from_be_bytes(len) as usize];
        client.read_exact(&mut request).ok()?;
        let parts = frame::split_request(&request).unwrap();
        let message = &request[parts.message];
        let mut header = ResponseHeader { call_id: parts.header.call_id, ..ResponseHeader::default() };
        let response = match parts.header.method_name.as_deref() {
            Some("GetMetaRegionLocations") => frame::response(&header, Some(&meta_location(address)), 0),
            Some("Scan") => {
                let request = ScanRequest::decode(message).unwrap();
                let is_meta = request.region.as_ref().is_some_and(|region| region.value.starts_with(b"hbase:meta"));
                let reply = match is_meta {
                    true => meta_rows(address),
                    false => {
                        calls.lock().unwrap().push(Call::Scan(request));
                        replies.lock().unwrap().pop_front()?
                    }
                };
                respond(&mut header, reply, 0)?
            }
            Some("Multi") => {
                let request = MultiRequest::decode(message).unwrap();
                let rows = request.region_action[0].action.len();
                if request.region_action[0].region.value.starts_with(b"hbase:meta") {
                    // The state of the table.
                    respond(&mut header, Reply::Done, 1)?
                } else {
                    calls.lock().unwrap().push(Call::Multi(request));
                    let reply = replies.lock().unwrap().pop_front()?;
                    respond(&mut header, reply, rows)?
                }
            }
            other => panic!("{other:?}"),
        };
        client.write_all(&response).ok()?;
    }
}

fn respond(header: &mut ResponseHeader, reply: Reply, rows: usize) -> Option<Vec<u8>> {
    let exception = |header: &mut ResponseHeader, exception: ExceptionResponse| {
        header.exception = Some(exception);
        Some(frame::response(header, None::<&ScanResponse>, 0))
    };
    let done = |failure: Option<&str>| {
        let row = |index: usize| ResultOrException {
            index: Some(index as u32),
            result: Some(RowResult::default()),
            exception: failure.filter(|_| index == 0).map(|name| NameBytesPair {
                name: format!("org.apache.hadoop.hbase.{name}"),
                value: Some(b"of the test".to_vec()),
            }),
        };
        let region = RegionActionResult { result_or_exception: (0..rows).map(row).collect(), ..Default::default() };
        MultiResponse { region_action_result: vec![region] }
    };
    match reply {
        Reply::Scan(message, cells) => {
            let length = Some(cells.len() as u32);
            header.cell_block_meta = (!cells.is_empty()).then_some(CellBlockMeta { length });
            Some([frame::response(header, Some(&message), cells.len()), cells].concat())
        }
        Reply::Done => Some(frame::response(header, Some(&done(None)), 0)),
        Reply::FirstRowFails(name) => Some(frame::response(header, Some(&done(Some(name))), 0)),
        Reply::Exception(name) => exception(
            header,
            ExceptionResponse {
                exception_class_name: Some(format!("org.apache.hadoop.hbase.{name}")),
                stack_trace: Some(String::from("of the test")),
                ..ExceptionResponse::default()
            },
        ),
        Reply::Moved(address) => {
            let (host, port) = address.rsplit_once(':').unwrap();
            exception(
                header,
                ExceptionResponse {
                    exception_class_name: Some(String::from("org.apache.hadoop.hbase.exceptions.RegionMovedException")),
                    hostname: Some(host.to_owned()),
                    port: port.parse().ok(),
                    ..ExceptionResponse::default()
                },
            )
        }
        Reply::Close => None,
    }
}

fn region_info() -> RegionInfo {
    RegionInfo {
        region_id: 1,
        table_name: TableName { namespace: b"default".to_vec(), qualifier: b"t".to_vec() },
        start_key: None,
        end_key: None,
        offline: Some(false),
        split: Some(false),
        replica_id: Some(0),
    }
}

fn meta_location(address: &str) -> GetMetaRegionLocationsResponse {
    let (host, port) = address.rsplit_once(':').unwrap();
    let server = ServerName { host_name: host.to_owned(), port: port.parse().ok(), start_code: Some(1) };
    let location = RegionLocation { region_info: region_info(), server_name: Some(server), seq_num: 1 };
    GetMetaRegionLocationsResponse { meta_locations: vec![location] }
}

fn meta_rows(address: &str) -> Reply {
    let info = region_info().encode_to_vec();
    let cells = [("regioninfo", &info[..]), ("server", address.as_bytes())];
    let cells = cells.map(|(qualifier, value)| ("t,,1.x.", "info", qualifier, value));
    Reply::Scan(scan_response(&[2], false, false), block(&cells))
}

fn scan_response(cells_per_result: &[u32], ends_in_row: bool, has_more: bool) -> ScanResponse {
    let mut partial = vec![false; cells_per_result.len()];
    partial.last_mut().into_iter().for_each(|last| *last = ends_in_row);
    ScanResponse {
        cells_per_result: cells_per_result.to_vec(),
        partial_flag_per_result: partial,
        scanner_id: Some(7),
        more_results: Some(true),
        more_results_in_region: Some(has_more),
        ..ScanResponse::default()
    }
}

fn block(cells: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (row, family, qualifier, value) in cells {
        let (row, family, qualifier) = (row.as_bytes(), family.as_bytes(), qualifier.as_bytes());
        write_cell(&mut block, &NewCell { row, family, qualifier, timestamp: 5, kind: PUT, value });
    }
    block
}

/// Rows of the column `i:a`, in one response.
fn rows_reply(rows: &[&str], ends_in_row: bool, has_more: bool) -> Reply {
    let cells: Vec<_> = rows.iter().map(|row| (*row, "i", "a", b"x".as_slice())).collect();
    Reply::Scan(scan_response(&vec![1; rows.len()], ends_in_row, has_more), block(&cells))
}

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
fn refused_row_is_an_error_with_the_reason() {
    let server = FakeServer::new();
    let mut db = server.open();
    server.reply([Reply::FirstRowFails("security.AccessDeniedException")]);
    let error = db.put(&[put(None)]).unwrap_err();
    assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("AccessDeniedException: of the test"), "{error}");
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
    let cluster = Arc::new(Cluster::new(&[server.address.clone()], Timeouts::default(), BTreeMap::new()));
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

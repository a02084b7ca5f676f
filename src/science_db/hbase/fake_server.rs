//! A server of HBase that responds as it is told, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use prost::Message;

use super::cell_block::{NewCell, PUT, write_cell};
use super::proto::{
    CellBlockMeta, ExceptionResponse, GetActiveMasterResponse, GetMetaRegionLocationsResponse,
    HasUserPermissionsRequest, HasUserPermissionsResponse, ListNamespaceDescriptorsResponse, MultiRequest,
    MultiResponse, NameBytesPair, Permission, RegionActionResult, RegionInfo, RegionLocation, ResponseHeader,
    Result as RowResult, ResultOrException, ScanRequest, ScanResponse, ServerName, TableName,
};
use super::{Cluster, HBase, frame};
use crate::cancel::CancellationToken;
use crate::science_db::Timeouts;

/// What the server does with a call to the table.
pub(super) enum Reply {
    Scan(ScanResponse, Vec<u8>),
    /// every row of a `Multi` is done
    Done,
    /// the first row fails with this exception, the others are done
    FirstRowFails(&'static str),
    /// the first row is done, the others fail with this exception
    OtherRowsFail(&'static str),
    Exception(&'static str),
    /// the region is now at this server
    Moved(String),
    Close,
}

/// A master and region server with one table of one region.
#[derive(Clone)]
pub(super) struct FakeServer {
    pub(super) address: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    /// the calls to the table
    calls: Arc<Mutex<Vec<Call>>>,
    /// how often it still responds that no server is the active master, or has `hbase:meta`
    absences: Arc<AtomicUsize>,
    /// where `hbase:meta` is, then where the region is, by the next responses; after them, at this server
    former_metas: Arc<Mutex<VecDeque<String>>>,
    former_regions: Arc<Mutex<VecDeque<String>>>,
    /// how often it was asked for the state of the table
    state_reads: Arc<AtomicUsize>,
    /// the column families that the user may not read; `None`: there is no access control
    denied_families: Arc<Mutex<Option<Vec<&'static str>>>>,
}

#[derive(Debug)]
pub(super) enum Call {
    Scan(Box<ScanRequest>),
    Multi(MultiRequest),
}

impl FakeServer {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self {
            address,
            replies: Arc::default(),
            calls: Arc::default(),
            absences: Arc::default(),
            former_metas: Arc::default(),
            former_regions: Arc::default(),
            state_reads: Arc::default(),
            denied_families: Arc::default(),
        };
        let shared = server.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = shared.clone();
                thread::spawn(move || serve(client, &server));
            }
        });
        server
    }

    /// The next `count` questions for the active master or for the server of `hbase:meta` find none.
    pub(super) fn be_absent(&self, count: usize) {
        self.absences.store(count, Ordering::SeqCst);
    }

    /// How often it was asked for the state of the table, which a client does when a call has failed repeatedly.
    pub(super) fn state_reads(&self) -> usize {
        self.state_reads.load(Ordering::SeqCst)
    }

    /// The user may not read these families, as an AccessController says.
    pub(super) fn deny(&self, families: &[&'static str]) {
        *self.denied_families.lock().unwrap() = Some(families.to_vec());
    }

    /// The response to the question which columns the user may read.
    fn permissions(&self, header: &mut ResponseHeader, request: &HasUserPermissionsRequest) -> Option<Vec<u8>> {
        let denied = self.denied_families.lock().unwrap();
        let Some(denied) = &*denied else {
            return respond(header, Reply::Exception("DoNotRetryIOException"), 0);
        };
        let is_granted = |permission: &Permission| {
            let family = permission.table_permission.as_ref().and_then(|permission| permission.family.clone());
            !denied.iter().any(|denied| family.as_deref() == Some(denied.as_bytes()))
        };
        let has_user_permission = request.permission.iter().map(is_granted).collect();
        Some(frame::response(header, Some(&HasUserPermissionsResponse { has_user_permission }), 0))
    }

    /// The next questions for the server of `hbase:meta` find these addresses.
    pub(super) fn meta_was_at(&self, addresses: &[&str]) {
        self.former_metas.lock().unwrap().extend(addresses.iter().map(|&address| address.to_owned()));
    }

    /// The next questions for the server of the region find these addresses.
    pub(super) fn region_was_at(&self, addresses: &[&str]) {
        self.former_regions.lock().unwrap().extend(addresses.iter().map(|&address| address.to_owned()));
    }

    /// The server at `address`, unless the master or `hbase:meta` is absent.
    fn found(&self, address: &str) -> Option<ServerName> {
        let count = self.absences.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1));
        count.is_err().then(|| server_name(address))
    }

    /// The next of the former addresses, else the server's own.
    fn place(&self, former: &Mutex<VecDeque<String>>) -> String {
        former.lock().unwrap().pop_front().unwrap_or_else(|| self.address.clone())
    }

    pub(super) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(super) fn cluster(&self) -> Arc<Cluster> {
        Arc::new(Cluster::new(std::slice::from_ref(&self.address), Timeouts::default(), BTreeMap::new()))
    }

    pub(super) fn open(&self) -> HBase {
        HBase::open(&self.cluster(), "default:t", 0, &CancellationToken::new()).unwrap()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        assert!(self.replies.lock().unwrap().is_empty(), "replies without a request");
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    pub(super) fn scans(&self) -> Vec<ScanRequest> {
        let scan = |call| match call {
            Call::Scan(request) => *request,
            Call::Multi(request) => panic!("{request:?}"),
        };
        self.calls().into_iter().map(scan).collect()
    }
}

fn serve(mut client: TcpStream, server: &FakeServer) -> Option<()> {
    let FakeServer { replies, calls, .. } = server;
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
            Some("GetMetaRegionLocations") => {
                let found = server.found(&server.place(&server.former_metas));
                frame::response(&header, Some(&meta_location(found)), 0)
            }
            Some("GetActiveMaster") => {
                let response = GetActiveMasterResponse { server_name: server.found(&server.address) };
                frame::response(&header, Some(&response), 0)
            }
            Some("ListNamespaceDescriptors") => {
                frame::response(&header, Some(&ListNamespaceDescriptorsResponse::default()), 0)
            }
            Some("HasUserPermissions") => {
                server.permissions(&mut header, &HasUserPermissionsRequest::decode(message).unwrap())?
            }
            Some("Scan") => {
                let request = ScanRequest::decode(message).unwrap();
                let is_meta = request.region.as_ref().is_some_and(|region| region.value.starts_with(b"hbase:meta"));
                let reply = match is_meta {
                    true => meta_rows(&server.place(&server.former_regions)),
                    false => {
                        calls.lock().unwrap().push(Call::Scan(Box::new(request)));
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
                    server.state_reads.fetch_add(1, Ordering::SeqCst);
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
    let done = |failure: Option<&str>, is_first: bool| {
        let row = |index: usize| ResultOrException {
            index: Some(index as u32),
            result: Some(RowResult::default()),
            exception: failure.filter(|_| (index == 0) == is_first).map(|name| NameBytesPair {
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
        Reply::Done => Some(frame::response(header, Some(&done(None, true)), 0)),
        Reply::FirstRowFails(name) => Some(frame::response(header, Some(&done(Some(name), true)), 0)),
        Reply::OtherRowsFail(name) => Some(frame::response(header, Some(&done(Some(name), false)), 0)),
        Reply::Exception(name) => exception(
            header,
            ExceptionResponse {
                exception_class_name: Some(format!("org.apache.hadoop.hbase.{name}")),
                stack_trace: Some(String::from("of the test")),
                do_not_retry: Some(name.starts_with("DoNotRetry")),
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

fn server_name(address: &str) -> ServerName {
    let (host, port) = address.rsplit_once(':').unwrap();
    ServerName { host_name: host.to_owned(), port: port.parse().ok(), start_code: Some(1) }
}

fn meta_location(server_name: Option<ServerName>) -> GetMetaRegionLocationsResponse {
    let location =
        |server_name| RegionLocation { region_info: region_info(), server_name: Some(server_name), seq_num: 1 };
    GetMetaRegionLocationsResponse { meta_locations: server_name.map(location).into_iter().collect() }
}

fn meta_rows(address: &str) -> Reply {
    let info = region_info().encode_to_vec();
    let cells = [("regioninfo", &info[..]), ("server", address.as_bytes())];
    let cells = cells.map(|(qualifier, value)| ("t,,1.x.", "info", qualifier, value));
    Reply::Scan(scan_response(&[2], false, false), block(&cells))
}

pub(super) fn scan_response(cells_per_result: &[u32], ends_in_row: bool, has_more: bool) -> ScanResponse {
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

pub(super) fn block(cells: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (row, family, qualifier, value) in cells {
        let (row, family, qualifier) = (row.as_bytes(), family.as_bytes(), qualifier.as_bytes());
        write_cell(&mut block, &NewCell { row, family, qualifier, timestamp: 5, kind: PUT, value });
    }
    block
}

/// Rows of the column `i:a`, in one response.
pub(super) fn rows_reply(rows: &[&str], ends_in_row: bool, has_more: bool) -> Reply {
    let cells: Vec<_> = rows.iter().map(|row| (*row, "i", "a", b"x".as_slice())).collect();
    Reply::Scan(scan_response(&vec![1; rows.len()], ends_in_row, has_more), block(&cells))
}

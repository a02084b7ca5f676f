//! HBase through Thrift 2 gateways: the server itself prunes a scan to its time window.
//!
//! Every call is complete in itself (a page opens, reads and closes its scanner in one), so any gateway can go on where another failed.

mod decode;
mod family_scan;
mod request;

// Made by scripts/dev/generate-thrift2 from HBase's own interface description.
#[rustfmt::skip]
#[allow(missing_docs, dead_code, unused_parens, clippy::all, reason = "generated")]
mod idl;

use std::collections::BTreeMap;
use std::sync::Arc;

use family_scan::FamilyScan;
use idl::TTHBaseServiceSyncClient as _;

use super::gateway::{
    Call, CallError, Connection, Gateways, Health, Interface, ReplyReader, RequestWriter, Stream, Timeouts,
};
use super::open::never;
use super::{Cancel, KeyRange, NewTable, PAGE_BYTES, Put, Scan, ScienceDb, ScienceDbError, key_ranges_from};
use crate::row::{Columns, PageBuffer, Rows};

const INTERFACE: Interface = Interface { kind: "thrift2", other: 1, handshake };
/// Rows in one call of `getMultiple`; bounds what a gateway holds at a time.
const GET_BATCH_ROWS: usize = 100;
/// Bytes of cells in one call of `putMultiple`; Thrift's Java servers refuse messages of more than 100 MB.
const PUT_BATCH_BYTES: usize = 4 << 20;
/// Settings of a new column family. Files of one time span stay together, so that a window is found without reading the others
/// (https://hbase.apache.org/book.html, "Date Tiered Compaction"); that takes more files than HBase's limit of 16 allows.
const FAMILY_CONFIGURATION: [(&str, &str); 2] = [
    ("hbase.hstore.engine.class", "org.apache.hadoop.hbase.regionserver.DateTieredStoreEngine"),
    ("hbase.hstore.blockingStoreFiles", "60"),
];

/// A session with one table through Thrift 2 gateways.
pub struct Thrift2 {
    gateways: Gateways,
    table: String,
    /// most rows to ask for in one call, once a page has proved too large
    max_rows: usize,
    family_scan: FamilyScan,
}

impl Thrift2 {
    /// Connects to one of the gateways at `addresses` (`host:port`), chosen by the number of the session; `table` is `namespace:name`.
    ///
    /// # Errors
    /// Where none can be reached or one is a Thrift 1 gateway. Whether the table exists is not asked.
    pub fn open(addresses: &[String], table: &str, session: usize, timeouts: Timeouts) -> Result<Self, ScienceDbError> {
        Self::connect(&Self::health(addresses, timeouts), table, session, &never())
    }

    /// What several sessions share.
    pub(super) fn health(addresses: &[String], timeouts: Timeouts) -> Arc<Health> {
        Arc::new(Health::new(addresses, INTERFACE, timeouts))
    }

    /// As [`open`](Self::open), with what is known of the gateways. Every wait ends soon after `cancel` says so.
    pub(super) fn connect(
        health: &Arc<Health>,
        table: &str,
        session: usize,
        cancel: &Cancel,
    ) -> Result<Self, ScienceDbError> {
        let gateways = Gateways::open(health, session, cancel)?;
        Ok(Self { gateways, table: table.to_owned(), max_rows: usize::MAX, family_scan: FamilyScan::default() })
    }

    fn client<T>(
        &mut self,
        call: Call,
        ask: impl Fn(&mut Client<'_>) -> Result<T, CallError>,
    ) -> Result<T, ScienceDbError> {
        self.gateways.call(call, |connection| ask(&mut client(connection)))
    }

    /// HBase's words for a missing table are sometimes no more than its name, and for a batch they say "try again"; so ask.
    fn explain<T>(&mut self, result: Result<T, ScienceDbError>) -> Result<T, ScienceDbError> {
        let error = match result {
            Err(error) if self.gateways.is_connected() => error,
            other => return other,
        };
        let name = table_name(&self.table);
        match self.client(Call::Metadata, |client| client.table_exists(name.clone()).map_err(failure)) {
            Ok(false) => Err(self.no_table()),
            Ok(true) | Err(_) => Err(error),
        }
    }

    fn no_table(&self) -> ScienceDbError {
        ScienceDbError::NoTable { address: self.gateways.address(), table: self.table.clone() }
    }

    fn scan_page(&mut self, scan: &Scan<'_>, mut start: Vec<u8>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        loop {
            let asked = scan.page.clamp(1, self.max_rows);
            let whole = self.family_scan.reads_families(scan.columns);
            let request = request::scan(self.table.as_bytes(), scan, &start, asked, whole);
            let summary = self.gateways.call(Call::scan(scan.columns.len()), |connection| {
                connection.send(request.bytes())?;
                let page = rows.refill(scan.columns.len());
                let mut reply = connection.reply(page.buffer);
                decode::read_rows(&mut reply, request::SCAN, scan.columns, page.index, PAGE_BYTES).map_err(failure)
            })?;
            self.family_scan.observe(&summary);
            if summary.results < summary.announced {
                self.gateways.disconnect();
                self.max_rows = summary.results.max(1);
            }
            if summary.announced < asked && summary.results == summary.announced {
                return Ok(false);
            }
            if !rows.is_empty() {
                return Ok(true);
            }
            // In the window these rows had none but other columns of the families.
            start = [rows.slice(summary.last.start, summary.last.len), &[0]].concat();
        }
    }

    fn get_rows(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        rows.refill(columns.len());
        for keys in keys.chunks(GET_BATCH_ROWS) {
            let request = request::get(self.table.as_bytes(), keys, columns, self.family_scan.reads_families(columns));
            let mark = rows.mark();
            let summary = self.gateways.call(Call::Get, |connection| {
                connection.send(request.bytes())?;
                let page = rows.refill_after(mark);
                let mut reply = connection.reply(page.buffer);
                decode::read_rows(&mut reply, request::GET, columns, page.index, PageBuffer::MAX_BYTES).map_err(failure)
            })?;
            self.family_scan.observe(&summary);
            if summary.announced != keys.len() {
                let reason = format!("{} rows in the answer where {} were asked for", summary.announced, keys.len());
                return Err(ScienceDbError::Refused { address: self.gateways.address(), reason });
            }
        }
        Ok(())
    }

    fn put_rows(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let address = self.gateways.address();
        super::check_puts(puts).map_err(|reason| ScienceDbError::Refused { address, reason })?;
        for puts in super::put_batches(puts, PUT_BATCH_BYTES) {
            let timed = puts.iter().all(|put| put.timestamp.is_some());
            let call = if timed { Call::Write } else { Call::WriteOnce };
            let request = request::put(self.table.as_bytes(), puts);
            self.gateways.call(call, |connection| {
                connection.send(request.bytes())?;
                decode::read_done(&mut connection.small_reply(), request::PUT).map_err(failure)
            })?;
        }
        Ok(())
    }

    fn create(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        let name = table_name(&self.table);
        if self.client(Call::Metadata, |client| client.table_exists(name.clone()).map_err(failure))? {
            return Ok(false);
        }
        let namespace = self.table.split_once(':').map_or("default", |(namespace, _)| namespace).to_owned();
        if namespace != "default" {
            self.client(Call::Create, |client| {
                let known = client.list_namespaces().map_err(failure)?;
                if known.contains(&namespace) {
                    return Ok(());
                }
                let descriptor = idl::TNamespaceDescriptor::new(namespace.clone(), None);
                client.create_namespace(descriptor).map_err(failure)
            })?;
        }
        let columns = table.families.iter().map(|family| family_descriptor(family)).collect::<Vec<_>>();
        let descriptor = idl::TTableDescriptor::new(name, columns, None, None);
        self.client(Call::Create, |client| {
            match client.create_table(descriptor.clone(), table.splits.clone()).map_err(failure) {
                Ok(()) => Ok(true),
                Err(CallError::TableExists) => Ok(false),
                Err(failure) => Err(failure),
            }
        })
    }
}

impl ScienceDb for Thrift2 {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        let table = self.table.clone().into_bytes();
        let found = self.client(Call::Metadata, |client| {
            client.get_all_region_locations(table.clone()).map_err(|error| CallError::from_region_list(error, failure))
        });
        let regions = self.explain(found)?;
        if regions.is_empty() {
            return Err(self.no_table());
        }
        Ok(key_ranges_from(regions.into_iter().filter_map(|region| region.region_info.start_key).collect()))
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        rows.refill(scan.columns.len());
        if scan.columns.is_empty() {
            return Ok(false);
        }
        let start = super::start_after(scan, after);
        let done = self.scan_page(scan, start, rows);
        self.explain(done)
    }

    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        rows.refill(columns.len());
        if columns.is_empty() {
            return Ok(());
        }
        let done = self.get_rows(keys, columns, rows);
        self.explain(done)
    }

    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let done = self.put_rows(puts);
        self.explain(done)
    }

    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
        let table = self.table.clone().into_bytes();
        let delete = |key: &&[u8]| idl::TDelete::new(key.to_vec(), None, None, None, None, None);
        let deletes: Vec<idl::TDelete> = keys.iter().map(delete).collect();
        let done = self.client(Call::Write, |client| {
            client.delete_multiple(table.clone(), deletes.clone()).map(drop).map_err(failure)
        });
        self.explain(done)
    }

    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        self.create(table)
    }
}

type Client<'a> = idl::THBaseServiceSyncClient<ReplyReader<'a, &'a Stream>, RequestWriter<'a>>;

fn client(connection: &mut Connection) -> Client<'_> {
    let (answer, sender) = connection.protocols();
    idl::THBaseServiceSyncClient::new(answer, sender)
}

fn handshake(connection: &mut Connection) -> Result<(), CallError> {
    match client(connection).get_thrift_server_type().map_err(failure)? {
        idl::TThriftServerType::ONE => Err(CallError::WrongVersion(1)),
        _ => Ok(()),
    }
}

fn failure(error: thrift::Error) -> CallError {
    CallError::from_thrift(error, |declared| {
        if let Some(error) = declared.downcast_ref::<idl::TIOError>() {
            return Some(CallError::from_hbase_io_error(error.message.as_deref(), error.can_retry));
        }
        let error = declared.downcast_ref::<idl::TIllegalArgument>()?;
        Some(CallError::Refused(error.message.clone().unwrap_or_default()))
    })
}

fn table_name(table: &str) -> idl::TTableName {
    match table.split_once(':') {
        Some((namespace, name)) => idl::TTableName::new(namespace.as_bytes().to_vec(), name.as_bytes().to_vec()),
        None => idl::TTableName::new(None, table.as_bytes().to_vec()),
    }
}

fn family_descriptor(family: &str) -> idl::TColumnFamilyDescriptor {
    let configuration = BTreeMap::from(FAMILY_CONFIGURATION.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let versions = 1;
    idl::TColumnFamilyDescriptor::new(
        family.as_bytes().to_vec(),
        None,
        configuration,
        None,
        None,
        None,
        None,
        None,
        None,
        versions,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    )
}

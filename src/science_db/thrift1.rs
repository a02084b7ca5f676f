//! HBase through Thrift 1 gateways: gets, puts, and scans of small tables.
//!
//! A Thrift 1 scan has an upper bound of time only (HBASE-7907), so the server reads and sends the whole table for every window, and the
//! lower bound is applied here.

use std::collections::BTreeMap;
use std::sync::Arc;

use hbase_thrift::hbase::{
    AlreadyExists, BatchMutation, ColumnDescriptor, HbaseSyncClient, IOError, IllegalArgument, Mutation,
    THbaseSyncClient, TRowResult, TScan, TThriftServerType,
};

use super::gateway::{
    Call, CallError, Connection, Gateways, Health, Interface, ReplyReader, RequestWriter, Stream, Timeouts,
};
use super::open::never;
use super::{Cancel, KeyRange, NewTable, PAGE_BYTES, Put, Scan, ScienceDb, ScienceDbError, key_ranges_from};
use crate::row::{Columns, Rows, RowsBuilder};
use crate::timestamp::Timestamp;
use crate::window::Window;

const INTERFACE: Interface = Interface { kind: "thrift1", other: 2, handshake };
/// Rows in one call of `getRowsWithColumns`.
const GET_BATCH_ROWS: usize = 100;
/// Bytes of cells in one call of `mutateRows`; Thrift's Java servers refuse messages of more than 100 MB.
const PUT_BATCH_BYTES: usize = 4 << 20;
/// `HConstants.LATEST_TIMESTAMP`: the server's clock.
const LATEST: i64 = i64::MAX;
/// `HConstants.FOREVER`: cells do not expire.
const FOREVER: i32 = i32::MAX;

/// A session with one table through Thrift 1 gateways.
pub struct Thrift1 {
    gateways: Gateways,
    table: String,
    warned: bool,
}

impl Thrift1 {
    /// Connects to one of the gateways at `addresses` (`host:port`), chosen by the number of the session; `table` is `namespace:name`.
    ///
    /// # Errors
    /// Where none can be reached or one is a Thrift 2 gateway. Whether the table exists is not asked.
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
        Ok(Self { gateways, table: table.to_owned(), warned: false })
    }

    fn name(&self) -> Vec<u8> {
        self.table.clone().into_bytes()
    }

    fn client<T>(
        &mut self,
        call: Call,
        mut ask: impl FnMut(&mut Client<'_>) -> Result<T, CallError>,
    ) -> Result<T, ScienceDbError> {
        self.gateways.call(call, |connection| ask(&mut client(connection)))
    }

    /// HBase's words for a missing table are sometimes no more than its name, and for a batch they say "try again"; so ask.
    fn explain<T>(&mut self, result: Result<T, ScienceDbError>) -> Result<T, ScienceDbError> {
        let error = match result {
            Err(error) if self.gateways.is_connected() => error,
            other => return other,
        };
        match self.exists() {
            Ok(false) => Err(self.no_table()),
            Ok(true) | Err(_) => Err(error),
        }
    }

    fn exists(&mut self) -> Result<bool, ScienceDbError> {
        let name = self.table.strip_prefix("default:").unwrap_or(&self.table).to_owned();
        let names = self.client(Call::Metadata, |client| client.get_table_names().map_err(failure))?;
        Ok(names.iter().any(|known| known == name.as_bytes()))
    }

    fn no_table(&self) -> ScienceDbError {
        ScienceDbError::NoTable { address: self.gateways.address(), table: self.table.clone() }
    }

    fn warn_once(&mut self, window: Window) {
        if window.from() > Timestamp::EPOCH && !self.warned {
            self.warned = true;
            log::warn!(
                "through a Thrift 1 gateway every window is a scan of the whole table `{}`: \
                 set science_db.kind = \"thrift2\" and start a Thrift 2 gateway",
                self.table
            );
        }
    }

    fn get_rows(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        let table = self.name();
        let names = column_names(columns);
        for keys in keys.chunks(GET_BATCH_ROWS) {
            let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
            let found = self.client(Call::Get, |client| {
                let none = BTreeMap::new();
                client.get_rows_with_columns(table.clone(), keys.clone(), names.clone(), none).map_err(failure)
            })?;
            let mut page = rows.refill_after(rows.mark());
            if !found.into_iter().all(|row| add(row, columns, Window::ALL, &mut page)) {
                let reason = String::from("more than 4 GB in one read: ask for fewer rows");
                return Err(ScienceDbError::Refused { address: self.gateways.address(), reason });
            }
        }
        Ok(())
    }

    fn put_rows(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let address = self.gateways.address();
        super::check_puts(puts).map_err(|reason| ScienceDbError::Refused { address, reason })?;
        let table = self.name();
        for puts in puts.chunk_by(|one, other| one.timestamp == other.timestamp) {
            for puts in super::put_batches(puts, PUT_BATCH_BYTES) {
                let timestamp = puts.first().and_then(|put| put.timestamp);
                let call = if timestamp.is_some() { Call::Write } else { Call::WriteOnce };
                let batch: Vec<BatchMutation> = puts.iter().map(mutations).collect();
                self.client(call, |client| {
                    let (table, batch, none) = (table.clone(), batch.clone(), BTreeMap::new());
                    client.mutate_rows_ts(table, batch, timestamp.unwrap_or(LATEST), none).map_err(failure)
                })?;
            }
        }
        Ok(())
    }
}

impl ScienceDb for Thrift1 {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        let table = self.name();
        let regions = self.client(Call::Metadata, |client| {
            client.get_table_regions(table.clone()).map_err(|error| CallError::from_region_list(error, failure))
        })?;
        if regions.is_empty() {
            return Err(self.no_table());
        }
        Ok(key_ranges_from(regions.into_iter().filter_map(|region| region.start_key).collect()))
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        rows.refill(scan.columns.len());
        if scan.columns.is_empty() {
            return Ok(false);
        }
        self.warn_once(scan.window);
        let count = i32::try_from(scan.page.max(1)).unwrap_or(i32::MAX);
        let (start, end) = (super::start_after(scan, after), scan.keys.end.clone());
        let names = column_names(scan.columns);
        let ask = TScan::new(start, end, scan.window.until().as_millis(), names, count, None, None, None, None, false);
        let table = self.name();
        let done = self.client(Call::scan(scan.columns.len()), |client| {
            let mut page = rows.refill(scan.columns.len());
            let scanner =
                client.scanner_open_with_scan(table.clone(), ask.clone(), BTreeMap::new()).map_err(failure)?;
            let more = read_page(client, scanner, count, scan, &mut page);
            client.scanner_close(scanner).map_err(failure)?;
            more
        });
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
        let table = self.name();
        let done = self.client(Call::Write, |client| {
            keys.iter().try_for_each(|key| {
                client.delete_all_row(table.clone(), key.to_vec(), BTreeMap::new()).map_err(failure)
            })
        });
        self.explain(done)
    }

    /// Thrift 1 has no way to split a table from the start, nor to make a namespace.
    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        if self.exists()? {
            return Ok(false);
        }
        if !table.splits.is_empty() {
            log::warn!("a Thrift 1 gateway cannot split the new table `{}`: it begins as one region", self.table);
        }
        let name = self.name();
        let family = |family: &String| {
            let (name, versions) = (format!("{family}:").into_bytes(), 1);
            let (compression, bloom, in_memory, block_cache) = (String::from("NONE"), String::from("ROW"), false, true);
            ColumnDescriptor::new(name, versions, compression, in_memory, bloom, 0, 0, block_cache, FOREVER)
        };
        let families: Vec<ColumnDescriptor> = table.families.iter().map(family).collect();
        self.client(Call::Create, |client| match client.create_table(name.clone(), families.clone()).map_err(failure) {
            Ok(()) => Ok(true),
            Err(CallError::TableExists) => Ok(false),
            Err(failure) => Err(failure),
        })
    }
}

type Client<'a> = HbaseSyncClient<ReplyReader<'a, &'a Stream>, RequestWriter<'a>>;

fn client(connection: &mut Connection) -> Client<'_> {
    let (answer, sender) = connection.protocols();
    HbaseSyncClient::new(answer, sender)
}

fn handshake(connection: &mut Connection) -> Result<(), CallError> {
    match client(connection).get_thrift_server_type().map_err(failure)? {
        TThriftServerType::TWO => Err(CallError::WrongVersion(2)),
        _ => Ok(()),
    }
}

fn failure(error: thrift::Error) -> CallError {
    CallError::from_thrift(error, |declared| {
        if let Some(error) = declared.downcast_ref::<IOError>() {
            return Some(CallError::from_hbase_io_error(error.message.as_deref(), error.can_retry));
        }
        if declared.is::<AlreadyExists>() {
            return Some(CallError::TableExists);
        }
        let error = declared.downcast_ref::<IllegalArgument>()?;
        Some(CallError::Refused(error.message.clone().unwrap_or_default()))
    })
}

fn column_names(columns: &Columns) -> Vec<Vec<u8>> {
    columns.names().map(|(family, qualifier)| format!("{family}:{qualifier}").into_bytes()).collect()
}

fn mutations(put: &Put) -> BatchMutation {
    let cells = put.cells.iter().map(|cell| Mutation {
        is_delete: Some(false),
        column: Some(format!("{}:{}", cell.family, cell.qualifier).into_bytes()),
        value: Some(cell.value.clone()),
        write_to_w_a_l: Some(true),
    });
    BatchMutation { row: Some(put.key.clone()), mutations: Some(cells.collect()) }
}

/// Reads on until the page holds rows of the window: it may have none among the first of those that the server sends.
fn read_page(
    client: &mut Client<'_>,
    scanner: i32,
    count: i32,
    scan: &Scan<'_>,
    page: &mut RowsBuilder<'_>,
) -> Result<bool, CallError> {
    loop {
        let left = count - i32::try_from(page.index.len()).unwrap_or(count);
        let found = client.scanner_get_list(scanner, left).map_err(failure)?;
        if found.is_empty() {
            return Ok(false);
        }
        for row in found {
            if !add(row, scan.columns, scan.window, page) {
                return Ok(true);
            }
        }
        if page.index.len() >= scan.page || page.buffer.filled().len() > PAGE_BYTES {
            return Ok(true);
        }
    }
}

/// Adds what of the row is asked for; `false` where the page has no room for it.
fn add(row: TRowResult, columns: &Columns, window: Window, page: &mut RowsBuilder<'_>) -> bool {
    let (key, cells) = (row.row.unwrap_or_default(), row.columns.unwrap_or_default());
    let bytes = cells.values().map(|cell| cell.value.as_ref().map_or(0, Vec::len)).sum::<usize>();
    if !page.has_room(key.len() + bytes) {
        return false;
    }
    page.row(&key);
    let mut hint = 0;
    for (name, cell) in &cells {
        let colon = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
        let (family, qualifier) = (&name[..colon], name.get(colon + 1..).unwrap_or_default());
        let timestamp = cell.timestamp.unwrap_or_default();
        if let (Some(slot), true) =
            (columns.slot(family, qualifier, &mut hint), window.contains(Timestamp::from_millis(timestamp)))
        {
            page.cell(slot, cell.value.as_deref().unwrap_or_default(), timestamp);
        }
    }
    if page.index.row_is_empty() {
        page.drop_row();
    }
    true
}

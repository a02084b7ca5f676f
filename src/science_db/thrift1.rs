//! HBase through Thrift 1 gateways: gets, puts, and scans of small tables.
//!
//! A Thrift 1 scan has only an upper bound of time (HBASE-7907): for every window the server reads and sends the whole table, and the lower
//! bound is applied here.

use std::collections::BTreeMap;

use hbase_thrift::hbase::{
    AlreadyExists, BatchMutation, ColumnDescriptor, HbaseSyncClient, IOError, IllegalArgument, Mutation,
    THbaseSyncClient, TRegionInfo, TRowResult, TScan, TThriftServerType,
};

use super::gateway::{CallError, Connection, Gateways, Interface, ReplyReader, RequestWriter, Stream};
use super::timeouts::Call;
use super::{KeyRange, MAX_PAGE_BYTES, NewTable, Put, Scan, ScienceDb, ScienceDbError, key_ranges_from};
use crate::row::{Columns, Rows, RowsBuilder};
use crate::timestamp::Timestamp;
use crate::window::Window;

pub(super) const INTERFACE: Interface = Interface { kind: "thrift1", other: 2, handshake, session };
/// Rows of one `getRowsWithColumns`.
const GET_BATCH_ROWS: usize = 100;
/// Bytes of values in one `mutateRows`. Thrift's Java servers refuse messages of more than 100 MB.
const PUT_BATCH_BYTES: usize = 4 << 20;
/// `HConstants.LATEST_TIMESTAMP`: the server's clock.
const LATEST: i64 = i64::MAX;
/// `HConstants.FOREVER`: cells do not expire.
const FOREVER: i32 = i32::MAX;

/// A session with one table.
struct Thrift1 {
    gateways: Gateways,
    /// `namespace:name`
    table: String,
    has_warned: bool,
}

fn session(gateways: Gateways, table: &str) -> Box<dyn ScienceDb> {
    Box::new(Thrift1 { gateways, table: table.to_owned(), has_warned: false })
}

fn handshake(connection: &mut Connection) -> Result<(), CallError> {
    match client(connection).get_thrift_server_type().map_err(call_error)? {
        TThriftServerType::TWO => Err(CallError::WrongVersion(2)),
        _ => Ok(()),
    }
}

type Client<'a> = HbaseSyncClient<ReplyReader<'a, &'a Stream>, RequestWriter<'a>>;

fn client(connection: &mut Connection) -> Client<'_> {
    let (reply, writer) = connection.protocols();
    HbaseSyncClient::new(reply, writer)
}

fn table_exists(gateways: &mut Gateways, table: &str) -> Result<bool, ScienceDbError> {
    let name = table.strip_prefix("default:").unwrap_or(table);
    let names = gateways.call(Call::Metadata, |connection| client(connection).get_table_names().map_err(call_error))?;
    Ok(names.iter().any(|known| known == name.as_bytes()))
}

impl Thrift1 {
    fn table_bytes(&self) -> Vec<u8> {
        self.table.clone().into_bytes()
    }

    fn call<T>(
        &mut self,
        call: Call,
        mut send: impl FnMut(&mut Client<'_>) -> Result<T, CallError>,
    ) -> Result<T, ScienceDbError> {
        self.gateways.call(call, |connection| send(&mut client(connection)))
    }

    fn explain<T>(&mut self, result: Result<T, ScienceDbError>) -> Result<T, ScienceDbError> {
        self.gateways.explain(result, &self.table, table_exists)
    }

    fn warn_once(&mut self, window: Window) {
        if window.from() > Timestamp::EPOCH && !self.has_warned {
            self.has_warned = true;
            log::warn!(
                "a Thrift 1 gateway reads the whole table `{}` for every time window: \
                 set science_db.kind = \"thrift2\" and start a Thrift 2 gateway",
                self.table
            );
        }
    }

    fn get_rows(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        let table = self.table_bytes();
        let names = column_names(columns);
        for keys in keys.chunks(GET_BATCH_ROWS) {
            let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
            let mark = rows.mark();
            let has_room = self.call(Call::Get, |client| {
                let no_attributes = BTreeMap::new();
                let found = client
                    .get_rows_with_columns(table.clone(), keys.clone(), names.clone(), no_attributes)
                    .map_err(call_error)?;
                let mut page = rows.refill_after(mark);
                for row in found {
                    if !add_row(row, columns, Window::ALL, &mut page)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?;
            if !has_room {
                let reason = String::from(super::TOO_LARGE);
                return Err(ScienceDbError::Refused { address: self.gateways.address(), reason });
            }
        }
        Ok(())
    }

    fn regions(&mut self) -> Result<Vec<TRegionInfo>, ScienceDbError> {
        let table = self.table_bytes();
        let regions = self.call(Call::Metadata, |client| {
            client.get_table_regions(table.clone()).map_err(|error| CallError::in_region_list(error, call_error))
        })?;
        // A missing table is a table without regions.
        if regions.is_empty() {
            return Err(self.gateways.no_table(&self.table));
        }
        Ok(regions)
    }

    fn put_rows(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let address = self.gateways.address();
        super::check_puts(puts).map_err(|reason| ScienceDbError::Refused { address, reason })?;
        let table = self.table_bytes();
        for puts in puts.chunk_by(|one, other| one.timestamp == other.timestamp) {
            for puts in super::put_batches(puts, PUT_BATCH_BYTES) {
                let timestamp = puts.first().and_then(|put| put.timestamp);
                let call = if timestamp.is_some() { Call::Write } else { Call::WriteOnce };
                let batch: Vec<BatchMutation> = puts.iter().map(mutations).collect();
                self.call(call, |client| {
                    let (table, batch, no_attributes) = (table.clone(), batch.clone(), BTreeMap::new());
                    client.mutate_rows_ts(table, batch, timestamp.unwrap_or(LATEST), no_attributes).map_err(call_error)
                })?;
            }
        }
        Ok(())
    }
}

impl ScienceDb for Thrift1 {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        let regions = self.regions()?;
        let starts = regions.into_iter().map(|region| region.start_key).collect::<Option<_>>();
        let missing = || ScienceDbError::Refused {
            address: self.gateways.address(),
            reason: String::from("a region without a start key"),
        };
        Ok(key_ranges_from(starts.ok_or_else(missing)?))
    }

    fn servers(&mut self) -> Result<Vec<String>, ScienceDbError> {
        let server = |region: TRegionInfo| {
            let host = String::from_utf8(region.server_name?).ok()?;
            Some(format!("{host}:{}", region.port?))
        };
        Ok(self.regions()?.into_iter().filter_map(server).collect())
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
        let request =
            TScan::new(start, end, scan.window.until().as_millis(), names, count, None, None, None, None, false);
        let table = self.table_bytes();
        let has_more = self.call(Call::scan(scan.columns.len()), |client| {
            let mut page = rows.refill(scan.columns.len());
            let scanner =
                client.scanner_open_with_scan(table.clone(), request.clone(), BTreeMap::new()).map_err(call_error)?;
            let has_more = read_page(client, scanner, count, scan, &mut page);
            client.scanner_close(scanner).map_err(call_error)?;
            has_more
        });
        self.explain(has_more)
    }

    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        rows.refill(columns.len());
        if columns.is_empty() {
            return Ok(());
        }
        let result = self.get_rows(keys, columns, rows);
        self.explain(result)
    }

    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let result = self.put_rows(puts);
        self.explain(result)
    }

    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
        let table = self.table_bytes();
        let result = self.call(Call::Write, |client| {
            keys.iter().try_for_each(|key| {
                client.delete_all_row(table.clone(), key.to_vec(), BTreeMap::new()).map_err(call_error)
            })
        });
        self.explain(result)
    }

    /// Creates the table as one region: Thrift 1 can neither split a new table nor create a namespace.
    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        if table_exists(&mut self.gateways, &self.table)? {
            return Ok(false);
        }
        if !table.splits.is_empty() {
            log::warn!("a Thrift 1 gateway cannot split the new table `{}`: it has one region", self.table);
        }
        let name = self.table_bytes();
        let family = |family: &String| {
            let (name, versions) = (format!("{family}:").into_bytes(), 1);
            let (compression, bloom, in_memory, block_cache) = (String::from("NONE"), String::from("ROW"), false, true);
            ColumnDescriptor::new(name, versions, compression, in_memory, bloom, 0, 0, block_cache, FOREVER)
        };
        let families: Vec<ColumnDescriptor> = table.families.iter().map(family).collect();
        self.call(Call::Create, |client| {
            match client.create_table(name.clone(), families.clone()).map_err(call_error) {
                Ok(()) => Ok(true),
                // Another process created it in the meantime.
                Err(CallError::TableExists) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }
}

fn call_error(error: thrift::Error) -> CallError {
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
    columns.requested().map(|(family, qualifier)| format!("{family}:{qualifier}").into_bytes()).collect()
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

/// Reads on until the page has rows in the window: the first rows that the server sends may have none.
fn read_page(
    client: &mut Client<'_>,
    scanner: i32,
    count: i32,
    scan: &Scan<'_>,
    page: &mut RowsBuilder<'_>,
) -> Result<bool, CallError> {
    loop {
        let left = count - i32::try_from(page.index.len()).unwrap_or(count);
        let found = client.scanner_get_list(scanner, left).map_err(call_error)?;
        if found.is_empty() {
            return Ok(false);
        }
        for row in found {
            if !add_row(row, scan.columns, scan.window, page)? {
                return Ok(true);
            }
        }
        if page.index.len() >= scan.page || page.buffer.filled().len() > MAX_PAGE_BYTES {
            return Ok(true);
        }
    }
}

/// Adds the cells of the row that are in `columns` and `window`; `false` if the page has no room for the row.
fn add_row(row: TRowResult, columns: &Columns, window: Window, page: &mut RowsBuilder<'_>) -> Result<bool, CallError> {
    let (Some(key), Some(cells)) = (row.row, row.columns) else {
        return Err(CallError::Protocol(String::from("a row without key or cells")));
    };
    let bytes = cells.values().map(|cell| cell.value.as_ref().map_or(0, Vec::len)).sum::<usize>();
    if !page.has_room(key.len() + bytes) {
        return Ok(false);
    }
    page.row(&key);
    let mut hint = 0;
    for (name, cell) in &cells {
        let colon = name.iter().position(|byte| *byte == b':').unwrap_or(name.len());
        let (family, qualifier) = (&name[..colon], name.get(colon + 1..).unwrap_or_default());
        let (Some(value), Some(timestamp)) = (&cell.value, cell.timestamp) else {
            return Err(CallError::Protocol(String::from("a cell without value or timestamp")));
        };
        if let (Some(slot), true) =
            (columns.slot(family, qualifier, &mut hint), window.contains(Timestamp::from_millis(timestamp)))
        {
            page.cell(slot, value, timestamp);
        }
    }
    if page.index.row_is_empty() {
        page.drop_row();
    }
    Ok(true)
}

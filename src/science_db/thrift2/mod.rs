//! HBase through Thrift 2 gateways. The server itself restricts a scan to its time window.
//!
//! Each call is complete in itself (a page opens, reads and closes its scanner), so that any gateway can continue where another failed.

mod decode_rows;
mod decode_value;
mod request;

// Made by scripts/dev/generate-thrift2 from hbase.thrift; the tests check requests and decoder against it.
#[cfg(test)]
#[rustfmt::skip]
#[allow(missing_docs, dead_code, unused_imports, unused_parens, clippy::all, reason = "generated")]
mod idl;

use decode_value::RegionLocation;

use super::family_scan::FamilyScan;
use super::gateway::{CallError, Connection, Gateways, Interface};
use super::timeouts::Call;
use super::{KeyRange, MAX_PAGE_BYTES, NewTable, Put, Scan, ScienceDb, ScienceDbError, key_ranges_from};
use crate::row::{Columns, PageBuffer, Rows};

pub(super) const INTERFACE: Interface = Interface { kind: "thrift2", other: 1, handshake, session };
/// Rows of one `getMultiple`, which bounds what a gateway holds at a time.
const GET_BATCH_ROWS: usize = 100;
/// Bytes of values in one `putMultiple`. Thrift's Java servers refuse messages of more than 100 MB.
const PUT_BATCH_BYTES: usize = 4 << 20;

/// A session with one table.
struct Thrift2 {
    gateways: Gateways,
    /// `namespace:name`
    table: String,
    /// largest number of rows to ask for in one call; less than all once a page has been too large
    max_rows: usize,
    family_scan: FamilyScan,
}

fn session(gateways: Gateways, table: &str) -> Box<dyn ScienceDb> {
    Box::new(Thrift2 { gateways, table: table.to_owned(), max_rows: usize::MAX, family_scan: FamilyScan::default() })
}

fn handshake(connection: &mut Connection) -> Result<(), CallError> {
    let request = request::server_type();
    match decode_value::read_int(&mut connection.exchange(&request)?, request.method())? {
        1 => Err(CallError::WrongVersion(1)),
        _ => Ok(()),
    }
}

fn table_exists(gateways: &mut Gateways, table: &str) -> Result<bool, ScienceDbError> {
    let request = request::table_exists(table);
    gateways.call(Call::Metadata, |connection| {
        decode_value::read_bool(&mut connection.exchange(&request)?, request.method())
    })
}

impl Thrift2 {
    fn explain<T>(&mut self, result: Result<T, ScienceDbError>) -> Result<T, ScienceDbError> {
        self.gateways.explain(result, &self.table, table_exists)
    }

    fn scan_page(&mut self, scan: &Scan<'_>, mut start: Vec<u8>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        loop {
            let asked = scan.page.clamp(1, self.max_rows);
            let families = self.family_scan.reads_families(scan.columns);
            let request = request::scan(&self.table, scan, &start, asked, families);
            let summary = self.gateways.call(Call::scan(scan.columns.len()), |connection| {
                connection.send(&request)?;
                let page = rows.refill(scan.columns.len());
                let mut reply = connection.reply(page.buffer);
                decode_rows::read_rows(&mut reply, request.method(), scan.columns, page.index, MAX_PAGE_BYTES)
            })?;
            self.family_scan.observe(summary.wanted_bytes, summary.unwanted_bytes);
            if summary.read < summary.announced {
                // The rest of the reply is on its way. Closing the connection costs less than reading it.
                self.gateways.disconnect();
                self.max_rows = summary.read.max(1);
            }
            if summary.announced < asked && summary.read == summary.announced {
                return Ok(false);
            }
            if !rows.is_empty() {
                return Ok(true);
            }
            // With whole families a row may have cells in the window, but none of the columns: read on behind the last of such rows.
            start = [rows.slice(summary.last_key.start, summary.last_key.len), &[0]].concat();
        }
    }

    fn get_rows(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        for keys in keys.chunks(GET_BATCH_ROWS) {
            let request = request::get(&self.table, keys, columns, self.family_scan.reads_families(columns));
            let mark = rows.mark();
            let summary = self.gateways.call(Call::Get, |connection| {
                connection.send(&request)?;
                let page = rows.refill_after(mark);
                let mut reply = connection.reply(page.buffer);
                decode_rows::read_rows(&mut reply, request.method(), columns, page.index, PageBuffer::MAX_BYTES)
            })?;
            self.family_scan.observe(summary.wanted_bytes, summary.unwanted_bytes);
            if summary.announced != keys.len() {
                let reason = format!("the reply has {} rows instead of {}", summary.announced, keys.len());
                return Err(ScienceDbError::Refused { address: self.gateways.address(), reason });
            }
        }
        Ok(())
    }

    fn put_rows(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        let address = self.gateways.address();
        super::check_puts(puts).map_err(|reason| ScienceDbError::Refused { address, reason })?;
        for puts in super::put_batches(puts, PUT_BATCH_BYTES) {
            let is_idempotent = puts.iter().all(|put| put.timestamp.is_some());
            let call = if is_idempotent { Call::Write } else { Call::WriteOnce };
            let request = request::put(&self.table, puts);
            self.gateways.call(call, |connection| {
                decode_value::read_done(&mut connection.exchange(&request)?, request.method())
            })?;
        }
        Ok(())
    }

    fn regions(&mut self) -> Result<Vec<RegionLocation>, ScienceDbError> {
        let request = request::regions(&self.table);
        let regions = self.gateways.call(Call::Metadata, |connection| {
            decode_value::read_regions(&mut connection.exchange(&request)?, request.method())
        });
        let regions = self.explain(regions)?;
        if regions.is_empty() {
            return Err(self.gateways.no_table(&self.table));
        }
        Ok(regions)
    }

    fn create_namespace(&mut self) -> Result<(), ScienceDbError> {
        let Some((namespace, _)) = self.table.split_once(':').filter(|(namespace, _)| *namespace != "default") else {
            return Ok(());
        };
        let (list, create) = (request::list_namespaces(), request::create_namespace(namespace));
        self.gateways.call(Call::Create, |connection| {
            let known = decode_value::read_strings(&mut connection.exchange(&list)?, list.method())?;
            if known.iter().any(|known| known == namespace.as_bytes()) {
                return Ok(());
            }
            decode_value::read_done(&mut connection.exchange(&create)?, create.method())
        })
    }
}

impl ScienceDb for Thrift2 {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        let regions = self.regions()?;
        Ok(key_ranges_from(regions.into_iter().map(|(start, _)| start).collect()))
    }

    fn servers(&mut self) -> Result<Vec<String>, ScienceDbError> {
        Ok(self.regions()?.into_iter().filter_map(|(_, server)| server).collect())
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        rows.refill(scan.columns.len());
        if scan.columns.is_empty() {
            return Ok(false);
        }
        let start = super::start_after(scan, after);
        let has_more = self.scan_page(scan, start, rows);
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
        let request = request::delete(&self.table, keys);
        let result = self.gateways.call(Call::Write, |connection| {
            decode_value::read_done(&mut connection.exchange(&request)?, request.method())
        });
        self.explain(result)
    }

    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        if table_exists(&mut self.gateways, &self.table)? {
            return Ok(false);
        }
        self.create_namespace()?;
        let request = request::create_table(&self.table, &table.families, &table.splits);
        self.gateways.call(Call::Create, |connection| {
            match decode_value::read_done(&mut connection.exchange(&request)?, request.method()) {
                Ok(()) => Ok(true),
                // Another process created it in the meantime.
                Err(CallError::TableExists) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }
}

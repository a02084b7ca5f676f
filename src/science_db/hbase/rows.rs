//! Gets, puts and deletes of rows by their keys.

use std::ops::Range;

use super::cell_block::{LATEST_TIMESTAMP, NewCell, PUT, write_cell};
use super::client::Client;
use super::frame::MAX_FRAME_BYTES;
use super::multi::{self, RowActions};
use super::proto::{self, Action, MutationProto, mutation_proto};
use super::row_decoder::RowDecoder;
use super::scan::request_columns;
use super::table::Table;
use crate::row::{Columns, PageBuffer, Rows};
use crate::science_db::family_scan::FamilyScan;
use crate::science_db::timeouts::Call;
use crate::science_db::{Put, ScienceDbError, check_puts, put_batches};

/// Rows of one call that reads, which bounds what a server holds at a time.
const MAX_GET_ROWS: usize = 100;
/// Rows of one call that writes. Servers warn in their log from 5,000 on.
const MAX_WRITE_ROWS: usize = 2_000;
/// Bytes of values in one call.
const PUT_BATCH_BYTES: usize = 4 << 20;
/// `HConstants.MAX_ROW_LENGTH`
const MAX_KEY_BYTES: usize = i16::MAX as usize;
/// Longest name of a column family.
const MAX_FAMILY_BYTES: usize = 127;

struct Gets<'a> {
    keys: &'a [&'a [u8]],
    column: Vec<proto::Column>,
    /// the cells of each row in the buffer
    found: Vec<Range<usize>>,
}

impl RowActions for Gets<'_> {
    const MAX_CALL_ROWS: usize = MAX_GET_ROWS;

    fn key(&self, row: usize) -> &[u8] {
        self.keys[row]
    }

    fn action(&self, row: usize, _cells: &mut Vec<u8>) -> Action {
        let get = proto::Get {
            row: self.keys[row].to_vec(),
            column: self.column.clone(),
            max_versions: Some(1),
            ..proto::Get::default()
        };
        Action { get: Some(get), ..Action::default() }
    }

    fn done(&mut self, row: usize, cells: Range<usize>) {
        self.found[row] = cells;
    }
}

/// Reads rows; see [`ScienceDb::get`](crate::science_db::ScienceDb::get).
pub(crate) fn get(
    client: &mut Client,
    table: &Table,
    family_scan: &mut FamilyScan,
    keys: &[&[u8]],
    columns: &Columns,
    rows: &mut Rows,
) -> Result<(), ScienceDbError> {
    let column = request_columns(columns, family_scan.reads_families(columns));
    let mut gets = Gets { keys, column, found: vec![0..0; keys.len()] };
    let mut page = rows.refill(columns.len());
    multi::run(client, table, Call::Get, keys.len(), &mut gets, page.buffer)?;
    let mut decoder = RowDecoder::new(columns);
    for cells in gets.found {
        let decoded = decoder.add(&mut page, cells);
        decoded.map_err(|error| client.error(table.name(), error.into()))?;
        decoder.end_row(page.index);
    }
    family_scan.observe(decoder.wanted_bytes, decoder.unwanted_bytes);
    Ok(())
}

struct Puts<'a>(&'a [Put]);

impl RowActions for Puts<'_> {
    const MAX_CALL_ROWS: usize = MAX_WRITE_ROWS;

    fn key(&self, row: usize) -> &[u8] {
        &self.0[row].key
    }

    fn action(&self, row: usize, cells: &mut Vec<u8>) -> Action {
        let put = &self.0[row];
        let timestamp = put.timestamp.unwrap_or(LATEST_TIMESTAMP);
        for cell in &put.cells {
            write_cell(
                cells,
                &NewCell {
                    row: &put.key,
                    family: cell.family.as_bytes(),
                    qualifier: cell.qualifier.as_bytes(),
                    timestamp,
                    kind: PUT,
                    value: &cell.value,
                },
            );
        }
        let mutation = MutationProto {
            row: Some(put.key.clone()),
            mutate_type: Some(mutation_proto::MutationType::Put.into()),
            timestamp: Some(timestamp.unsigned_abs()),
            associated_cell_count: Some(i32::try_from(put.cells.len()).unwrap_or(i32::MAX)),
            ..MutationProto::default()
        };
        Action { mutation: Some(mutation), ..Action::default() }
    }

    fn done(&mut self, _row: usize, _cells: Range<usize>) {}
}

/// Writes rows; see [`ScienceDb::put`](crate::science_db::ScienceDb::put).
pub(crate) fn put(client: &mut Client, table: &Table, puts: &[Put]) -> Result<(), ScienceDbError> {
    check_puts(puts).and_then(|()| check_lengths(puts)).map_err(|reason| {
        let address = client.cluster().addresses().join(", ");
        ScienceDbError::Refused { address, reason }
    })?;
    for puts in put_batches(puts, PUT_BATCH_BYTES) {
        let is_idempotent = puts.iter().all(|put| put.timestamp.is_some());
        let call = if is_idempotent { Call::Write } else { Call::WriteOnce };
        multi::run(client, table, call, puts.len(), &mut Puts(puts), &mut PageBuffer::default())?;
    }
    Ok(())
}

/// Refuses what the length fields of a cell cannot hold.
fn check_lengths(puts: &[Put]) -> Result<(), String> {
    for put in puts {
        if put.key.len() > MAX_KEY_BYTES {
            return Err(format!("a row key of {} bytes: HBase takes {MAX_KEY_BYTES}", put.key.len()));
        }
        let bytes = put.cells.iter().map(|cell| cell.value.len()).sum::<usize>();
        if bytes > MAX_FRAME_BYTES / 2 {
            return Err(format!("row \"{}\" has {bytes} bytes, too many for one call", put.key.escape_ascii()));
        }
        if let Some(cell) = put.cells.iter().find(|cell| cell.family.len() > MAX_FAMILY_BYTES) {
            return Err(format!("the name of the column family `{}` is too long", cell.family));
        }
    }
    Ok(())
}

struct Deletes<'a>(&'a [&'a [u8]]);

impl RowActions for Deletes<'_> {
    const MAX_CALL_ROWS: usize = MAX_WRITE_ROWS;

    fn key(&self, row: usize) -> &[u8] {
        self.0[row]
    }

    /// A delete without cells hides all families.
    fn action(&self, row: usize, _cells: &mut Vec<u8>) -> Action {
        let mutation = MutationProto {
            row: Some(self.0[row].to_vec()),
            mutate_type: Some(mutation_proto::MutationType::Delete.into()),
            timestamp: Some(LATEST_TIMESTAMP.unsigned_abs()),
            ..MutationProto::default()
        };
        Action { mutation: Some(mutation), ..Action::default() }
    }

    fn done(&mut self, _row: usize, _cells: Range<usize>) {}
}

/// Deletes whole rows.
pub(crate) fn delete(client: &mut Client, table: &Table, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
    multi::run(client, table, Call::Write, keys.len(), &mut Deletes(keys), &mut PageBuffer::default())
}

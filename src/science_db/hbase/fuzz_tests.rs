//! Damaged responses: each is an error or other rows, and none makes the client panic, hang, or allocate more than it received.

use prost::Message;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::cell_block::{NewCell, PUT, write_cell};
use super::connection::read_frame;
use super::frame;
use super::multi;
use super::proto::{
    ExceptionResponse, MultiResponse, RegionActionResult, ResponseHeader, Result as RowResult, ResultOrException,
    ScanResponse,
};
use super::row_decoder::RowDecoder;
use crate::row::{Columns, Rows};

/// Rows of the undamaged responses.
const ROWS: u32 = 5;

fn trials() -> usize {
    std::env::var("FINK_FUZZ_TRIALS").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000)
}

fn columns() -> Columns {
    Columns::new((0..4).map(|n| (String::from("i"), format!("c{n}"))).collect())
}

fn cells() -> Vec<u8> {
    let mut block = Vec::new();
    for row in 0..ROWS {
        for (_, qualifier) in columns().names() {
            let (row, qualifier) = (format!("row{row}"), qualifier.as_bytes());
            let value = [row.as_bytes(), qualifier].concat();
            let (row, family) = (row.as_bytes(), b"i".as_slice());
            write_cell(&mut block, &NewCell { row, family, qualifier, timestamp: 7, kind: PUT, value: &value });
        }
    }
    block
}

fn with_cells(message: &impl Message) -> Vec<u8> {
    let cells = cells();
    let meta = super::proto::CellBlockMeta { length: Some(cells.len() as u32) };
    let header = ResponseHeader { call_id: Some(1), exception: None, cell_block_meta: Some(meta) };
    [frame::response(&header, Some(message), cells.len()), cells].concat()
}

/// A response to a scan, to a `Multi`, and an exception.
fn responses() -> [Vec<u8>; 3] {
    let scan = ScanResponse {
        cells_per_result: vec![4; ROWS as usize],
        partial_flag_per_result: vec![false; ROWS as usize],
        scanner_id: Some(1 << 60),
        more_results: Some(true),
        more_results_in_region: Some(true),
        ..ScanResponse::default()
    };
    let row = |index| ResultOrException {
        index: Some(index),
        result: Some(RowResult { associated_cell_count: Some(4), ..RowResult::default() }),
        exception: None,
    };
    let region = RegionActionResult { result_or_exception: (0..ROWS).map(row).collect(), ..Default::default() };
    let exception = ExceptionResponse {
        exception_class_name: Some(String::from("org.apache.hadoop.hbase.NotServingRegionException")),
        stack_trace: Some(String::from("x is not online\n\tat a.b(C.java:1)")),
        ..ExceptionResponse::default()
    };
    let header = ResponseHeader { call_id: Some(1), exception: Some(exception), cell_block_meta: None };
    [
        with_cells(&scan),
        with_cells(&MultiResponse { region_action_result: vec![region] }),
        frame::response(&header, None::<&ScanResponse>, 0),
    ]
}

/// Reads a response into `rows` as the client does, and returns the number of rows. A client keeps its memory from one response to the next.
fn read(bytes: &[u8], is_scan: bool, columns: &Columns, rows: &mut Rows) -> Option<usize> {
    let mut page = rows.refill(columns.len());
    let found = (|| {
        read_frame(bytes, page.buffer, true).ok()?;
        let parts = frame::split_response(page.buffer.filled()).ok()?;
        if parts.header.exception.as_ref().map(super::exception::ServerException::from).is_some() {
            return Some(0);
        }
        let mut decoder = RowDecoder::new(columns);
        if is_scan {
            let message = ScanResponse::decode(&page.buffer.filled()[parts.message]).ok()?;
            let announced = message.cells_per_result.iter().map(|count| *count as usize).sum::<usize>();
            let count = decoder.add(&mut page, parts.cells).ok()?;
            (count == announced).then_some(())?;
        } else {
            let message = MultiResponse::decode(&page.buffer.filled()[parts.message]).ok()?;
            for cells in multi::read_rows_of_one_region(message, ROWS as usize, page.buffer, parts.cells)? {
                decoder.add(&mut page, cells).ok()?;
                decoder.end_row(page.index);
            }
        }
        decoder.end_row(page.index);
        Some(page.index.len())
    })();
    // A read asks for 256 kB at a time.
    assert!(
        page.buffer.allocated() <= bytes.len() + (1 << 20),
        "{} bytes for {}",
        page.buffer.allocated(),
        bytes.len()
    );
    for row in rows.iter() {
        (0..row.width()).for_each(|slot| assert!(row.cell(slot).is_none_or(|cell| cell.value.len() <= bytes.len())));
    }
    found
}

fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..1 + below(random, 3) {
        if bytes.is_empty() {
            return;
        }
        let (at, byte) = (below(random, bytes.len()), random.next_u64() as u8);
        match below(random, 6) {
            0 => bytes[at] ^= 1 << below(random, 8),
            1 => bytes[at] = byte,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(random, 5)],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, byte),
            _ => drop(bytes.drain(at..(at + 1 + below(random, 8)).min(bytes.len()))),
        }
        // Most often the frame's own length fits, so that the damage is found behind it.
        if bytes.len() > 4 && below(random, 4) > 0 {
            let len = (bytes.len() - 4) as u32;
            bytes[..4].copy_from_slice(&len.to_be_bytes());
        }
    }
}

#[test]
fn undamaged_responses_are_read() {
    let (columns, mut rows) = (columns(), Rows::default());
    let [scan, multi, exception] = responses();
    let mut read = |bytes: &[u8], is_scan| read(bytes, is_scan, &columns, &mut rows);
    assert_eq!([read(&scan, true), read(&multi, false), read(&exception, true)], [Some(5), Some(5), Some(0)]);
}

#[test]
fn damaged_responses_are_errors_or_other_rows() {
    let (columns, mut rows) = (columns(), Rows::default());
    let responses = responses();
    let (trials, mut refused) = (trials(), 0);
    let mut random = ChaCha8Rng::seed_from_u64(13);
    for trial in 0..trials {
        let kind = trial % responses.len();
        let mut bytes = responses[kind].clone();
        damage(&mut bytes, &mut random);
        refused += usize::from(read(&bytes, kind != 1, &columns, &mut rows).is_none());
    }
    println!("{trials} damaged responses, {refused} refused");
    assert!(refused > trials / 4, "{refused} of {trials} were refused");
}

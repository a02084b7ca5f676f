//! A scan over the regions of a table, a page at a time. The scanner of a region stays open from one page to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::{Client, Sent};
use super::connection::Response;
use super::exception::CallError;
use super::proto::{self, ScanRequest, ScanResponse, scan};
use super::regions::Region;
use super::retry::Retry;
use super::row_decoder::RowDecoder;
use super::table::{Table, region_name};
use crate::row::{Columns, PageBuffer, Rows};
use crate::science_db::family_scan::FamilyScan;
use crate::science_db::timeouts::Call;
use crate::science_db::{KeyRange, Scan, ScienceDbError, start_after};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Bytes after which a server ends a response, within a row too. It bounds the memory of both sides.
const MAX_RESPONSE_BYTES: u64 = 16 << 20;
/// The time-out of all calls of scanners: servers respond within half of it, if only to say that they are at work.
const CALL: Call = Call::NarrowScan;

/// A scan of which some pages were read.
pub(crate) struct OpenScan {
    keys: KeyRange,
    window: Window,
    columns: Columns,
    reads_families: bool,
    request: proto::Scan,
    /// where the scan goes on if its scanner is lost
    resume: Vec<u8>,
    /// the rows that the last page was to have
    page_rows: usize,
    /// no region is left to scan
    is_at_end: bool,
    scanner: Option<Scanner>,
    /// cells behind the last page
    rest: Vec<u8>,
    /// the last row of `rest` has all its cells
    rest_is_complete: bool,
    /// key of the last row of the last page
    last_key: Vec<u8>,
}

/// The scanner of one region.
struct Scanner {
    region: Arc<Region>,
    server: String,
    /// the server's id of it, from the first response on
    id: Option<u64>,
    next_call: u64,
    /// the next call, if it was sent already
    ahead: Option<Sent>,
}

/// What one response told.
struct Answer {
    /// whether its last row may have more cells; `None`: it has no row
    ends_in_row: Option<bool>,
    is_region_done: bool,
}

impl OpenScan {
    /// Begins a scan at the key `start`.
    fn new(scan: &Scan<'_>, start: Vec<u8>, reads_families: bool) -> Self {
        // Positional reads are faster for few blocks, a stream for many. Without either the server begins with positional reads, and
        // responds early, perhaps without a row, to change to a stream.
        let is_look = scan.columns.len() == 1;
        let read_type = if is_look { scan::ReadType::Pread } else { scan::ReadType::Stream };
        let request = proto::Scan {
            column: request_columns(scan.columns, reads_families),
            start_row: None,
            stop_row: Some(scan.keys.end.clone()),
            time_range: Some(time_range(scan.window)),
            max_versions: Some(1),
            cache_blocks: Some(is_look),
            max_result_size: Some(MAX_RESPONSE_BYTES),
            read_type: Some(read_type.into()),
            ..proto::Scan::default()
        };
        Self {
            keys: scan.keys.clone(),
            window: scan.window,
            columns: scan.columns.clone(),
            reads_families,
            request,
            resume: start,
            page_rows: 0,
            is_at_end: false,
            scanner: None,
            rest: Vec::new(),
            rest_is_complete: true,
            last_key: Vec::new(),
        }
    }

    /// Whether the page of `scan` behind the row `after` is the next one of this scan.
    fn continues(&self, scan: &Scan<'_>, after: Option<&[u8]>, reads_families: bool) -> bool {
        after == Some(&self.last_key)
            && self.reads_families == reads_families
            && self.keys == scan.keys
            && self.window == scan.window
            && self.columns == *scan.columns
    }
}

/// The next page of `scan`, which `open` holds if it was begun. See [`ScienceDb::scan`](crate::science_db::ScienceDb::scan).
pub(crate) fn read_page(
    client: &mut Client,
    table: &Table,
    open: &mut Option<OpenScan>,
    family_scan: &mut FamilyScan,
    scan: &Scan<'_>,
    after: Option<&[u8]>,
    rows: &mut Rows,
) -> Result<bool, ScienceDbError> {
    let reads_families = family_scan.reads_families(scan.columns);
    let mut current = match open.take() {
        Some(kept) if kept.continues(scan, after, reads_families) => kept,
        kept => {
            kept.into_iter().for_each(|kept| close(client, kept));
            OpenScan::new(scan, start_after(scan, after), reads_families)
        }
    };
    let page_rows = scan.page.max(1);
    // Pages double while the size of a row is being learnt. The call sent ahead is for the next page.
    let ahead_rows = if page_rows > current.page_rows { page_rows.saturating_mul(2) } else { page_rows };
    current.page_rows = page_rows;
    if let Err(error) = fill(client, table, &mut current, family_scan, (page_rows, ahead_rows), rows) {
        close(client, current);
        return Err(error);
    }
    let has_more = !current.rest.is_empty() || !current.is_at_end;
    match rows.last() {
        Some(row) if has_more => {
            current.last_key = row.key.to_vec();
            *open = Some(current);
        }
        _ => {}
    }
    Ok(has_more)
}

/// Fills a page with at least one row and at most `page_rows`, unless the scan ends. A call that is sent ahead asks for `ahead_rows`.
fn fill(
    client: &mut Client,
    table: &Table,
    open: &mut OpenScan,
    family_scan: &mut FamilyScan,
    (page_rows, ahead_rows): (usize, usize),
    rows: &mut Rows,
) -> Result<(), ScienceDbError> {
    let columns = open.columns.clone();
    let mut retry = client.retry();
    let mut decoder = RowDecoder::new(&columns);
    let rest = std::mem::take(&mut open.rest);
    let mut page = rows.refill(columns.len());
    page.buffer.extend(&rest);
    // These cells were decoded before.
    let _decoded = decoder.add(&mut page, 0..rest.len());
    let mut ends_in_row = !rest.is_empty() && !open.rest_is_complete;
    drop(rest);
    loop {
        if !ends_in_row {
            decoder.end_row(page.index);
        }
        let complete = page.index.len() - usize::from(ends_in_row);
        if complete > 0 {
            if open.scanner.is_some() {
                open.resume = [page.index.key(page.buffer, complete - 1), &[0]].concat();
            }
            let keep = complete.min(page_rows);
            if keep < page.index.len() {
                open.rest = decoder.split_off(page.buffer, page.index, keep);
                open.rest_is_complete = !ends_in_row;
            }
            break;
        }
        if open.is_at_end {
            break;
        }
        if !ends_in_row {
            // Rows that had none of the columns.
            page.buffer.clear();
            decoder.clear();
        }
        let (wanted, unwanted) = (decoder.wanted_bytes, decoder.unwanted_bytes);
        let region = locate(client, table, open, &mut retry)?;
        let answered = fetch(client, open, &region, page_rows, page.buffer).and_then(|response| {
            let announced = response.message.cells_per_result.iter().map(|count| *count as usize).sum::<usize>();
            let count = decoder.add(&mut page, response.cells)?;
            match count == announced {
                true => advance(client, open, ahead_rows, &response.message),
                false => Err(CallError::Protocol(format!("{count} cells instead of {announced}"))),
            }
        });
        match answered {
            Ok(answer) => {
                retry.reset();
                family_scan.observe(decoder.wanted_bytes - wanted, decoder.unwanted_bytes - unwanted);
                ends_in_row = answer.ends_in_row.unwrap_or(ends_in_row) && !answer.is_region_done;
                if answer.is_region_done {
                    next_region(open, &region);
                } else if !ends_in_row && let Some(key) = decoder.open_key() {
                    open.resume = [&page.buffer.filled()[key], &[0]].concat();
                }
            }
            Err(error) => {
                open.scanner = None;
                ends_in_row = false;
                page.buffer.clear();
                page.index.truncate(0);
                decoder.clear();
                table.recover(client, &region, error, &mut retry)?;
            }
        }
    }
    Ok(())
}

/// The region to read from next.
fn locate(
    client: &mut Client,
    table: &Table,
    open: &OpenScan,
    retry: &mut Retry,
) -> Result<Arc<Region>, ScienceDbError> {
    match &open.scanner {
        Some(scanner) => Ok(Arc::clone(&scanner.region)),
        None => table.locate(client, &open.resume, retry),
    }
}

/// Receives the next response of the region's scanner, which is opened if necessary.
fn fetch(
    client: &mut Client,
    open: &mut OpenScan,
    region: &Arc<Region>,
    page_rows: usize,
    buffer: &mut PageBuffer,
) -> Result<Response<ScanResponse>, CallError> {
    let sent = match &mut open.scanner {
        Some(scanner) => match scanner.ahead.take() {
            Some(sent) => sent,
            None => scanner.send_next(client, page_rows)?,
        },
        None => {
            let server = region.server.clone().unwrap_or_default();
            let scan = proto::Scan { start_row: Some(open.resume.clone()), ..open.request.clone() };
            let request = ScanRequest {
                region: Some(region_name(&region.name)),
                scan: Some(scan),
                next_call_seq: Some(0),
                ..scan_request(page_rows)
            };
            let sent = client.send(&server, CALL, &request, &[])?;
            open.scanner = Some(Scanner { region: Arc::clone(region), server, id: None, next_call: 1, ahead: None });
            sent
        }
    };
    client.receive::<ScanRequest>(sent, buffer)
}

/// Notes what a response says about its scanner. The next call of a stream is sent at once: the server reads while the caller works on this
/// page.
fn advance(
    client: &mut Client,
    open: &mut OpenScan,
    ahead_rows: usize,
    response: &ScanResponse,
) -> Result<Answer, CallError> {
    let Some(has_more_in_region) = response.more_results_in_region else {
        return Err(CallError::Protocol(String::from("the response to a scan does not say whether it is the last")));
    };
    let is_region_done = !has_more_in_region || response.more_results == Some(false);
    let ends_in_row = (!response.cells_per_result.is_empty())
        .then(|| response.partial_flag_per_result.last().copied().unwrap_or(false));
    if let Some(scanner) = &mut open.scanner {
        scanner.id = scanner.id.or(response.scanner_id);
        if scanner.id.is_none() && !is_region_done {
            return Err(CallError::Protocol(String::from("the response to a scan names no scanner")));
        }
        if !is_region_done && open.request.read_type() == scan::ReadType::Stream {
            scanner.ahead = Some(scanner.send_next(client, ahead_rows)?);
        }
    }
    Ok(Answer { ends_in_row, is_region_done })
}

/// Leaves a region that is scanned to its end. The server has closed the scanner.
fn next_region(open: &mut OpenScan, region: &Region) {
    open.scanner = None;
    open.is_at_end = region.end.is_empty() || (!open.keys.end.is_empty() && region.end >= open.keys.end);
    open.resume.clone_from(&region.end);
}

impl Scanner {
    fn send_next(&mut self, client: &mut Client, page_rows: usize) -> Result<Sent, CallError> {
        let request =
            ScanRequest { scanner_id: self.id, next_call_seq: Some(self.next_call), ..scan_request(page_rows) };
        self.next_call += 1;
        client.send(&self.server, CALL, &request, &[])
    }
}

/// Closes the scanner of a scan that is not read to its end. The response is not waited for.
fn close(client: &mut Client, open: OpenScan) {
    let Some(scanner) = open.scanner else { return };
    if let Some(ahead) = scanner.ahead {
        // A whole response is on its way. The server closes the scanner when its lease has expired.
        client.disconnect(ahead);
    } else if scanner.id.is_some() && client.is_connected::<ScanRequest>(&scanner.server) {
        let request = ScanRequest { scanner_id: scanner.id, close_scanner: Some(true), ..scan_request(0) };
        if let Ok(sent) = client.send(&scanner.server, CALL, &request, &[]) {
            client.ignore(sent);
        }
    }
}

/// What all calls of a scanner have in common. Servers respond in time even if they find no row (heartbeats), and cut rows that are larger
/// than a response (partial results).
fn scan_request(rows: usize) -> ScanRequest {
    ScanRequest {
        number_of_rows: Some(u32::try_from(rows).unwrap_or(u32::MAX >> 1)),
        client_handles_partials: Some(true),
        client_handles_heartbeats: Some(true),
        ..ScanRequest::default()
    }
}

/// The columns of a read, or their families.
pub(crate) fn request_columns(columns: &Columns, reads_families: bool) -> Vec<proto::Column> {
    let mut families: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (family, qualifier) in columns.requested() {
        let qualifiers = families.entry(family).or_default();
        if !reads_families {
            qualifiers.push(qualifier.into());
        }
    }
    families.into_iter().map(|(family, qualifier)| proto::Column { family: family.into(), qualifier }).collect()
}

fn time_range(window: Window) -> proto::TimeRange {
    // A window begins in 1970 or later.
    let millis = |timestamp: Timestamp| Some(timestamp.as_millis().unsigned_abs());
    proto::TimeRange { from: millis(window.from()), to: millis(window.until()) }
}

//! Calls on many rows at once: `Multi`, one call for rows of many regions of a server, and calls to several servers at the same time.

use std::ops::Range;
use std::sync::Arc;

use super::cell_block::skip_cells;
use super::client::Client;
use super::exception::{CallError, Remedy, ServerException};
use super::frame::Damaged;
use super::proto::{Action, MultiRequest, MultiResponse, RegionAction, RegionActionResult};
use super::regions::Region;
use super::retry::Retry;
use super::table::{Table, region_name};
use crate::row::PageBuffer;
use crate::science_db::ScienceDbError;
use crate::science_db::timeouts::Call;

/// What is done with the rows of a call.
pub(crate) trait RowActions {
    /// Most rows of one call.
    const MAX_CALL_ROWS: usize;

    /// The key of row `row`.
    fn key(&self, row: usize) -> &[u8];

    /// The action on row `row`. Appends the cells that it announces to `cells`.
    fn action(&self, row: usize, cells: &mut Vec<u8>) -> Action;

    /// Notes that row `row` is done, with `count` cells at `cells` in the buffer.
    fn done(&mut self, row: usize, cells: Range<usize>);
}

/// The rows of one call: positions in the caller's list, by region.
struct Batch {
    server: String,
    rows: usize,
    regions: Vec<(Arc<Region>, Vec<usize>)>,
}

/// A row that was not done, with its region and the reason.
struct Failure {
    region: Arc<Region>,
    rows: Vec<usize>,
    error: CallError,
}

/// Does `actions` on the rows `0..count`. The cells that come back are in `buffer`.
///
/// # Errors
/// HBase is away, or refuses one of the rows; others may be done.
pub(crate) fn run(
    client: &mut Client,
    table: &Table,
    call: Call,
    count: usize,
    actions: &mut impl RowActions,
    buffer: &mut PageBuffer,
) -> Result<(), ScienceDbError> {
    let mut retry = client.retry();
    let mut pending: Vec<usize> = (0..count).collect();
    while !pending.is_empty() {
        let count_before = pending.len();
        let (batches, later) = batches(client, table, &pending, actions, &mut retry)?;
        let mut failures = Vec::new();
        let mut sent = Vec::new();
        for batch in batches {
            let (request, cells) = request(&batch, actions);
            // Before anything is sent, so that a failure to connect is known as one.
            let result = client.connect::<MultiRequest>(&batch.server, call).and_then(|()| {
                let sending = client.send(&batch.server, call, &request, &cells);
                sending.map_err(|error| unknown_outcome(call, error))
            });
            match result {
                Ok(call) => sent.push((batch, call)),
                Err(error) => failures.extend(batch.failed(error)),
            }
        }
        for (batch, sent) in sent {
            let response = client.receive::<MultiRequest>(sent, buffer);
            let response = response.map_err(|error| unknown_outcome(call, error));
            let read = response.and_then(|response| {
                let mut cells = response.cells;
                read_response(&batch, response.message, buffer, &mut cells, actions, call)
            });
            match read {
                Ok(failed) => failures.extend(failed),
                Err(error) => failures.extend(batch.failed(error)),
            }
        }
        pending = later;
        pending.extend(failures.iter().flat_map(|failure| &failure.rows));
        if pending.len() < count_before {
            // One region after the other may be closed for a while: each has the whole time of the retries.
            retry.reset();
        }
        let mut failures = failures.into_iter();
        if let Some(first) = failures.next() {
            for other in failures {
                table.learn(client, &other.region, &other.error)?;
            }
            table.recover(client, &first.region, first.error, &mut retry)?;
            pending.sort_unstable();
        }
    }
    Ok(())
}

/// The next calls, at most one to each server, and the rows that are left for later.
fn batches<A: RowActions>(
    client: &mut Client,
    table: &Table,
    pending: &[usize],
    actions: &A,
    retry: &mut Retry,
) -> Result<(Vec<Batch>, Vec<usize>), ScienceDbError> {
    let (mut batches, mut later): (Vec<Batch>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut last: Option<Arc<Region>> = None;
    for &row in pending {
        let key = actions.key(row);
        let region = match last.take().filter(|region| region.contains(key)) {
            Some(region) => region,
            None => table.locate(client, key, retry)?,
        };
        last = Some(Arc::clone(&region));
        let server = region.server.as_deref().unwrap_or_default();
        let batch = match batches.iter_mut().find(|batch| batch.server == server) {
            Some(batch) => batch,
            None => {
                batches.push(Batch { server: server.to_owned(), rows: 0, regions: Vec::new() });
                let index = batches.len() - 1;
                &mut batches[index]
            }
        };
        if batch.rows == A::MAX_CALL_ROWS {
            later.push(row);
            continue;
        }
        batch.rows += 1;
        match batch.regions.iter_mut().find(|(known, _)| known.name == region.name) {
            Some((_, rows)) => rows.push(row),
            None => batch.regions.push((region, vec![row])),
        }
    }
    Ok((batches, later))
}

impl Batch {
    /// All rows have failed.
    fn failed(self, error: CallError) -> impl Iterator<Item = Failure> {
        self.regions.into_iter().map(move |(region, rows)| Failure { region, rows, error: error.clone() })
    }
}

fn request(batch: &Batch, actions: &impl RowActions) -> (MultiRequest, Vec<u8>) {
    let mut cells = Vec::new();
    let regions = batch.regions.iter().map(|(region, rows)| {
        let indexed = (0..).zip(rows);
        let action = indexed.map(|(index, row)| Action { index: Some(index), ..actions.action(*row, &mut cells) });
        RegionAction { region: region_name(&region.name), atomic: None, action: action.collect() }
    });
    let request = MultiRequest { region_action: regions.collect() };
    (request, cells)
}

/// Reads what became of the rows; the response is in the order of the request.
fn read_response(
    batch: &Batch,
    response: MultiResponse,
    buffer: &PageBuffer,
    cells: &mut Range<usize>,
    actions: &mut impl RowActions,
    call: Call,
) -> Result<Vec<Failure>, CallError> {
    if response.region_action_result.len() != batch.regions.len() {
        let (found, sent) = (response.region_action_result.len(), batch.regions.len());
        return Err(CallError::Protocol(format!("a response for {found} regions instead of {sent}")));
    }
    let mut failures = Vec::new();
    for ((region, rows), result) in batch.regions.iter().zip(response.region_action_result) {
        failures.extend(read_region(region, rows, result, buffer, cells, actions, call)?);
    }
    if cells.start < cells.end {
        return Err(CallError::Protocol(format!("{} bytes of cells that belong to no row", cells.len())));
    }
    Ok(failures)
}

fn read_region(
    region: &Arc<Region>,
    rows: &[usize],
    result: RegionActionResult,
    buffer: &PageBuffer,
    cells: &mut Range<usize>,
    actions: &mut impl RowActions,
    call: Call,
) -> Result<Vec<Failure>, CallError> {
    let failure = |rows: Vec<usize>, exception: ServerException| {
        let error = unknown_outcome(call, CallError::Exception(exception));
        Failure { region: Arc::clone(region), rows, error }
    };
    if let Some(exception) = &result.exception {
        return Ok(vec![failure(rows.to_vec(), exception.into())]);
    }
    let mut failures = Vec::new();
    let mut is_done = vec![false; rows.len()];
    for one in result.result_or_exception {
        let index = one.index.unwrap_or(0) as usize;
        let Some((row, seen)) = rows.get(index).zip(is_done.get_mut(index)).filter(|(_, seen)| !**seen) else {
            return Err(CallError::Protocol(format!("a result for the row {index} of {}", rows.len())));
        };
        *seen = true;
        if let Some(exception) = &one.exception {
            failures.push(failure(vec![*row], exception.into()));
            continue;
        }
        let count = one.result.and_then(|result| result.associated_cell_count).unwrap_or(0);
        let count = usize::try_from(count).map_err(|_| Damaged(format!("a row of {count} cells")))?;
        let start = cells.start;
        skip_cells(buffer.filled(), &mut cells.start, cells.end, count)?;
        actions.done(*row, start..cells.start);
    }
    match is_done.iter().position(|is_done| !is_done) {
        Some(index) => Err(CallError::Protocol(format!("no result for the row {index} of {}", rows.len()))),
        None => Ok(failures),
    }
}

/// Where a write that must not be repeated may have been done, the error says so.
fn unknown_outcome(call: Call, error: CallError) -> CallError {
    match error {
        CallError::Exception(exception) if exception.is_before_execution() => CallError::Exception(exception),
        error if call.is_idempotent() => error,
        CallError::Exception(exception) if exception.remedy() == Remedy::Refuse => CallError::Exception(exception),
        error => CallError::OutcomeUnknown(error.to_string()),
    }
}

/// The cells of each of the `rows` rows of one region, for tests of damaged responses.
#[cfg(test)]
pub(crate) fn read_rows_of_one_region(
    response: MultiResponse,
    rows: usize,
    buffer: &PageBuffer,
    mut cells: Range<usize>,
) -> Option<Vec<Range<usize>>> {
    struct Found(Vec<Range<usize>>);
    impl RowActions for Found {
        const MAX_CALL_ROWS: usize = usize::MAX;
        fn key(&self, _row: usize) -> &[u8] {
            b""
        }
        fn action(&self, _row: usize, _cells: &mut Vec<u8>) -> Action {
            Action::default()
        }
        fn done(&mut self, row: usize, cells: Range<usize>) {
            self.0[row] = cells;
        }
    }
    let region = Arc::new(Region::meta(String::from("a:1")));
    let batch = Batch { server: String::from("a:1"), rows, regions: vec![(region, (0..rows).collect())] };
    let mut found = Found(vec![0..0; rows]);
    let failures = read_response(&batch, response, buffer, &mut cells, &mut found, Call::Get).ok()?;
    failures.is_empty().then_some(found.0)
}

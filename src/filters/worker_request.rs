//! Calls of filters as one request to a worker: the columns that they need as Arrow, and which rows each call is about.

use std::collections::HashMap;
use std::sync::Arc;

use super::argument::Argument;
use super::arrow;
use super::column_builder::ColumnBuilder;
use super::error::FilterError;
use super::filter_row::FilterRow;
use super::pool::WorkerCall;
use super::protocol::ColumnSpec;

/// A filter, and the rows to call it with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilterCall<'a> {
    /// index of the filter in the pool
    pub function: usize,
    /// indexes of the rows, ascending
    pub rows: &'a [usize],
}

/// A request with its calls, of which each differs from the others. A row that cannot be read for some argument is in no call with this
/// argument.
pub(super) struct WorkerRequest {
    /// an Arrow IPC stream of `columns`, then of the masks that select the rows of calls
    pub body: Vec<u8>,
    pub columns: Vec<ColumnSpec>,
    pub calls: Vec<WorkerCall>,
    /// by call: the rows it is made with
    pub rows: Vec<Vec<usize>>,
    /// by [`FilterCall`]: the call that it became; `None` where none of its rows can be read
    pub call_of: Vec<Option<usize>>,
    /// by argument and row: why the row cannot be read
    unreadable: HashMap<(usize, usize), Arc<str>>,
}

impl WorkerRequest {
    /// The request for `calls`. `uses`: by function, the indexes of its arguments in `arguments`.
    ///
    /// # Errors
    /// The columns cannot be encoded.
    pub fn new(
        rows: &[FilterRow<'_>],
        calls: &[FilterCall<'_>],
        arguments: &[Argument],
        uses: &[Vec<usize>],
    ) -> Result<Self, FilterError> {
        let all_rows = sorted(calls.iter().flat_map(|call| call.rows.iter().copied()));
        let used = sorted(calls.iter().flat_map(|call| uses[call.function].iter().copied()));
        let mut request = Self {
            body: Vec::new(),
            columns: Vec::new(),
            calls: Vec::new(),
            rows: Vec::new(),
            call_of: Vec::new(),
            unreadable: HashMap::new(),
        };
        let mut columns = Vec::with_capacity(used.len());
        // argument -> index of its column
        let mut column_of = HashMap::with_capacity(used.len());
        for index in used {
            let argument = &arguments[index];
            let mut column = ColumnBuilder::new(&argument.value_type);
            for row in &all_rows {
                if let Err(reason) = argument.push(&rows[*row], &mut column) {
                    request.unreadable.insert((index, *row), reason.into());
                }
            }
            column_of.insert(index, columns.len());
            request.columns.push(argument.spec());
            columns.push((argument.name.clone(), column));
        }
        let mut masks = Masks { rows: &all_rows, known: HashMap::new() };
        for call in calls {
            let arguments_of = &uses[call.function];
            let is_readable = |row: &usize| request.error(arguments_of, *row).is_none();
            let readable: Vec<usize> = call.rows.iter().copied().filter(is_readable).collect();
            if readable.is_empty() {
                request.call_of.push(None);
                continue;
            }
            let is_same =
                |index: &usize| request.calls[*index].function == call.function && request.rows[*index] == readable;
            let index = (0..request.calls.len()).find(is_same).unwrap_or(request.calls.len());
            request.call_of.push(Some(index));
            if index == request.calls.len() {
                let arguments = arguments_of.iter().map(|index| (arguments[*index].name.clone(), column_of[index]));
                request.calls.push(WorkerCall {
                    function: call.function,
                    arguments: arguments.collect(),
                    mask: masks.column(&readable, &mut columns),
                    count: readable.len(),
                });
                request.rows.push(readable);
            }
        }
        if !request.calls.is_empty() {
            request.body = arrow::stream(columns, all_rows.len())?;
        }
        Ok(request)
    }

    /// Why a row cannot be read for one of these arguments, if so.
    pub fn error(&self, arguments: &[usize], row: usize) -> Option<&Arc<str>> {
        match self.unreadable.is_empty() {
            true => None,
            false => arguments.iter().find_map(|argument| self.unreadable.get(&(*argument, row))),
        }
    }
}

/// Boolean columns that select rows of a request.
struct Masks<'a> {
    /// all rows of the request, ascending
    rows: &'a [usize],
    /// selected rows -> index of the column
    known: HashMap<Vec<usize>, usize>,
}

impl Masks<'_> {
    /// The index of the column that selects `rows`, added to `columns` where it is new; `None` where it would select all.
    fn column(&mut self, rows: &[usize], columns: &mut Vec<(String, ColumnBuilder)>) -> Option<usize> {
        if rows.len() == self.rows.len() {
            return None;
        }
        if let Some(column) = self.known.get(rows) {
            return Some(*column);
        }
        let index = columns.len();
        let mask = self.rows.iter().map(|row| rows.binary_search(row).is_ok()).collect();
        columns.push((format!("rows {index}"), ColumnBuilder::of_booleans(mask)));
        self.known.insert(rows.to_vec(), index);
        Some(index)
    }
}

fn sorted(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

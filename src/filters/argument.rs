//! Resolves the parameters of filters to columns, as Fink's Python broker does. A parameter is, in this order:
//! 1. the column of this name in the catalog: `roid`, or `candidate_ra` for `candidate.ra`;
//! 2. the one column or record whose dotted name ends with it: `ra` for `candidate.ra`, `diaSource` for that record. Several are an error,
//!    except for `linear_fit_slope`, which is `lc_features_r.linear_fit_slope`;
//! 3. `cmagpsfc`: the history of `magpsf` (see [`super::field_history`]); `cstampDatac`: `cutoutScience.stampData`.

use super::column_builder::ColumnBuilder;
use super::error::ResolveError;
use super::field_history::FieldHistory;
use super::filter_row::FilterRow;
use super::protocol::ColumnSpec;
use super::record::{CellColumn, RecordColumns};
use super::value_type::ValueType;
use crate::catalog::{Catalog, ColumnType};
use crate::suggest::suggestion;

/// Names of one column each, whichever other names end with them.
const FIXED_NAMES: [(&str, &str); 2] =
    [("linear_fit_slope", "lc_features_r.linear_fit_slope"), ("cstampDatac", "cutoutScience.stampData")];

/// What a parameter is resolved to.
#[derive(Clone, Debug)]
enum Source {
    Cell(CellColumn),
    Record(RecordColumns),
    FieldHistory(FieldHistory),
}

/// A parameter of filters, resolved. Filters with a parameter of the same name share it.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub name: String,
    pub value_type: ValueType,
    source: Source,
}

impl Argument {
    /// Resolves a parameter's name.
    ///
    /// # Errors
    /// No column or several match, or pandas has no type for it.
    pub fn resolve(catalog: &Catalog, name: &str) -> Result<Self, ResolveError> {
        let column = |index: usize| {
            let column = &catalog.columns[index];
            let value_type = ValueType::of_column(column).map_err(|reason| ResolveError::Unsupported {
                argument: name.to_owned(),
                column: column.field.clone(),
                reason,
            })?;
            Ok(Self { name: name.to_owned(), value_type, source: Source::Cell(CellColumn::new(catalog, index)) })
        };
        let by_field = |field: &str| catalog.columns.iter().position(|column| column.field == field);
        let is_column = |index: &usize| !is_marker(catalog, *index) && !is_text_list(catalog, *index);
        if let Some(index) = catalog.index_of(name).filter(is_column) {
            return column(index);
        }
        if let Some(index) = FIXED_NAMES.iter().find(|(known, _)| *known == name).and_then(|(_, field)| by_field(field))
        {
            return column(index);
        }
        let ends = |path: &str| path.rsplit('.').next() == Some(name);
        let leaves: Vec<usize> =
            (0..catalog.columns.len()).filter(|index| ends(&catalog.columns[*index].field)).filter(is_column).collect();
        let records: Vec<&str> =
            catalog.records.iter().map(|record| record.path.as_str()).filter(|path| ends(path)).collect();
        let root_record = records.iter().find(|path| **path == name);
        match (leaves.as_slice(), records.as_slice(), root_record) {
            (_, _, Some(path)) | ([], [path], _) => Self::record(catalog, name, path),
            ([index], [], _) => column(*index),
            ([], [], _) => match FieldHistory::resolve(catalog, name) {
                Some(history) => Ok(Self {
                    name: name.to_owned(),
                    value_type: history.value_type(),
                    source: Source::FieldHistory(history),
                }),
                None => {
                    Err(ResolveError::Unknown { argument: name.to_owned(), suggestion: similar_fields(catalog, name) })
                }
            },
            (leaves, records, _) => {
                let mut candidates: Vec<String> =
                    leaves.iter().map(|index| catalog.columns[*index].field.clone()).collect();
                candidates.extend(records.iter().map(|path| (*path).to_owned()));
                Err(ResolveError::Ambiguous { argument: name.to_owned(), candidates })
            }
        }
    }

    fn record(catalog: &Catalog, name: &str, path: &str) -> Result<Self, ResolveError> {
        let unsupported = |reason: &str| ResolveError::Unsupported {
            argument: name.to_owned(),
            column: path.to_owned(),
            reason: reason.to_owned(),
        };
        if catalog.columns.iter().enumerate().any(|(index, column)| {
            is_text_list(catalog, index) && column.field.rsplit_once('.').is_some_and(|(record, _)| record == path)
        }) {
            return Err(unsupported(
                "the table keeps it as text, from which no records can be made: ask for a history such as `cmagpsfc`",
            ));
        }
        let record = RecordColumns::new(catalog, path);
        if record.is_empty() {
            return Err(unsupported("pandas has no type for any of its fields"));
        }
        Ok(Self { name: name.to_owned(), value_type: record.value_type(), source: Source::Record(record) })
    }

    /// How a worker passes it to filters: a record as a DataFrame, anything else as a Series.
    pub fn spec(&self) -> ColumnSpec {
        let frame = matches!(self.source, Source::Record(_));
        ColumnSpec { name: self.name.clone(), frame, dicts: !frame && self.value_type.holds_dicts() }
    }

    /// Adds the columns that it reads, as indexes into the catalog's list.
    pub fn columns(&self, out: &mut Vec<usize>) {
        match &self.source {
            Source::Cell(cell) => out.push(cell.index),
            Source::Record(record) => record.columns(out),
            Source::FieldHistory(history) => history.columns(out),
        }
    }

    /// Appends the row's value; null, and an error, where it cannot be read.
    ///
    /// # Errors
    /// Which cell cannot be read, and why.
    pub fn push(&self, row: &FilterRow<'_>, column: &mut ColumnBuilder) -> Result<(), String> {
        let len = column.len();
        let pushed = match &self.source {
            Source::Cell(cell) => cell.push(row, column),
            Source::Record(record) => record.push(row, column),
            Source::FieldHistory(history) => history.push(row, column),
        };
        if pushed.is_err() {
            column.truncate(len);
            column.push_null();
        }
        pushed
    }
}

/// Whether the column only marks that a record is not null.
fn is_marker(catalog: &Catalog, index: usize) -> bool {
    catalog.records.iter().any(|record| record.path == catalog.columns[index].field)
}

/// Whether the column, of the layout of 2019, has one field of all records of a list as text. A catalog does not say so, but in all schemas so far
/// the names of such lists begin with `prv`.
fn is_text_list(catalog: &Catalog, index: usize) -> bool {
    let column = &catalog.columns[index];
    column.kind == ColumnType::String && column.field.starts_with("prv") && column.field.contains('.')
}

/// A suggestion of fields and records for an argument that names none.
fn similar_fields(catalog: &Catalog, argument: &str) -> String {
    let fields = catalog.columns.iter().map(|column| column.field.as_str());
    suggestion(argument, fields.chain(catalog.records.iter().map(|record| record.path.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Layout, LayoutOptions, ListEncoding as HistoryFormat};
    use crate::avro::Schema;
    use crate::row::{BoundColumn, Columns, Rows};

    fn ztf() -> Catalog {
        let schema = Schema::parse(include_str!("../../conf/schemas/ztf.avsc")).expect("a schema");
        Layout::keyless(&schema).expect("a layout").catalog().clone()
    }

    fn as_text() -> Catalog {
        let schema = Schema::parse(include_str!("../../conf/schemas/ztf.avsc")).expect("a schema");
        let options = LayoutOptions {
            namespace: "default",
            table: "ztf",
            family: "i",
            row_key: &["objectId", "candid"],
            history: HistoryFormat::Text,
            status: true,
        };
        Layout::new(&schema, &options).expect("a layout").catalog().clone()
    }

    fn names(catalog: &Catalog, argument: &str) -> Vec<String> {
        let argument = Argument::resolve(catalog, argument).expect("a column");
        let mut columns = Vec::new();
        argument.columns(&mut columns);
        columns.into_iter().map(|index| catalog.columns[index].field.clone()).collect()
    }

    #[test]
    fn the_last_segment_decides_and_the_root_is_favoured() {
        let catalog = ztf();
        assert_eq!(names(&catalog, "magpsf"), ["candidate.magpsf"]);
        assert_eq!(names(&catalog, "candidate_magpsf"), ["candidate.magpsf"]);
        // There is a candidate.candid too.
        assert_eq!(names(&catalog, "candid"), ["candid"]);
        assert_eq!(names(&catalog, "cstampDatac"), ["cutoutScience.stampData"]);
    }

    #[test]
    fn a_record_is_all_its_fields_and_a_list_is_one_column() {
        let catalog = ztf();
        let science = Argument::resolve(&catalog, "cutoutScience").expect("a record");
        assert!(science.spec().frame);
        assert_eq!(names(&catalog, "cutoutScience").len(), 2);
        let list = Argument::resolve(&catalog, "prv_candidates").expect("a list");
        assert!(!list.spec().frame && list.spec().dicts);
    }

    #[test]
    fn an_ambiguous_name_names_the_candidates() {
        let error = Argument::resolve(&ztf(), "stampData").expect_err("three columns");
        for candidate in ["cutoutScience.stampData", "cutoutTemplate.stampData", "cutoutDifference.stampData"] {
            assert!(error.to_string().contains(candidate), "{error}");
        }
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_ones() {
        let error = Argument::resolve(&ztf(), "magpsff").expect_err("no column");
        assert!(error.to_string().contains("no column `magpsff`: did you mean `candidate.magpsf`"), "{error}");
        assert!(Argument::resolve(&ztf(), "cnothingc").is_err());
    }

    #[test]
    fn a_history_is_made_of_both_layouts() {
        assert_eq!(names(&ztf(), "cmagpsfc"), ["prv_candidates", "candidate.magpsf"]);
        assert_eq!(names(&as_text(), "cmagpsfc"), ["prv_candidates.magpsf", "candidate.magpsf"]);
        // The columns of text are parts of a list, not candidates for a name.
        assert_eq!(names(&as_text(), "magpsf"), ["candidate.magpsf"]);
        let error = Argument::resolve(&as_text(), "prv_candidates").expect_err("text");
        assert!(error.to_string().contains("keeps it as text"), "{error}");
    }

    #[test]
    fn a_cell_that_cannot_be_read_leaves_a_null_and_its_neighbours_whole() {
        let catalog = as_text();
        let argument = Argument::resolve(&catalog, "cmagpsfc").expect("a history");
        let mut column = ColumnBuilder::new(&argument.value_type);
        let columns: Columns = catalog.columns.iter().collect();
        let bound = catalog.columns.iter().map(|column| BoundColumn::new(column, 2, &columns).ok());
        let bound: Vec<Option<BoundColumn>> = bound.collect();
        let slot = |name: &str| match &bound[catalog.index_of(name).expect("a column")] {
            Some(BoundColumn::Cell { slot }) => *slot,
            other => panic!("{other:?}"),
        };
        let mut rows = Rows::default();
        let mut page = rows.refill(columns.len());
        for past in [Some(b"[18.5,, 18.0]".as_slice()), Some(b"[18.5, x]"), None] {
            page.row(b"a_1");
            page.cell(slot("candidate_magpsf"), &17.5_f32.to_be_bytes(), 1);
            past.into_iter().for_each(|past| page.cell(slot("prv_candidates_magpsf"), past, 1));
        }
        let row = |index| FilterRow { row: rows.row(index), columns: &bound };
        argument.push(&row(0), &mut column).expect("a list");
        let error = argument.push(&row(1), &mut column).expect_err("x is not a number");
        assert!(error.contains("cmagpsfc") && error.contains("`x`"), "{error}");
        argument.push(&row(2), &mut column).expect("a list");
        assert_eq!(column.len(), 3);
        assert_eq!(column.items().map(|items| items.len()), Some(4 + 1));
    }
}

//! Rules against the catalog: looks up every name, and parses every value in the type of its column, before any row is read.

use super::cell_test::CellTest;
use super::diagnostic::{Lines, Report, quoted, truncated};
use super::literal;
use super::operator::Operator;
use super::parse::{ColumnReference, Condition, GroupKind, RulesDocument};
use crate::catalog::{Catalog, Column};
use crate::suggest::similar_names;

/// Maximum length of the text of a condition, in characters.
const MAX_CONDITION_CHARS: usize = 200;

/// A condition that fits the catalog.
#[derive(Clone, Debug)]
pub(super) enum CheckedCondition {
    Column(Box<ColumnTest>),
    Group(GroupKind, Vec<CheckedCondition>),
}

/// A test of one column.
#[derive(Clone, Debug)]
pub(super) struct ColumnTest {
    /// index in the catalog's columns
    pub(super) index: usize,
    pub(super) column: Column,
    pub(super) test: CellTest,
    pub(super) operator: Operator,
    /// as written
    pub(super) value: String,
}

/// What a name refers to, as indexes in the catalog's columns.
enum Target {
    Everything,
    /// the columns of a record, including its presence marker
    Record(Vec<usize>),
    Column(usize),
}

/// The remaining columns, as indexes in the catalog's columns, and the conditions.
#[derive(Debug, Default)]
pub(super) struct CheckedRules {
    pub(super) columns: Vec<usize>,
    pub(super) dropped: Vec<usize>,
    /// with the offset of their elements
    pub(super) conditions: Vec<(usize, CheckedCondition)>,
}

/// Checks the whole document. If `report` grows, the result must not be used.
pub(super) fn check(
    document: &RulesDocument<'_>,
    catalog: &Catalog,
    lines: &Lines<'_>,
    report: &mut Report,
) -> CheckedRules {
    let selections = vec![Selection::default(); catalog.columns.len()];
    let mut checker = Checker { catalog, lines, report, selections, incomplete: document.incomplete };
    checker.select(&document.select);
    checker.drop(&document.drop);
    let columns = checker.remaining(document);
    let mut conditions = Vec::new();
    for condition in &document.filter {
        conditions.extend(checker.condition(condition).map(|checked| (condition.at(), checked)));
    }
    CheckedRules { columns, dropped: checker.indexes(Selection::is_dropped), conditions }
}

/// The offsets of the elements that select and drop a column.
#[derive(Clone, Copy, Default)]
struct Selection {
    selected: Option<usize>,
    dropped: Option<usize>,
}

impl Selection {
    fn remains(&self) -> bool {
        self.selected.is_some() && self.dropped.is_none()
    }

    fn is_dropped(&self) -> bool {
        self.selected.is_some() && self.dropped.is_some()
    }
}

struct Checker<'a> {
    catalog: &'a Catalog,
    lines: &'a Lines<'a>,
    report: &'a mut Report,
    /// by index in the catalog's columns
    selections: Vec<Selection>,
    /// a name in `select` or `drop` is unknown, so errors that follow from the remaining columns are not reported
    incomplete: bool,
}

impl Checker<'_> {
    fn indexes(&self, is: impl Fn(&Selection) -> bool) -> Vec<usize> {
        self.selections.iter().enumerate().filter(|(_, selection)| is(selection)).map(|(index, _)| index).collect()
    }

    fn select(&mut self, references: &[ColumnReference<'_>]) {
        for reference in references {
            let Some(columns) = self.columns_of(reference) else { continue };
            let mut earlier = None;
            let mut adds_column = false;
            for index in columns {
                let selected = &mut self.selections[index].selected;
                adds_column |= selected.is_none();
                earlier = earlier.or(*selected);
                selected.get_or_insert(reference.at);
            }
            if let (false, Some(earlier)) = (adds_column, earlier) {
                let line = self.lines.line(earlier);
                self.report.add(
                    reference.at,
                    format!("{} is already selected on line {line}: remove one of them", reference.quoted()),
                );
            }
        }
    }

    fn drop(&mut self, references: &[ColumnReference<'_>]) {
        for reference in references {
            let Some(columns) = self.columns_of(reference) else { continue };
            let mut earlier = None;
            let mut drops_column = false;
            for index in columns {
                let Selection { selected: Some(_), dropped } = &mut self.selections[index] else { continue };
                drops_column |= dropped.is_none();
                earlier = earlier.or(*dropped);
                dropped.get_or_insert(reference.at);
            }
            match (drops_column, earlier) {
                (true, _) => {}
                (false, Some(earlier)) => {
                    let line = self.lines.line(earlier);
                    self.report.add(
                        reference.at,
                        format!("{} is already dropped on line {line}: remove one of them", reference.quoted()),
                    );
                }
                (false, None) if self.incomplete => {}
                (false, None) => {
                    let message = format!("{} is not selected and cannot be dropped: remove it", reference.quoted());
                    self.report.add(reference.at, message);
                }
            }
        }
    }

    /// The remaining columns, in the order of the catalog.
    ///
    /// The presence marker of a record remains exactly when one of its fields does: without it, a record of nulls and a null record could
    /// not be told apart.
    fn remaining(&mut self, document: &RulesDocument<'_>) -> Vec<usize> {
        for record in &self.catalog.records {
            let Some(marker) = self.catalog.columns.iter().position(|column| column.field == record.path) else {
                continue;
            };
            let fields = self.catalog.columns.iter().zip(&self.selections);
            let mut fields = fields.filter(|(column, _)| is_within(column, &record.path)).map(|(_, field)| *field);
            let selected = fields.find(Selection::remains).and_then(|field| field.selected);
            self.selections[marker] = Selection { selected, dropped: None };
        }
        let columns = self.indexes(Selection::remains);
        if let (true, false, Some(first)) = (columns.is_empty(), self.incomplete, document.drop.first()) {
            self.report.add(first.at, "every selected column is dropped: no column remains to send");
        }
        columns
    }

    /// The columns that a name in `select` or `drop` refers to; `None` if it was reported.
    fn columns_of(&mut self, reference: &ColumnReference<'_>) -> Option<Vec<usize>> {
        match self.target(reference)? {
            Target::Everything => Some((0..self.catalog.columns.len()).collect()),
            Target::Record(columns) => Some(columns),
            Target::Column(index) => Some(vec![index]),
        }
    }

    fn target(&mut self, reference: &ColumnReference<'_>) -> Option<Target> {
        if self.report.is_full() {
            return None;
        }
        let name = reference.name.value.as_ref();
        let subcol = reference.subcol.as_ref().map(|subcol| subcol.value.as_ref());
        if name == "*" && subcol.is_none() {
            return Some(Target::Everything);
        }
        let (flat, dotted) = match subcol {
            None => (name.to_owned(), name.to_owned()),
            Some(subcol) => (format!("{name}_{subcol}"), format!("{name}.{subcol}")),
        };
        let columns = &self.catalog.columns;
        let records = &self.catalog.records;
        if let Some(record) = records.iter().find(|record| record.path == dotted || record.prefix() == flat) {
            let of_record = |column: &Column| column.field == record.path || is_within(column, &record.path);
            let indexes = columns.iter().enumerate().filter(|(_, column)| of_record(column));
            return Some(Target::Record(indexes.map(|(index, _)| index).collect()));
        }
        let by_field = || columns.iter().position(|column| subcol.is_some() && column.field == dotted);
        if let Some(index) = self.catalog.index_of(&flat).or_else(by_field) {
            return Some(Target::Column(index));
        }
        self.unknown(reference, &flat);
        None
    }

    fn unknown(&mut self, reference: &ColumnReference<'_>, flat: &str) {
        self.incomplete = true;
        let prefix = format!("{}_", reference.name.value);
        let at = match &reference.subcol {
            Some(subcol) if self.catalog.columns.iter().any(|column| column.name.starts_with(&prefix)) => {
                subcol.value_at
            }
            _ => reference.name.value_at,
        };
        let last = reference.subcol.as_ref().unwrap_or(&reference.name);
        let message = if last.value.is_empty() {
            format!("the attribute `{}` is empty: write a name or remove it", last.name)
        } else {
            let structs: Vec<String> = self.catalog.records.iter().map(|record| record.prefix()).collect();
            let columns = self.catalog.columns.iter().map(|column| column.name.as_str());
            let known = structs.iter().map(String::as_str).chain(columns);
            let similar = similar_names(flat, known);
            match similar.first().filter(|name| structs.iter().any(|known| known == *name)) {
                Some(name) => format!("there is no column {}: did you mean the struct `{name}`?", quoted(flat)),
                None => format!("there is no column {}{}", quoted(flat), self.catalog.suggestion(flat)),
            }
        };
        self.report.add(at, message);
    }

    fn condition(&mut self, condition: &Condition<'_>) -> Option<CheckedCondition> {
        match condition {
            Condition::Group { kind, members, .. } => {
                let members = members.iter().filter_map(|member| self.condition(member)).collect();
                Some(CheckedCondition::Group(*kind, members))
            }
            Condition::Column { reference, operator, operator_at, value } => {
                let index = self.condition_column(reference)?;
                let column = &self.catalog.columns[index];
                let written = value.as_ref().map(|value| value.value.trim());
                match literal::test(column, *operator, written) {
                    Ok(test) => {
                        let (column, value) = (column.clone(), written.unwrap_or_default().to_owned());
                        let test = ColumnTest { index, column, test, operator: *operator, value };
                        Some(CheckedCondition::Column(Box::new(test)))
                    }
                    Err(message) => {
                        self.report.add(value.as_ref().map_or(*operator_at, |value| value.value_at), message);
                        None
                    }
                }
            }
        }
    }

    /// The column of a condition. It must be among those that remain.
    fn condition_column(&mut self, reference: &ColumnReference<'_>) -> Option<usize> {
        let index = match self.target(reference)? {
            Target::Column(index) => index,
            Target::Everything => {
                self.report.add(reference.name.value_at, "a condition applies to one column: name it");
                return None;
            }
            Target::Record(_) => {
                let quoted = reference.quoted();
                self.report.add(
                    reference.at,
                    format!("{quoted} is a struct, but a condition applies to one column: add the attribute `subcol`"),
                );
                return None;
            }
        };
        let selection = self.selections[index];
        if !selection.remains() && !self.incomplete {
            let quoted = reference.quoted();
            let reason = match selection.dropped {
                Some(at) => format!("{quoted} is dropped on line {}", self.lines.line(at)),
                None => format!("{quoted} is not selected"),
            };
            self.report.add(
                reference.name.value_at,
                format!("{reason}: conditions may only use columns that remain after select and drop"),
            );
        }
        Some(index)
    }
}

/// Whether the field of a column lies in the record at `path`, at any depth.
fn is_within(column: &Column, path: &str) -> bool {
    column.field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

impl CheckedCondition {
    /// On one line: `candidate_magpsf > 16`.
    pub(super) fn text(&self) -> String {
        let text = match self {
            Self::Column(test) if test.value.is_empty() => format!("{} {}", test.column.name, test.operator.spelling()),
            Self::Column(test) => format!("{} {} {}", test.column.name, test.operator.spelling(), test.value),
            Self::Group(kind, members) => {
                let members: Vec<String> = members.iter().map(Self::text).collect();
                let name = match kind {
                    GroupKind::All => "all",
                    GroupKind::Any => "any",
                    GroupKind::Not => "not",
                };
                format!("{name}({})", members.join("; "))
            }
        };
        truncated(&text, MAX_CONDITION_CHARS)
    }

    /// Appends the indexes of its columns.
    pub(super) fn columns(&self, indexes: &mut Vec<usize>) {
        match self {
            Self::Column(test) => indexes.push(test.index),
            Self::Group(_, members) => members.iter().for_each(|member| member.columns(indexes)),
        }
    }
}

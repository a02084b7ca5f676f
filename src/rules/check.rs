//! Rules against the catalog: every name is looked up and every value read in its column's type, before anything is read.

use super::comparison::CellTest;
use super::diagnostic::{Lines, MAX_DIAGNOSTICS, OffsetDiagnostic, quoted, truncated};
use super::literal;
use super::operator::Operator;
use super::parse::{ColumnReference, Condition, GroupKind, RulesDocument};
use crate::catalog::{Catalog, Column};
use crate::suggest::similar_names;

/// The longest name that is compared with others, and the longest text of a condition.
const MAX_COMPARED_NAME_BYTES: usize = 100;
const MAX_CONDITION_CHARS: usize = 200;

/// A condition checked against the catalog.
#[derive(Clone, Debug)]
pub(super) enum CheckedCondition {
    Column(Box<ColumnTest>),
    Group(GroupKind, Vec<CheckedCondition>),
}

/// A test of one column.
#[derive(Clone, Debug)]
pub(super) struct ColumnTest {
    /// place in the catalog's list
    pub(super) index: usize,
    pub(super) column: Column,
    pub(super) test: CellTest,
    pub(super) operator: Operator,
    /// as written
    pub(super) value: String,
}

/// What a name stands for.
enum Target {
    Everything,
    /// a record's columns, among them the marker that it is there
    Record(Vec<usize>),
    Column(usize),
}

/// Which columns remain, and what is asked of them.
#[derive(Debug, Default)]
pub(super) struct CheckedRules {
    pub(super) columns: Vec<usize>,
    pub(super) dropped: Vec<usize>,
    /// each with the offset where it stands
    pub(super) conditions: Vec<(usize, CheckedCondition)>,
}

/// Checks the whole document; where anything is added to `flaws` the outcome is of no use.
pub(super) fn check(
    document: &RulesDocument<'_>,
    catalog: &Catalog,
    lines: &Lines<'_>,
    flaws: &mut Vec<OffsetDiagnostic>,
) -> CheckedRules {
    let mut checker =
        Checker { catalog, lines, flaws, selected: Vec::new(), dropped: Vec::new(), uncertain: document.uncertain };
    checker.selected = vec![None; catalog.columns.len()];
    checker.dropped = vec![None; catalog.columns.len()];
    checker.select(&document.select);
    checker.drop(&document.drop);
    let columns = checker.remaining(document);
    let mut conditions = Vec::new();
    for condition in &document.filter {
        conditions.extend(checker.condition(condition).map(|checked| (condition.at(), checked)));
    }
    let dropped = (0..catalog.columns.len()).filter(|index| checker.is_dropped(*index)).collect();
    CheckedRules { columns, dropped, conditions }
}

struct Checker<'a> {
    catalog: &'a Catalog,
    lines: &'a Lines<'a>,
    flaws: &'a mut Vec<OffsetDiagnostic>,
    /// by column: the offset of what selected it
    selected: Vec<Option<usize>>,
    /// by column: the offset of what dropped it
    dropped: Vec<Option<usize>>,
    uncertain: bool,
}

impl Checker<'_> {
    fn flaw(&mut self, at: usize, what: String) {
        if self.flaws.len() < MAX_DIAGNOSTICS {
            self.flaws.push(OffsetDiagnostic::new(at, what));
        }
    }

    fn is_dropped(&self, index: usize) -> bool {
        matches!((self.selected.get(index), self.dropped.get(index)), (Some(Some(_)), Some(Some(_))))
    }

    fn remains(&self, index: usize) -> bool {
        matches!((self.selected.get(index), self.dropped.get(index)), (Some(Some(_)), Some(None)))
    }

    fn select(&mut self, references: &[ColumnReference<'_>]) {
        for reference in references {
            let Some(columns) = self.columns_of(reference) else { continue };
            let mut first = None;
            let mut news = false;
            for index in columns {
                if let Some(place) = self.selected.get_mut(index) {
                    news |= place.is_none();
                    first = first.or(*place);
                    place.get_or_insert(reference.at);
                }
            }
            if let (false, Some(first)) = (news, first) {
                let line = self.lines.line(first);
                self.flaw(
                    reference.at,
                    format!("{} is already selected on line {line}: leave one out", reference.words()),
                );
            }
        }
    }

    fn drop(&mut self, references: &[ColumnReference<'_>]) {
        for reference in references {
            let Some(columns) = self.columns_of(reference) else { continue };
            let mut before = None;
            let mut news = false;
            for index in columns {
                if let (Some(Some(_)), Some(place)) = (self.selected.get(index), self.dropped.get_mut(index)) {
                    news |= place.is_none();
                    before = before.or(*place);
                    place.get_or_insert(reference.at);
                }
            }
            match (news, before) {
                (true, _) => {}
                (false, Some(before)) => {
                    let line = self.lines.line(before);
                    self.flaw(
                        reference.at,
                        format!("{} is already dropped on line {line}: leave one out", reference.words()),
                    );
                }
                (false, None) if self.uncertain => {}
                (false, None) => {
                    let what =
                        format!("{} is not selected, so there is nothing to drop: leave it out", reference.words());
                    self.flaw(reference.at, what);
                }
            }
        }
    }

    /// What remains, in the catalog's order. A record's marker goes with its fields, since without it a record of nulls and no record
    /// at all could not be told apart.
    fn remaining(&mut self, document: &RulesDocument<'_>) -> Vec<usize> {
        for record in &self.catalog.records {
            let below = format!("{}.", record.path);
            let marker = self.catalog.columns.iter().position(|column| column.field == record.path);
            let fields = self.catalog.columns.iter().enumerate().filter(|(_, column)| column.field.starts_with(&below));
            let field = fields.map(|(index, _)| index).find(|index| self.remains(*index));
            if let Some(marker) = marker {
                if let Some(place) = self.dropped.get_mut(marker) {
                    *place = None;
                }
                let origin = field.and_then(|field| self.selected.get(field).copied().flatten());
                if let Some(place) = self.selected.get_mut(marker) {
                    *place = origin;
                }
            }
        }
        let columns: Vec<usize> = (0..self.catalog.columns.len()).filter(|index| self.remains(*index)).collect();
        if let (true, false, Some(first)) = (columns.is_empty(), self.uncertain, document.drop.first()) {
            self.flaw(first.at, "every selected column is dropped: nothing would be left to send".to_owned());
        }
        columns
    }

    /// The columns that a name in `select` or `drop` stands for; after a flaw, `None`.
    fn columns_of(&mut self, reference: &ColumnReference<'_>) -> Option<Vec<usize>> {
        match self.target(reference)? {
            Target::Everything => Some((0..self.catalog.columns.len()).collect()),
            Target::Record(columns) => Some(columns),
            Target::Column(index) => Some(vec![index]),
        }
    }

    fn target(&mut self, reference: &ColumnReference<'_>) -> Option<Target> {
        if self.flaws.len() >= MAX_DIAGNOSTICS {
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
        if let Some(record) =
            self.catalog.records.iter().find(|record| record.path == dotted || record.prefix() == flat)
        {
            let below = format!("{}.", record.path);
            let within = |column: &Column| column.field == record.path || column.field.starts_with(&below);
            let columns = self.catalog.columns.iter().enumerate().filter(|(_, column)| within(column));
            return Some(Target::Record(columns.map(|(index, _)| index).collect()));
        }
        let by_field = || self.catalog.columns.iter().position(|column| subcol.is_some() && column.field == dotted);
        if let Some(index) = self.catalog.index_of(&flat).or_else(by_field) {
            return Some(Target::Column(index));
        }
        self.unknown(reference, &flat);
        None
    }

    fn unknown(&mut self, reference: &ColumnReference<'_>, flat: &str) {
        self.uncertain = true;
        let prefix = format!("{}_", reference.name.value);
        let at = match &reference.subcol {
            Some(subcol) if self.catalog.columns.iter().any(|column| column.name.starts_with(&prefix)) => {
                subcol.value_at
            }
            _ => reference.name.value_at,
        };
        let what = match reference.subcol.as_ref().map_or(&reference.name, |subcol| subcol) {
            last if last.value.is_empty() => {
                format!("the attribute {} is empty: write a name or leave it out", last.name)
            }
            _ if flat.len() > MAX_COMPARED_NAME_BYTES || flat.contains(char::is_control) => {
                format!("there is no column {}", quoted(flat))
            }
            _ => {
                let structs: Vec<String> = self.catalog.records.iter().map(|record| record.prefix()).collect();
                let columns = self.catalog.columns.iter().map(|column| column.name.as_str());
                let known = structs.iter().map(String::as_str).chain(columns);
                let similar = similar_names(flat, known);
                match similar.first().filter(|name| structs.iter().any(|known| known == *name)) {
                    Some(name) => format!("there is no column {}: did you mean the struct `{name}`?", quoted(flat)),
                    None => self.catalog.unknown(flat),
                }
            }
        };
        self.flaw(at, what);
    }

    fn condition(&mut self, condition: &Condition<'_>) -> Option<CheckedCondition> {
        match condition {
            Condition::Group { kind, members, .. } => {
                let members = members.iter().filter_map(|member| self.condition(member)).collect();
                Some(CheckedCondition::Group(*kind, members))
            }
            Condition::Column { reference, operator, operator_at, value } => {
                let index = self.filtered(reference)?;
                let column = self.catalog.columns.get(index)?;
                let written = value.as_ref().map(|value| value.value.trim());
                match literal::test(column, *operator, written) {
                    Ok(test) => {
                        let (column, value) = (column.clone(), written.unwrap_or_default().to_owned());
                        Some(CheckedCondition::Column(Box::new(ColumnTest {
                            index,
                            column,
                            test,
                            operator: *operator,
                            value,
                        })))
                    }
                    Err(what) => {
                        self.flaw(value.as_ref().map_or(*operator_at, |value| value.value_at), what);
                        None
                    }
                }
            }
        }
    }

    /// The one column that a condition asks; it must be among those that remain.
    fn filtered(&mut self, reference: &ColumnReference<'_>) -> Option<usize> {
        let index = match self.target(reference)? {
            Target::Column(index) => index,
            Target::Everything => {
                self.flaw(reference.name.value_at, "a condition asks one column: name it".to_owned());
                return None;
            }
            Target::Record(_) => {
                let what = format!("{} is a struct, and a condition asks one column: add subcol", reference.words());
                self.flaw(reference.at, what);
                return None;
            }
        };
        if !self.remains(index) && !self.uncertain {
            let what = match self.dropped.get(index).copied().flatten() {
                Some(at) => format!("{} is dropped on line {}", reference.words(), self.lines.line(at)),
                None => format!("{} is not selected", reference.words()),
            };
            self.flaw(
                reference.name.value_at,
                format!("{what}: conditions may only use columns that remain after select and drop"),
            );
        }
        Some(index)
    }
}

impl ColumnReference<'_> {
    /// The name for a message.
    fn words(&self) -> String {
        match &self.subcol {
            None => quoted(&self.name.value),
            Some(subcol) => quoted(&format!("{}.{}", self.name.value, subcol.value)),
        }
    }
}

impl Condition<'_> {
    /// The offset of its element.
    fn at(&self) -> usize {
        match self {
            Self::Column { reference, .. } => reference.at,
            Self::Group { at, .. } => *at,
        }
    }
}

impl CheckedCondition {
    /// As a line of text: `candidate_magpsf > 16`.
    pub(super) fn text(&self) -> String {
        let text = match self {
            Self::Column(leaf) if leaf.value.is_empty() => format!("{} {}", leaf.column.name, leaf.operator.spelling()),
            Self::Column(leaf) => format!("{} {} {}", leaf.column.name, leaf.operator.spelling(), leaf.value),
            Self::Group(kind, members) => {
                let members: Vec<String> = members.iter().map(Self::text).collect();
                let word = match kind {
                    GroupKind::All => "all",
                    GroupKind::Any => "any",
                    GroupKind::Not => "not",
                };
                format!("{word}({})", members.join("; "))
            }
        };
        truncated(&text, MAX_CONDITION_CHARS)
    }

    /// Adds the columns that it asks.
    pub(super) fn columns(&self, list: &mut Vec<usize>) {
        match self {
            Self::Column(leaf) => list.push(leaf.index),
            Self::Group(_, members) => members.iter().for_each(|member| member.columns(list)),
        }
    }
}

//! A rules file explained in words.

use std::fmt;

use super::Rules;
use super::check::{CheckedCondition, ColumnTest};
use super::diagnostic::truncated;
use super::operator::{Operator, Relation};
use super::parse::GroupKind;
use crate::catalog::{Catalog, Column};

/// The meaning of rules in words, as a text of several lines.
pub struct Explanation<'a> {
    rules: &'a Rules,
    catalog: &'a Catalog,
}

impl Rules {
    /// The meaning of the rules in words. `catalog` must be the one that they were checked against.
    pub fn explain<'a>(&'a self, catalog: &'a Catalog) -> Explanation<'a> {
        Explanation { rules: self, catalog }
    }

    /// The columns that were selected and then dropped, as indexes into the catalog's list, ascending.
    pub fn dropped(&self) -> &[usize] {
        &self.dropped
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.catalog.columns.len();
        if self.rules.is_everything() {
            return writeln!(f, "The file is empty: every alert is sent, with all {all} columns.");
        }
        writeln!(f, "An alert is sent with {} of the {all} columns:", self.rules.columns().len())?;
        for column in self.columns(self.rules.columns()) {
            writeln!(f, "  {} ({})", column.name, column.kind.name())?;
        }
        if !self.rules.dropped().is_empty() {
            let names: Vec<&str> = self.columns(self.rules.dropped()).map(|column| column.name.as_str()).collect();
            writeln!(f, "Selected and then dropped: {}.", names.join(", "))?;
        }
        match self.rules.checked.len() {
            0 => writeln!(f, "There is no condition: every alert is sent."),
            1 => writeln!(f, "It is sent if this holds:"),
            _ => writeln!(f, "It is sent if all of these hold:"),
        }?;
        for (condition, checked) in self.rules.conditions.iter().zip(&self.rules.checked) {
            write!(f, "  line {}: ", condition.line)?;
            write_condition(checked, 2, f)?;
        }
        match self.rules.checked.is_empty() {
            true => Ok(()),
            false => {
                writeln!(f, "A comparison with a column that has no value does not hold; with NaN only != holds.")
            }
        }
    }
}

impl<'a> Explanation<'a> {
    fn columns(&self, indexes: &'a [usize]) -> impl Iterator<Item = &'a Column> {
        let columns: &'a [Column] = &self.catalog.columns;
        indexes.iter().filter_map(move |index| columns.get(*index))
    }
}

/// Writes one condition. The members of a group follow on lines of their own, indented.
fn write_condition(condition: &CheckedCondition, indent: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match condition {
        CheckedCondition::Column(leaf) => writeln!(f, "{}", sentence(leaf)),
        CheckedCondition::Group(kind, members) => {
            let head = match kind {
                GroupKind::All => "all of these hold:",
                GroupKind::Any => "at least one of these holds:",
                GroupKind::Not => "this does not hold:",
            };
            writeln!(f, "{head}")?;
            for member in members {
                write!(f, "{:1$}- ", "", indent + 2)?;
                write_condition(member, indent + 2, f)?;
            }
            Ok(())
        }
    }
}

fn sentence(leaf: &ColumnTest) -> String {
    let verb = match leaf.operator {
        Operator::Compare(Relation::Less) => "is below",
        Operator::Compare(Relation::LessOrEqual) => "is at most",
        Operator::Compare(Relation::Equal) => "is",
        Operator::Compare(Relation::NotEqual) => "has a value other than",
        Operator::Compare(Relation::GreaterOrEqual) => "is at least",
        Operator::Compare(Relation::Greater) => "is above",
        Operator::In => "is one of",
        Operator::Between => "is within, bounds included,",
        Operator::Null { wanted: true } => "has no value",
        Operator::Null { wanted: false } => "has a value",
        Operator::Nan { wanted: true } => "is NaN",
        Operator::Nan { wanted: false } => "has a value other than NaN",
    };
    let value = truncated(&leaf.value, usize::MAX);
    format!("{} {verb} {value}", leaf.column.name).trim_end().to_owned()
}

//! Rules at work on cells.

use super::check::{CheckedCondition, ColumnTest};
use super::comparison::CellTest;
use super::parse::GroupKind;
use crate::catalog::{Column, ColumnLocation, ColumnType};
use crate::science_db::{Columns, Row};

/// What the rules say of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// every condition holds
    Kept,
    /// the first condition that does not hold, by its place in [`Rules::conditions`](super::Rules::conditions)
    Refused(usize),
}

/// A column that the rules ask for is not among those read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rules ask for column {column}, which is not read from the science database")]
pub struct NotRead {
    /// the column's name
    pub column: String,
}

/// A cell that is not what the catalog says, so that the rules cannot judge the row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: column {column} is {kind} in the catalog, but {found}")]
pub struct InvalidCell {
    /// the row's key, bytes other than printable ASCII escaped
    pub row: String,
    /// the column's name
    pub column: String,
    /// the catalog's type
    pub kind: &'static str,
    /// what is there instead
    pub found: String,
}

/// The conditions of a rules file, made ready for rows with certain slots. It holds no state: threads may share it.
#[derive(Clone, Debug)]
pub struct BoundRules {
    conditions: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Test(Box<BoundTest>),
    Group(GroupKind, Vec<Node>),
}

#[derive(Clone, Debug)]
struct BoundTest {
    source: Source,
    test: CellTest,
    column: Column,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// a cell
    Slot(usize),
    /// the row key as a whole, in the column's encoding
    Key,
    /// one of `parts` text parts of the row key, ended by `_`; the last takes the rest, and one that is empty is null
    KeyPart { part: usize, parts: usize },
}

impl BoundRules {
    /// The conditions for rows read with `columns`, in a table whose key has `parts` parts.
    pub(super) fn new(conditions: &[CheckedCondition], columns: &Columns, parts: usize) -> Result<Self, NotRead> {
        Ok(Self { conditions: conditions.iter().map(|c| Node::new(c, columns, parts)).collect::<Result<_, _>>()? })
    }

    /// Whether every condition holds for `row`, which must have been read with the columns that the judge was made for.
    ///
    /// # Errors
    /// A cell that a condition looks at is not of the catalog's type.
    pub fn matches(&self, row: &Row<'_>) -> Result<bool, InvalidCell> {
        Ok(self.evaluate(row)? == RuleOutcome::Kept)
    }

    /// As [`matches`](Self::matches), and which condition refused. Conditions are tried in the order of the file up to the first that fails.
    ///
    /// # Errors
    /// A cell that a condition looks at is not of the catalog's type.
    pub fn evaluate(&self, row: &Row<'_>) -> Result<RuleOutcome, InvalidCell> {
        for (index, condition) in self.conditions.iter().enumerate() {
            if !condition.holds(row)? {
                return Ok(RuleOutcome::Refused(index));
            }
        }
        Ok(RuleOutcome::Kept)
    }
}

impl Node {
    fn new(condition: &CheckedCondition, columns: &Columns, parts: usize) -> Result<Self, NotRead> {
        Ok(match condition {
            CheckedCondition::Column(leaf) => Self::Test(Box::new(BoundTest::new(leaf, columns, parts)?)),
            CheckedCondition::Group(kind, members) => {
                Self::Group(*kind, members.iter().map(|m| Self::new(m, columns, parts)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn holds(&self, row: &Row<'_>) -> Result<bool, InvalidCell> {
        let (group, members) = match self {
            Self::Test(ready) => return ready.holds(row),
            Self::Group(group, members) => (group, members),
        };
        for member in members {
            match (group, member.holds(row)?) {
                (GroupKind::All, false) | (GroupKind::Not, true) => return Ok(false),
                (GroupKind::Any, true) => return Ok(true),
                _ => {}
            }
        }
        Ok(*group != GroupKind::Any)
    }
}

impl BoundTest {
    fn new(leaf: &ColumnTest, columns: &Columns, parts: usize) -> Result<Self, NotRead> {
        let source = match &leaf.column.location {
            ColumnLocation::RowKey { .. } if parts == 1 => Source::Key,
            ColumnLocation::RowKey { part } => Source::KeyPart { part: *part, parts },
            ColumnLocation::Cell { family, qualifier } => columns
                .slot(family.as_bytes(), qualifier.as_bytes(), &mut 0)
                .map(Source::Slot)
                .ok_or_else(|| NotRead { column: leaf.column.name.clone() })?,
        };
        Ok(Self { source, test: leaf.test.clone(), column: leaf.column.clone() })
    }

    fn holds(&self, row: &Row<'_>) -> Result<bool, InvalidCell> {
        let bytes = match self.source {
            Source::Slot(slot) => row.cell(slot).map(|cell| cell.value),
            Source::Key => Some(row.key),
            Source::KeyPart { part, parts } => {
                let part = row.key.splitn(parts, |byte| *byte == b'_').nth(part);
                let part = part.ok_or_else(|| self.bad(row, "the row key has too few parts".to_owned()))?;
                Some(part).filter(|part| !part.is_empty())
            }
        };
        let bytes = match (&self.test, bytes) {
            (CellTest::Null { wanted }, bytes) => return Ok(bytes.is_none() == *wanted),
            (_, None) => return Ok(false),
            (_, Some(bytes)) => bytes,
        };
        let held = match self.source {
            Source::KeyPart { .. } => self.test.holds_of_text(bytes),
            Source::Slot(_) | Source::Key => self.test.holds_of_cell(bytes, &self.column.kind),
        };
        held.ok_or_else(|| self.bad_value(row, bytes))
    }

    fn bad_value(&self, row: &Row<'_>, bytes: &[u8]) -> InvalidCell {
        let found = match (self.source, self.column.kind.width()) {
            (Source::KeyPart { .. }, _) => format!("its part of the key is `{}`", bytes.escape_ascii()),
            (_, Some(width)) => format!("its cell has {} bytes instead of {width}", bytes.len()),
            (_, None) => "its cell cannot be read so".to_owned(),
        };
        self.bad(row, found)
    }

    fn bad(&self, row: &Row<'_>, found: String) -> InvalidCell {
        let row = format!("`{}`", row.key.escape_ascii());
        InvalidCell { row, column: format!("`{}`", self.column.name), kind: self.column.kind.name(), found }
    }
}

impl CellTest {
    /// Whether the cell `bytes` of type `kind` passes; `None`: they are not of this type.
    fn holds_of_cell(&self, bytes: &[u8], kind: &ColumnType) -> Option<bool> {
        match self {
            Self::Null { wanted } => Some(!*wanted),
            Self::Boolean { wanted } => bytes.try_into().ok().map(|[byte]: [u8; 1]| (byte != 0) == *wanted),
            Self::Text(_) => Some(self.holds_of_bytes(bytes)),
            Self::Integer(_) => match kind {
                ColumnType::Byte => bytes.try_into().ok().map(|b| i64::from(i8::from_be_bytes(b))),
                ColumnType::Short => bytes.try_into().ok().map(|b| i64::from(i16::from_be_bytes(b))),
                ColumnType::Int => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
                _ => bytes.try_into().ok().map(i64::from_be_bytes),
            }
            .map(|number| self.holds_of_integer(number)),
            Self::Nan { .. } | Self::Float(_) | Self::Double(_) => match kind {
                ColumnType::Float => bytes.try_into().ok().map(|b| self.holds_of_float(f32::from_be_bytes(b))),
                _ => bytes.try_into().ok().map(|b| self.holds_of_double(f64::from_be_bytes(b))),
            },
        }
    }

    /// Whether a number written as text, or text, passes; `None`: it is no such number.
    fn holds_of_text(&self, bytes: &[u8]) -> Option<bool> {
        let text = || std::str::from_utf8(bytes).ok();
        match self {
            Self::Null { wanted } => Some(!*wanted),
            Self::Boolean { .. } => None,
            Self::Text(_) => Some(self.holds_of_bytes(bytes)),
            Self::Integer(_) => text()?.parse().ok().map(|number| self.holds_of_integer(number)),
            Self::Float(_) => text()?.parse().ok().map(|number| self.holds_of_float(number)),
            Self::Nan { .. } | Self::Double(_) => text()?.parse().ok().map(|number| self.holds_of_double(number)),
        }
    }

    fn holds_of_integer(&self, number: i64) -> bool {
        matches!(self, Self::Integer(comparison) if comparison.holds(|own| Some(own.cmp(&number))))
    }

    fn holds_of_float(&self, number: f32) -> bool {
        match self {
            Self::Nan { wanted } => number.is_nan() == *wanted,
            Self::Float(comparison) => comparison.holds(|own| own.partial_cmp(&number)),
            _ => false,
        }
    }

    fn holds_of_double(&self, number: f64) -> bool {
        match self {
            Self::Nan { wanted } => number.is_nan() == *wanted,
            Self::Double(comparison) => comparison.holds(|own| own.partial_cmp(&number)),
            _ => false,
        }
    }

    fn holds_of_bytes(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Text(comparison) if comparison.holds(|own| Some((**own).cmp(bytes))))
    }
}

//! Rules at work on cells.

use super::check::{CheckedCondition, ColumnTest};
use super::comparison::CellTest;
use super::parse::GroupKind;
use crate::catalog::{Column, ColumnType};
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

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
    source: BoundColumn,
    test: CellTest,
    column: Column,
}

impl BoundRules {
    /// The conditions for rows read with `columns`, in a table whose key has `parts` parts.
    pub(super) fn new(conditions: &[CheckedCondition], columns: &Columns, parts: usize) -> Result<Self, ColumnNotRead> {
        Ok(Self { conditions: conditions.iter().map(|c| Node::new(c, columns, parts)).collect::<Result<_, _>>()? })
    }

    /// The index in [`Rules::conditions`](super::Rules::conditions) of the first condition that does not hold for `row`; `None` if the
    /// row passes. The row must have been read with the columns that the rules are bound to.
    ///
    /// # Errors
    /// A cell that a condition looks at is not of the catalog's type. Conditions after the first that does not hold are not evaluated.
    pub fn refused_by(&self, row: &Row<'_>) -> Result<Option<usize>, InvalidCell> {
        for (index, condition) in self.conditions.iter().enumerate() {
            if !condition.holds(row)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

impl Node {
    fn new(condition: &CheckedCondition, columns: &Columns, parts: usize) -> Result<Self, ColumnNotRead> {
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
    fn new(test: &ColumnTest, columns: &Columns, key_parts: usize) -> Result<Self, ColumnNotRead> {
        let source = BoundColumn::new(&test.column, key_parts, columns)?;
        Ok(Self { source, test: test.test.clone(), column: test.column.clone() })
    }

    fn holds(&self, row: &Row<'_>) -> Result<bool, InvalidCell> {
        let mut scratch = [0; 8];
        let cell = self.source.bytes(row, &mut scratch).map_err(|error| self.invalid(row, error.to_string()))?;
        match (&self.test, cell) {
            (CellTest::Null { wanted }, cell) => Ok(cell.is_none() == *wanted),
            (_, None) => Ok(false),
            (test, Some(cell)) => test.holds(cell, &self.column.kind).ok_or_else(|| {
                let found = match self.column.kind.width() {
                    Some(width) => format!("its cell has {} bytes instead of {width}", cell.len()),
                    None => "its cell cannot be read as that type".to_owned(),
                };
                self.invalid(row, found)
            }),
        }
    }

    fn invalid(&self, row: &Row<'_>, found: String) -> InvalidCell {
        let row = format!("`{}`", row.key.escape_ascii());
        InvalidCell { row, column: format!("`{}`", self.column.name), kind: self.column.kind.name(), found }
    }
}

impl CellTest {
    /// Whether the cell `bytes` of type `kind` passes; `None`: they are not of this type.
    fn holds(&self, bytes: &[u8], kind: &ColumnType) -> Option<bool> {
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

//! Rules bound to the columns of a read: the evaluation of conditions on rows.

use super::cell_test::CellTest;
use super::check::{CheckedCondition, ColumnTest};
use super::parse::GroupKind;
use crate::catalog::Column;
use crate::row::{BoundColumn, ColumnNotRead, Columns, Row};

/// A cell that is not of the type in the catalog, so that the rules cannot be evaluated on its row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row `{row_key}`: column `{column}` is {kind} in the catalog, but {found}")]
pub struct InvalidCell {
    /// row key; bytes other than printable ASCII are escaped
    pub row_key: String,
    pub column: String,
    /// type in the catalog
    pub kind: &'static str,
    /// what was found instead
    pub found: String,
}

/// The conditions of a rules file, bound to the columns of a read. Stateless: threads may share it.
#[derive(Clone, Debug)]
pub struct BoundRules {
    conditions: Vec<BoundCondition>,
}

#[derive(Clone, Debug)]
enum BoundCondition {
    Column(Box<BoundTest>),
    Group(GroupKind, Vec<BoundCondition>),
}

#[derive(Clone, Debug)]
struct BoundTest {
    source: BoundColumn,
    test: CellTest,
    column: Column,
}

impl BoundRules {
    /// Binds `conditions` to `columns`, in a table whose row key has `key_parts` columns.
    pub(super) fn new(
        conditions: &[CheckedCondition],
        columns: &Columns,
        key_parts: usize,
    ) -> Result<Self, ColumnNotRead> {
        Ok(Self { conditions: bind_all(conditions, columns, key_parts)? })
    }

    /// The index in [`Rules::conditions`](super::Rules::conditions) of the first condition that does not hold for `row`; `None` if the
    /// row passes. The row must have been read with the columns that the rules are bound to.
    ///
    /// # Errors
    /// A cell that a condition tests is not of the type in the catalog. Conditions after the first that does not hold are not evaluated.
    pub fn refused_by(&self, row: &Row<'_>) -> Result<Option<usize>, InvalidCell> {
        for (index, condition) in self.conditions.iter().enumerate() {
            if !condition.holds(row)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

fn bind_all(
    conditions: &[CheckedCondition],
    columns: &Columns,
    key_parts: usize,
) -> Result<Vec<BoundCondition>, ColumnNotRead> {
    let bind = |condition: &CheckedCondition| {
        Ok(match condition {
            CheckedCondition::Column(test) => {
                BoundCondition::Column(Box::new(BoundTest::new(test, columns, key_parts)?))
            }
            CheckedCondition::Group(kind, members) => {
                BoundCondition::Group(*kind, bind_all(members, columns, key_parts)?)
            }
        })
    };
    conditions.iter().map(bind).collect()
}

impl BoundCondition {
    fn holds(&self, row: &Row<'_>) -> Result<bool, InvalidCell> {
        let (kind, members) = match self {
            Self::Column(test) => return test.holds(row),
            Self::Group(kind, members) => (kind, members),
        };
        for member in members {
            match (kind, member.holds(row)?) {
                (GroupKind::All, false) | (GroupKind::Not, true) => return Ok(false),
                (GroupKind::Any, true) => return Ok(true),
                _ => {}
            }
        }
        Ok(*kind != GroupKind::Any)
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
                    None => "its cell is of another type".to_owned(),
                };
                self.invalid(row, found)
            }),
        }
    }

    fn invalid(&self, row: &Row<'_>, found: String) -> InvalidCell {
        let row_key = row.key.escape_ascii().to_string();
        InvalidCell { row_key, column: self.column.name.clone(), kind: self.column.kind.name(), found }
    }
}

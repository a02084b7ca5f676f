//! The test of one cell by one condition.

use std::cmp::Ordering;

use super::operator::Relation;
use crate::catalog::ColumnType;

/// A test with values in the type of the column. For a null, only `Null` can hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CellTest {
    /// whether the column is null
    Null {
        wanted: bool,
    },
    /// whether the number is NaN
    Nan {
        wanted: bool,
    },
    /// the value of a boolean
    Boolean {
        wanted: bool,
    },
    /// byte, short, int or long
    Integer(Comparison<i64>),
    Float(Comparison<f32>),
    Double(Comparison<f64>),
    /// UTF-8, ordered by bytes, which is the order of code points
    Text(Comparison<Box<[u8]>>),
}

/// The values of a rule. None of them is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison<T> {
    Relation(Relation, T),
    /// one of these, ascending
    In(Box<[T]>),
    /// bounds included
    Between(T, T),
}

impl<T: PartialOrd> Comparison<T> {
    pub(super) fn is_in(mut values: Vec<T>) -> Self {
        values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        Self::In(values.into_boxed_slice())
    }

    /// Whether the comparison holds for a cell; `order` compares a value of the rule to that cell.
    fn holds(&self, order: impl Fn(&T) -> Option<Ordering>) -> bool {
        match self {
            Self::Relation(relation, own) => relation.holds(order(own).map(Ordering::reverse)),
            // Only a NaN cell has no order. Calling it greater than every value makes the search fail.
            Self::In(list) => list.binary_search_by(|own| order(own).unwrap_or(Ordering::Greater)).is_ok(),
            Self::Between(low, high) => {
                order(low).is_some_and(Ordering::is_le) && order(high).is_some_and(Ordering::is_ge)
            }
        }
    }
}

impl CellTest {
    /// Whether the test holds for a cell of a column of type `kind`; `None` if the cell is not of this type.
    pub(super) fn holds(&self, cell: &[u8], kind: &ColumnType) -> Option<bool> {
        Some(match self {
            Self::Null { wanted } => !*wanted,
            Self::Nan { wanted } => {
                let is_nan = match kind {
                    ColumnType::Float => f32::from_be_bytes(cell.try_into().ok()?).is_nan(),
                    _ => f64::from_be_bytes(cell.try_into().ok()?).is_nan(),
                };
                is_nan == *wanted
            }
            Self::Boolean { wanted } => (u8::from_be_bytes(cell.try_into().ok()?) != 0) == *wanted,
            Self::Integer(comparison) => {
                let number = match kind {
                    ColumnType::Byte => i8::from_be_bytes(cell.try_into().ok()?).into(),
                    ColumnType::Short => i16::from_be_bytes(cell.try_into().ok()?).into(),
                    ColumnType::Int => i32::from_be_bytes(cell.try_into().ok()?).into(),
                    _ => i64::from_be_bytes(cell.try_into().ok()?),
                };
                comparison.holds(|own| Some(own.cmp(&number)))
            }
            Self::Float(comparison) => {
                let number = f32::from_be_bytes(cell.try_into().ok()?);
                comparison.holds(|own| own.partial_cmp(&number))
            }
            Self::Double(comparison) => {
                let number = f64::from_be_bytes(cell.try_into().ok()?);
                comparison.holds(|own| own.partial_cmp(&number))
            }
            Self::Text(comparison) => comparison.holds(|own| Some((**own).cmp(cell))),
        })
    }
}

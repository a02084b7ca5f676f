//! What one condition asks of one cell.

use super::operator::Relation;
use std::cmp::Ordering;

/// A condition on a column, its values in the column's type. A cell that is not there satisfies only `Null`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CellTest {
    /// whether there is no cell
    Null {
        wanted: bool,
    },
    /// whether the number is NaN
    Nan {
        wanted: bool,
    },
    /// the boolean asked for
    Boolean {
        wanted: bool,
    },
    /// byte, short, int and long
    Integer(Comparison<i64>),
    Float(Comparison<f32>),
    Double(Comparison<f64>),
    /// UTF-8, ordered by its bytes, which is the order of code points
    Text(Comparison<Box<[u8]>>),
}

/// Values to compare with; none of them is NaN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison<T> {
    Relation(Relation, T),
    /// ascending
    Among(Box<[T]>),
    /// both ends belong to it
    Between(T, T),
}

impl<T: PartialOrd> Comparison<T> {
    /// One of `values`.
    pub(super) fn among(mut values: Vec<T>) -> Self {
        values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        Self::Among(values.into_boxed_slice())
    }

    /// Whether a value satisfies it, given how each of the rule's own values stands to that value.
    pub(super) fn holds(&self, order: impl Fn(&T) -> Option<Ordering>) -> bool {
        match self {
            Self::Relation(relation, own) => relation.holds(order(own).map(Ordering::reverse)),
            Self::Among(list) => list.binary_search_by(|own| order(own).unwrap_or(Ordering::Greater)).is_ok(),
            Self::Between(low, high) => {
                order(low).is_some_and(Ordering::is_le) && order(high).is_some_and(Ordering::is_ge)
            }
        }
    }
}

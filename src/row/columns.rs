//! The columns of a read.

use crate::catalog::Column;

/// The columns that a read requests. The *slot* of a column is its index in this list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<(String, String)>,
    /// slots, ascending by (family, qualifier)
    sorted: Vec<u32>,
    /// slots that have no cells and are not asked for, ascending
    left_out: Vec<u32>,
}

impl Columns {
    /// Columns as (family, qualifier), without duplicates. Slots follow the order of `names`.
    pub fn new(names: Vec<(String, String)>) -> Self {
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        Self { names, sorted, left_out: Vec::new() }
    }

    /// The same columns, of which those of some families are not asked for: they have no cells.
    #[must_use]
    pub fn without(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let families = self.names.iter().zip(0..);
        let left_out = families.filter(|((family, _), _)| is_left_out(family)).map(|(_, slot)| slot).collect();
        Self { left_out, ..self.clone() }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// (family, qualifier), by slot.
    pub fn names(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.names.iter().map(|(family, qualifier)| (family.as_str(), qualifier.as_str()))
    }

    /// (family, qualifier) of the columns that a store is asked for.
    pub fn requested(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names().zip(0..).filter(|(_, slot)| self.left_out.binary_search(slot).is_err()).map(|(name, _)| name)
    }

    /// The slot of a column, or `None` if the read does not include it.
    ///
    /// Stores return the cells of a row in ascending order. With `hint` set to 0 at the start of each row and passed to every call, a
    /// lookup is one comparison for each cell that follows its predecessor without a gap, and a binary search for the others.
    pub fn slot(&self, family: &[u8], qualifier: &[u8], hint: &mut usize) -> Option<usize> {
        let compare = |slot: &u32| {
            let (f, q) = &self.names[*slot as usize];
            f.as_bytes().cmp(family).then_with(|| q.as_bytes().cmp(qualifier))
        };
        let at = match self.sorted.get(*hint) {
            Some(slot) if compare(slot).is_eq() => *hint,
            _ => self.sorted.binary_search_by(compare).ok()?,
        };
        *hint = at + 1;
        Some(self.sorted[at] as usize)
    }
}

impl<'a> FromIterator<&'a Column> for Columns {
    /// The columns that have cells. Columns that are read from the row key are skipped.
    fn from_iter<I: IntoIterator<Item = &'a Column>>(columns: I) -> Self {
        let names = columns.into_iter().filter_map(Column::family_and_qualifier);
        Self::new(names.map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, &str)]) -> Columns {
        Columns::new(names.iter().map(|(f, q)| ((*f).to_owned(), (*q).to_owned())).collect())
    }

    #[test]
    fn slots_follow_the_callers_order_whatever_order_cells_come_in() {
        let columns = columns(&[("i", "b"), ("d", "z"), ("i", "a")]);
        let mut hint = 0;
        for (family, qualifier, slot) in [("d", "z", 1), ("i", "a", 2), ("i", "b", 0), ("d", "z", 1), ("i", "b", 0)] {
            assert_eq!(columns.slot(family.as_bytes(), qualifier.as_bytes(), &mut hint), Some(slot));
        }
        assert_eq!(columns.slot(b"d", b"a", &mut hint), None);
        assert_eq!(columns.slot(b"i", b"", &mut hint), None);
        assert_eq!(columns.slot(b"i", b"a", &mut hint), Some(2));
    }
}

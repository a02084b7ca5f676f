//! Whether to ask HBase for columns one by one or for the whole of their families.
//!
//! HBase picks many named columns out of a row more slowly than it hands out all of them: measured with 165 columns, 46 kB a row, 0.15 ms
//! of the region server's CPU a row against 0.08 ms. But what nobody asked for must then be moved. So wide reads ask for whole families, until an
//! answer shows that too much of it was not wanted.

use super::decode::Taken;
use crate::science_db::row::Columns;

/// With fewer columns than this, naming them is cheaper.
const WIDE: usize = 32;
/// Unwanted bytes may be one part in this many of the wanted ones.
const UNWANTED: usize = 4;

/// What a session has learnt about the columns that it last read many of.
#[derive(Debug, Default)]
pub struct Breadth {
    columns: Option<Columns>,
    too_much: bool,
    asked_whole: bool,
}

impl Breadth {
    /// Whether to ask for the whole families of `columns`.
    pub fn is_whole(&mut self, columns: &Columns) -> bool {
        let wide = columns.len() >= WIDE;
        if wide && self.columns.as_ref() != Some(columns) {
            self.columns = Some(columns.clone());
            self.too_much = false;
        }
        self.asked_whole = wide && !self.too_much;
        self.asked_whole
    }

    /// Learns from the answer to what was asked last.
    pub fn learn(&mut self, taken: &Taken) {
        if self.asked_whole && taken.unwanted > taken.wanted / UNWANTED {
            self.too_much = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(count: usize) -> Columns {
        Columns::new((0..count).map(|n| (String::from("i"), n.to_string())).collect())
    }

    #[test]
    fn wide_reads_take_whole_families_until_too_much_is_unwanted() {
        let mut breadth = Breadth::default();
        assert!(!breadth.is_whole(&columns(1)));
        assert!(breadth.is_whole(&columns(100)));
        breadth.learn(&Taken { wanted: 1000, unwanted: 100, ..Taken::default() });
        assert!(breadth.is_whole(&columns(100)));
        breadth.learn(&Taken { wanted: 1000, unwanted: 900, ..Taken::default() });
        assert!(!breadth.is_whole(&columns(100)));
        breadth.learn(&Taken { wanted: 1000, unwanted: 0, ..Taken::default() });
        assert!(!breadth.is_whole(&columns(1)));
        assert!(!breadth.is_whole(&columns(100)), "the narrow read in between has changed nothing");
        assert!(breadth.is_whole(&columns(99)));
    }
}

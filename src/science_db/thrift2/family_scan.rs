//! Whether to ask HBase for columns one by one or for the whole of their families.
//!
//! HBase picks many named columns out of a row more slowly than it hands out all of them: measured with 165 columns, 46 kB a row, 0.15 ms
//! of the region server's CPU a row against 0.08 ms. But what nobody asked for must then be moved. So wide reads ask for whole families, until an
//! answer shows that too much of it was not wanted.

use super::decode::ReadSummary;
use crate::row::Columns;

/// With fewer columns than this, naming them is cheaper.
const MIN_COLUMNS: usize = 32;
/// Unwanted bytes may be one part in this many of the wanted ones.
const MAX_UNWANTED_PART: usize = 4;

/// What a session has learnt about the columns that it last read many of.
#[derive(Debug, Default)]
pub struct FamilyScan {
    columns: Option<Columns>,
    is_wasteful: bool,
    read_families: bool,
}

impl FamilyScan {
    /// Whether to ask for the whole families of `columns`.
    pub fn reads_families(&mut self, columns: &Columns) -> bool {
        let wide = columns.len() >= MIN_COLUMNS;
        if wide && self.columns.as_ref() != Some(columns) {
            self.columns = Some(columns.clone());
            self.is_wasteful = false;
        }
        self.read_families = wide && !self.is_wasteful;
        self.read_families
    }

    /// Learns from the answer to what was asked last.
    pub fn observe(&mut self, summary: &ReadSummary) {
        if self.read_families && summary.unwanted > summary.wanted / MAX_UNWANTED_PART {
            self.is_wasteful = true;
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
        let mut family_scan = FamilyScan::default();
        assert!(!family_scan.reads_families(&columns(1)));
        assert!(family_scan.reads_families(&columns(100)));
        family_scan.observe(&ReadSummary { wanted: 1000, unwanted: 100, ..ReadSummary::default() });
        assert!(family_scan.reads_families(&columns(100)));
        family_scan.observe(&ReadSummary { wanted: 1000, unwanted: 900, ..ReadSummary::default() });
        assert!(!family_scan.reads_families(&columns(100)));
        family_scan.observe(&ReadSummary { wanted: 1000, unwanted: 0, ..ReadSummary::default() });
        assert!(!family_scan.reads_families(&columns(1)));
        assert!(!family_scan.reads_families(&columns(100)), "the narrow read in between has changed nothing");
        assert!(family_scan.reads_families(&columns(99)));
    }
}

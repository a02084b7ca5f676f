//! Whether to ask HBase for single columns or for whole column families.
//!
//! HBase picks many named columns out of a row more slowly than it returns all columns: measured with 165 columns and 46 kB a row, 0.15 ms of
//! the region server's CPU a row against 0.08 ms. But then the columns that were not asked for cross the network too. So reads of many
//! columns ask for whole families, until a reply shows that too much of it was not wanted.

use crate::row::Columns;

/// Number of columns from which on whole families are cheaper.
const MIN_COLUMNS: usize = 32;
/// Whole families are wasteful when their unwanted bytes exceed the wanted bytes divided by this.
const MAX_UNWANTED_PART: usize = 4;

/// What a session has learnt about the last set of many columns that it read.
#[derive(Debug, Default)]
pub(crate) struct FamilyScan {
    columns: Option<Columns>,
    is_wasteful: bool,
    read_families: bool,
}

impl FamilyScan {
    /// Whether to ask for the whole families of `columns`.
    pub(crate) fn reads_families(&mut self, columns: &Columns) -> bool {
        let is_wide = columns.len() >= MIN_COLUMNS;
        if is_wide && self.columns.as_ref() != Some(columns) {
            self.columns = Some(columns.clone());
            self.is_wasteful = false;
        }
        self.read_families = is_wide && !self.is_wasteful;
        self.read_families
    }

    /// Learns from the response to the last read: the bytes in the values of the columns that were asked for, and of other columns.
    pub(crate) fn observe(&mut self, wanted_bytes: usize, unwanted_bytes: usize) {
        if self.read_families && unwanted_bytes > wanted_bytes / MAX_UNWANTED_PART {
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
    fn wide_reads_use_families_until_too_much_is_unwanted() {
        let mut family_scan = FamilyScan::default();
        assert!(!family_scan.reads_families(&columns(1)));
        assert!(family_scan.reads_families(&columns(100)));
        family_scan.observe(1000, 100);
        assert!(family_scan.reads_families(&columns(100)));
        family_scan.observe(1000, 900);
        assert!(!family_scan.reads_families(&columns(100)));
        family_scan.observe(1000, 0);
        assert!(!family_scan.reads_families(&columns(1)));
        assert!(!family_scan.reads_families(&columns(100)), "the narrow read in between changes nothing");
        assert!(family_scan.reads_families(&columns(99)));
    }
}

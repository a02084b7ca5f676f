//! How many rows a reader asks for at once, so that what comes fits into its memory.

/// What a row is taken to be before any was read, bytes: the largest alerts of a survey.
const INITIAL_ROW_BYTES: usize = 256 << 10;

/// The size of the rows read of late.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSize {
    bytes: usize,
}

impl Default for RowSize {
    fn default() -> Self {
        Self { bytes: INITIAL_ROW_BYTES }
    }
}

impl RowSize {
    /// The rows that fit into `bytes`: at least one, and at most `max`.
    pub fn rows_in(self, bytes: usize, max: usize) -> usize {
        (bytes / self.bytes).clamp(1, max.max(1))
    }

    /// Notes that `rows` rows had `bytes` bytes. Larger rows count at once; smaller ones step by step, since others may follow.
    pub fn update(&mut self, rows: usize, bytes: usize) {
        if let Some(each) = bytes.checked_div(rows) {
            self.bytes = each.max(self.bytes / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_shrink_at_once_and_grow_step_by_step() {
        let mut size = RowSize::default();
        assert_eq!(size.rows_in(512 << 10, 100), 2);
        size.update(2, 2 << 20);
        assert_eq!(size.rows_in(512 << 10, 100), 1);
        size.update(1, 100);
        assert_eq!(size.rows_in(4 << 20, 100), 8);
        (0..20).for_each(|_| size.update(10, 1000));
        assert_eq!(size.rows_in(4 << 20, 100), 100);
        size.update(0, 0);
        assert_eq!(size.rows_in(0, 0), 1);
    }
}

//! How many rows to request at once, so that the response fits into a reader's memory.

/// Assumed size of a row before any was read, bytes: that of the largest alerts of a survey.
const INITIAL_ROW_BYTES: usize = 256 << 10;

/// An estimate of the size of a row, from the rows read last.
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
    /// How many rows fit into `bytes`: at least one, and at most `max`.
    pub fn rows_in(self, bytes: usize, max: usize) -> usize {
        (bytes / self.bytes).clamp(1, max.max(1))
    }

    /// Adjusts the estimate to `rows` rows of `bytes` bytes in all. It grows at once, and shrinks by half at most: larger rows may follow.
    pub fn update(&mut self, rows: usize, bytes: usize) {
        if let Some(mean) = bytes.checked_div(rows) {
            self.bytes = mean.max(self.bytes / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_shrink_at_once_and_grow_step_by_step() {
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

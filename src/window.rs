//! Which stretch of time to read.

use std::fmt;

/// A half-open stretch `[from, until)` of cell timestamps, in ms since 1970; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: i64,
    until: i64,
}

impl Window {
    /// The window `[from, until)`, or `None` where that holds no instant.
    pub fn new(from: i64, until: i64) -> Option<Self> {
        (0 <= from && from < until).then_some(Self { from, until })
    }

    /// Everything from `from` on, however new.
    pub fn since(from: i64) -> Self {
        Self { from: from.clamp(0, i64::MAX - 1), until: i64::MAX }
    }

    /// First instant in the window, ms since 1970.
    pub fn from(self) -> i64 {
        self.from
    }

    /// First instant after the window, ms since 1970.
    pub fn until(self) -> i64 {
        self.until
    }

    /// Whether `timestamp` (ms since 1970) lies in the window.
    pub fn contains(self, timestamp: i64) -> bool {
        self.from <= timestamp && timestamp < self.until
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.until)
    }
}

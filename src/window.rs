//! Windows of time.

use std::fmt;

use crate::timestamp::Timestamp;

/// A half-open window `[from, until)` of cell timestamps; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: Timestamp,
    until: Timestamp,
}

impl Window {
    /// Every timestamp from 1970 on.
    pub const ALL: Self = Self { from: Timestamp::EPOCH, until: Timestamp::MAX };

    /// The window `[from, until)`; `None` where it is empty or begins before 1970.
    pub fn new(from: Timestamp, until: Timestamp) -> Option<Self> {
        (Timestamp::EPOCH <= from && from < until).then_some(Self { from, until })
    }

    /// Everything from `from` on.
    pub fn since(from: Timestamp) -> Self {
        let last = Timestamp::from_millis(Timestamp::MAX.as_millis() - 1);
        Self { from: from.clamp(Timestamp::EPOCH, last), until: Timestamp::MAX }
    }

    /// The first timestamp of the window.
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// The first timestamp after the window.
    pub fn until(self) -> Timestamp {
        self.until
    }

    /// Whether `timestamp` lies in the window.
    pub fn contains(self, timestamp: Timestamp) -> bool {
        self.from <= timestamp && timestamp < self.until
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (Timestamp::EPOCH, Timestamp::MAX) => f.write_str("everything"),
            (Timestamp::EPOCH, until) => write!(f, "everything before {}", until.rfc3339()),
            (from, Timestamp::MAX) => write!(f, "everything since {}", from.rfc3339()),
            (from, until) => write!(f, "{} to {}", from.rfc3339(), until.rfc3339()),
        }
    }
}

//! How far the history lane came, as the checkpoint says it.

use serde::{Deserialize, Serialize};

use super::hex;
use crate::science_db::KeyRange;
use crate::window::Window;

/// How far the history lane came in one key range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeProgress {
    #[serde(with = "hex")]
    pub(super) start: Vec<u8>,
    #[serde(with = "hex")]
    pub(super) end: Vec<u8>,
    #[serde(with = "hex")]
    pub(super) after: Vec<u8>,
    pub(super) done: bool,
}

impl RangeProgress {
    /// The keys of the range.
    pub fn keys(&self) -> KeyRange {
        KeyRange { start: self.start.clone(), end: self.end.clone() }
    }

    /// The last row that is done, or `None` at the start.
    pub fn after(&self) -> Option<&[u8]> {
        (!self.after.is_empty()).then_some(&self.after)
    }

    /// Whether every row of the range is done.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// A history lane under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) ranges: Vec<RangeProgress>,
}

impl History {
    /// The window it reads.
    pub fn window(&self) -> Option<Window> {
        Window::new(self.from, self.until)
    }

    /// How far it came, by key range.
    pub fn ranges(&self) -> &[RangeProgress] {
        &self.ranges
    }
}

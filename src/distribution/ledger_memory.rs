//! The memory of the ledger, as a part of `distribution.memory`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::memory_budget::MemoryBudget;
use crate::ledger::Ledger;

/// Time between two warnings about a large ledger.
const WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// Accounts for the memory of the ledger. A quarter of the whole belongs to it; what it takes beyond that is missing for alerts in flight.
pub(super) struct LedgerMemory {
    budget: Arc<MemoryBudget>,
    /// `distribution.memory`, bytes
    memory: usize,
    warned: Option<Instant>,
}

impl LedgerMemory {
    pub fn new(budget: Arc<MemoryBudget>, memory: usize) -> Self {
        Self { budget, memory, warned: None }
    }

    /// Accounts for the ledger as it is now, and warns when its quarter is nearly full.
    pub fn update(&mut self, ledger: &Ledger) {
        let (bytes, share) = (ledger.memory(), self.memory / 4);
        self.budget.reserve(bytes.saturating_sub(share));
        if bytes > share / 5 * 4 && self.warned.is_none_or(|warned| warned.elapsed() >= WARNING_INTERVAL) {
            self.warned = Some(Instant::now());
            log::warn!(
                "the ledger lists {} alerts of the last distribution.repair, and takes {} MB of distribution.memory ({} MB): raise \
                 distribution.memory, or shorten distribution.repair",
                ledger.len(),
                bytes >> 20,
                self.memory >> 20
            );
        }
    }
}

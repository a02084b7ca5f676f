//! A limit on the bytes of alerts that wait between readers and coordinator.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::cancel::CancellationToken;

/// A number of bytes that may be leased at once. While nothing is leased, a batch of any size is granted.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: usize,
    /// bytes of the limit that are used without a lease
    reserved: AtomicUsize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Some bytes of a [`MemoryBudget`], returned on drop.
#[derive(Debug)]
pub(crate) struct MemoryLease {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, reserved: AtomicUsize::new(0), used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Lowers the limit by `bytes`, which are used without a lease.
    pub fn reserve(&self, bytes: usize) {
        self.reserved.store(bytes, Ordering::Relaxed);
    }

    /// Leases `bytes`, after waiting until they fit; `None` once `cancel` is cancelled. Does not wait while `is_next` returns true: the
    /// coordinator takes that batch next, and returns no bytes before.
    pub fn acquire(
        self: &Arc<Self>,
        bytes: usize,
        cancel: &CancellationToken,
        is_next: impl Fn() -> bool,
    ) -> Option<MemoryLease> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = || self.limit.saturating_sub(self.reserved.load(Ordering::Relaxed));
        while *used > 0 && *used + bytes > limit() && !is_next() {
            if cancel.is_cancelled() {
                return None;
            }
            let waited = self.freed.wait_timeout(used, Duration::from_millis(100));
            used = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *used += bytes;
        Some(MemoryLease { budget: Arc::clone(self), bytes })
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancelled() -> CancellationToken {
        let cancel = CancellationToken::new();
        cancel.cancel();
        cancel
    }

    #[test]
    fn a_batch_larger_than_the_budget_is_granted_alone() {
        let budget = MemoryBudget::new(10);
        let large = budget.acquire(50, &cancelled(), || false).expect("nothing else is leased");
        assert!(budget.acquire(1, &cancelled(), || false).is_none());
        drop(large);
        assert!(budget.acquire(1, &cancelled(), || false).is_some());
    }

    #[test]
    fn the_next_batch_does_not_wait_for_later_ones() {
        let budget = MemoryBudget::new(10);
        let _later = budget.acquire(10, &cancelled(), || false).expect("room");
        assert!(budget.acquire(10, &cancelled(), || false).is_none());
        assert!(budget.acquire(10, &cancelled(), || true).is_some());
    }

    #[test]
    fn reserved_bytes_lower_the_limit() {
        let budget = MemoryBudget::new(10);
        budget.reserve(6);
        let _some = budget.acquire(3, &cancelled(), || false).expect("room");
        assert!(budget.acquire(3, &cancelled(), || false).is_none());
    }

    #[test]
    fn returned_bytes_are_leased_again() {
        let budget = MemoryBudget::new(10);
        let first = budget.acquire(8, &cancelled(), || false).expect("room");
        let waiting = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.acquire(8, &CancellationToken::new(), || false).is_some()
        });
        drop(first);
        assert!(waiting.join().expect("no panic"));
    }
}

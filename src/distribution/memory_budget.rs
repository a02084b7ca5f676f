//! A bound on the bytes of alerts that wait between readers and coordinator.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// So many bytes may be under way at once. One reader may always go ahead when nothing is, however large its batch.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: usize,
    /// bytes of the limit that something else takes
    reserved: AtomicUsize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Some bytes of a [`MemoryBudget`], given back when dropped.
#[derive(Debug)]
pub struct MemoryLease {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, reserved: AtomicUsize::new(0), used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Sets aside `bytes` of the limit for something that is not leased.
    pub fn reserve(&self, bytes: usize) {
        self.reserved.store(bytes, Ordering::Relaxed);
    }

    /// Waits until `bytes` fit, or until `give_up` says so: then `None`. What `is_next` does not wait: nothing is given back before it.
    pub fn acquire(
        self: &Arc<Self>,
        bytes: usize,
        give_up: impl Fn() -> bool,
        is_next: impl Fn() -> bool,
    ) -> Option<MemoryLease> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = || self.limit.saturating_sub(self.reserved.load(Ordering::Relaxed));
        while *used > 0 && *used + bytes > limit() && !is_next() {
            if give_up() {
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

    #[test]
    fn a_batch_larger_than_the_budget_goes_alone() {
        let budget = MemoryBudget::new(10);
        let large = budget.acquire(50, || true, || false).expect("nothing else is under way");
        assert!(budget.acquire(1, || true, || false).is_none());
        drop(large);
        assert!(budget.acquire(1, || true, || false).is_some());
    }

    #[test]
    fn what_is_next_does_not_wait_for_what_comes_after_it() {
        let budget = MemoryBudget::new(10);
        let _later = budget.acquire(10, || true, || false).expect("room");
        assert!(budget.acquire(10, || true, || false).is_none());
        assert!(budget.acquire(10, || true, || true).is_some());
    }

    #[test]
    fn bytes_set_aside_leave_less_room() {
        let budget = MemoryBudget::new(10);
        budget.reserve(6);
        let _some = budget.acquire(3, || true, || false).expect("room");
        assert!(budget.acquire(3, || true, || false).is_none());
    }

    #[test]
    fn bytes_given_back_let_the_next_one_in() {
        let budget = MemoryBudget::new(10);
        let first = budget.acquire(8, || true, || false).expect("room");
        let waiting = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.acquire(8, || false, || false).is_some()
        });
        drop(first);
        assert!(waiting.join().expect("no panic"));
    }
}

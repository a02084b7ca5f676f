//! A bound on the bytes of alerts that wait between readers and coordinator.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// So many bytes may be under way at once. One reader may always go ahead when nothing is, however large its batch.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Some bytes of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits until `bytes` fit, or until `give_up` says so: then `None`.
    pub fn lease(self: &Arc<Self>, bytes: usize, give_up: impl Fn() -> bool) -> Option<Lease> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && *used + bytes > self.limit {
            if give_up() {
                return None;
            }
            let waited = self.freed.wait_timeout(used, Duration::from_millis(100));
            used = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *used += bytes;
        Some(Lease { budget: Arc::clone(self), bytes })
    }
}

impl Drop for Lease {
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
        let budget = Budget::new(10);
        let large = budget.lease(50, || true).expect("nothing else is under way");
        assert!(budget.lease(1, || true).is_none());
        drop(large);
        assert!(budget.lease(1, || true).is_some());
    }

    #[test]
    fn bytes_given_back_let_the_next_one_in() {
        let budget = Budget::new(10);
        let first = budget.lease(8, || true).expect("room");
        let waiting = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.lease(8, || false).is_some()
        });
        drop(first);
        assert!(waiting.join().expect("no panic"));
    }
}

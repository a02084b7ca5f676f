//! How long a process may send without transactions after it was last known not to be fenced.
//!
//! Kafka fences a former process of the same transactional id, but not what it sends without a transaction. So a process sends such messages
//! only for the time of a *lease* after a commit that worked, and the next process waits until the lease of the former one, and the time
//! in which the brokers take its messages, are over before it reads what stands on the topics.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::kafka::idempotent_producer::MAX_ARRIVAL_DELAY;

/// How long after the begin of a commit that worked messages may be sent.
const LEASE_DURATION: Duration = Duration::from_secs(10);
/// A lease older than this is renewed before a chunk is begun, so that it lasts for the chunk.
const LEASE_RENEWAL_AGE: Duration = Duration::from_secs(1);
/// How long after it was fenced a process may still have messages under way. Its last commit that worked began before.
pub const MAX_DELIVERY_AFTER_FENCING: Duration =
    Duration::from_secs(LEASE_DURATION.as_secs() + MAX_ARRIVAL_DELAY.as_secs());

/// A reading of two clocks: one that cannot be set and counts the time in which the machine sleeps, and the system clock, which a virtual
/// machine that was paused may set right when it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    boot: Duration,
    /// since 1970
    wall: Duration,
}

impl LeaseTime {
    /// The reading now.
    pub fn now() -> Self {
        let read = |clock| {
            let time = clock_gettime(clock);
            Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
        };
        Self { boot: read(ClockId::Boottime), wall: read(ClockId::Realtime) }
    }

    /// How long ago that was, by the clock that says more.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    fn since(self, earlier: Self) -> Duration {
        self.boot.saturating_sub(earlier.boot).max(self.wall.saturating_sub(earlier.wall))
    }
}

/// The right to send without transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    renewed: Option<LeaseTime>,
}

impl Lease {
    /// The timestamp of a message that is made now, ms since 1970; `None` where none may be sent. The clock is read before the lease is
    /// judged: a process that is stopped in between, or later, sends a message that says how old it is.
    pub fn stamp(self) -> Option<i64> {
        let now = LeaseTime::now();
        let is_valid = self.renewed.is_some_and(|renewed| now.since(renewed) <= LEASE_DURATION);
        is_valid.then_some(now.wall.as_millis() as i64)
    }

    /// Whether it lasts for a chunk that is begun now.
    pub fn is_fresh(self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() <= LEASE_RENEWAL_AGE)
    }

    /// Notes that a transaction whose commit began at `began` was committed.
    pub fn renew(&mut self, began: LeaseTime) {
        self.renewed = Some(began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed_before(boot: Duration, wall: Duration) -> Lease {
        let now = LeaseTime::now();
        Lease { renewed: Some(LeaseTime { boot: now.boot.saturating_sub(boot), wall: now.wall.saturating_sub(wall) }) }
    }

    #[test]
    fn a_lease_ends_by_either_clock() {
        assert!(Lease::default().stamp().is_none() && !Lease::default().is_fresh());
        let late = LEASE_DURATION + Duration::from_millis(1);
        assert!(renewed_before(late, Duration::ZERO).stamp().is_none());
        let mut lease = renewed_before(Duration::ZERO, late);
        assert!(lease.stamp().is_none());
        lease.renew(LeaseTime::now());
        assert!(lease.stamp().is_some_and(|at| at > 1_700_000_000_000) && lease.is_fresh());
        let old = renewed_before(LEASE_RENEWAL_AGE + Duration::from_millis(1), Duration::ZERO);
        assert!(old.stamp().is_some() && !old.is_fresh());
    }
}

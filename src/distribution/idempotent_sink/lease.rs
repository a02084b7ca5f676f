//! How long a process may send without transactions after it was last known not to be fenced.
//!
//! Kafka fences an older process with the same transactional id, but not the messages that it sends without a transaction. So a process sends
//! such messages only for the time of a *lease* after a successful commit. The next process waits until the lease of the older one is over, and
//! the time within which the brokers take its messages, before it reads what is on the topics.

use std::time::Duration;

use crate::distribution::clock::since_boot;
use crate::kafka::idempotent_producer::MAX_ARRIVAL_DELAY;
use crate::timestamp::Timestamp;

/// How long messages may be sent after the start of a successful commit.
const LEASE_DURATION: Duration = Duration::from_secs(10);
/// A lease that is older is renewed before a transaction begins, so that it lasts for the transaction.
const LEASE_RENEWAL_AGE: Duration = Duration::from_secs(1);
/// How long a process may have messages in flight after it was fenced. Its last successful commit began before that.
pub(super) const MAX_DELIVERY_AFTER_FENCING: Duration =
    Duration::from_secs(LEASE_DURATION.as_secs() + MAX_ARRIVAL_DELAY.as_secs());

/// A reading of two clocks: one that cannot be set and counts the time in which the machine is suspended, and the system clock, which a virtual
/// machine that was paused may correct when it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseTime {
    since_boot: Duration,
    wall: Timestamp,
}

impl LeaseTime {
    /// Reads the clocks.
    pub fn now() -> Self {
        Self { since_boot: since_boot(), wall: Timestamp::now() }
    }

    /// How long ago this was, by the clock that says more.
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    fn since(self, earlier: Self) -> Duration {
        self.since_boot.saturating_sub(earlier.since_boot).max(self.wall.since(earlier.wall))
    }
}

/// The lease of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease {
    renewed: Option<LeaseTime>,
}

impl Lease {
    /// The timestamp of a message that is sent now, ms since 1970; `None` where the lease is over. The clock is read before the lease is checked:
    /// a process that is stopped in between, or later, sends a message that shows its age.
    pub fn stamp(self) -> Option<i64> {
        let now = LeaseTime::now();
        let is_valid = self.renewed.is_some_and(|renewed| now.since(renewed) <= LEASE_DURATION);
        is_valid.then_some(now.wall.as_millis())
    }

    /// Whether it lasts for a transaction that begins now.
    pub fn is_fresh(self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() <= LEASE_RENEWAL_AGE)
    }

    /// Renews the lease after a successful commit, from its start.
    pub fn renew(&mut self, started: LeaseTime) {
        self.renewed = Some(started);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed_before(boot: Duration, wall: Duration) -> Lease {
        let now = LeaseTime::now();
        let earlier = LeaseTime { since_boot: now.since_boot.saturating_sub(boot), wall: now.wall - wall };
        Lease { renewed: Some(earlier) }
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

//! How long a process may send without transactions after it was last known not to be fenced.
//!
//! Kafka fences a former process of the same transactional id, but not what it sends without a transaction. So a process sends such messages
//! only for the time of a *lease* after a commit that worked, and the next process waits until the lease of the former one, and the time
//! in which the brokers take its messages, are over before it reads what stands on the topics.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::kafka::plain_producer::LATEST_ARRIVAL;

/// How long after the begin of a commit that worked messages may be sent.
const LEASE: Duration = Duration::from_secs(10);
/// A lease older than this is renewed before a chunk is begun, so that it lasts for the chunk.
const FRESH: Duration = Duration::from_secs(1);
/// How long after it was fenced a process may still have messages under way. Its last commit that worked began before.
pub const AFTER_FENCING: Duration = Duration::from_secs(LEASE.as_secs() + LATEST_ARRIVAL.as_secs());

/// A reading of a clock that also counts the time in which the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The reading now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        Self(Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
    }

    /// How long ago that was.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The right to send without transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lease {
    renewed: Option<Moment>,
}

impl Lease {
    /// Whether a message may be sent.
    pub fn is_valid(self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() <= LEASE)
    }

    /// Whether it lasts for a chunk that is begun now.
    pub fn is_fresh(self) -> bool {
        self.renewed.is_some_and(|renewed| renewed.elapsed() <= FRESH)
    }

    /// Notes that a transaction whose commit began at `began` was committed.
    pub fn renew(&mut self, began: Moment) {
        self.renewed = Some(began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed_before(age: Duration) -> Lease {
        Lease { renewed: Some(Moment(Moment::now().0.saturating_sub(age))) }
    }

    #[test]
    fn a_lease_ends() {
        assert!(!Lease::default().is_valid() && !Lease::default().is_fresh());
        let mut lease = renewed_before(LEASE + Duration::from_millis(1));
        assert!(!lease.is_valid());
        lease.renew(Moment::now());
        assert!(lease.is_valid() && lease.is_fresh());
        let old = renewed_before(FRESH + Duration::from_millis(1));
        assert!(old.is_valid() && !old.is_fresh());
    }
}

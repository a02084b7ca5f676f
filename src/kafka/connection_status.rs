//! The faults of a connection. librdkafka reports them as events and retries forever, so callers that wait have to look here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

/// The kinds of faults, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// the brokers refuse the login: permanent
    AuthenticationRefused,
    /// the TLS handshake fails: permanent for a new client; a broker's certificate may also expire later
    Tls,
    /// a broker's name cannot be resolved: transient
    Unresolved,
    /// one broker or all cannot be reached: transient
    Down,
}

const KINDS: [FaultKind; 4] =
    [FaultKind::AuthenticationRefused, FaultKind::Tls, FaultKind::Unresolved, FaultKind::Down];

/// A fault of the connection.
#[derive(Clone, Debug)]
pub struct ConnectionFault {
    /// its kind
    pub kind: FaultKind,
    /// which broker, and why; empty where librdkafka reported nothing
    pub reason: String,
    /// when it was first reported since the connection last worked
    pub first: Instant,
    /// when it was last reported; librdkafka repeats a report only every 30 s
    pub last: Instant,
}

impl ConnectionFault {
    /// No response and no report: librdkafka is silent about connections that the broker closes at once.
    pub(crate) fn silence(since: Instant) -> Self {
        Self { kind: FaultKind::Down, reason: String::new(), first: since, last: Instant::now() }
    }
}

/// A client that has been connected gives up after reports of the same permanent fault over this time.
const PERSISTENT_AFTER: Duration = Duration::from_secs(25);

/// Brokers that are unreachable for this long are probed.
const DIAGNOSE_AFTER: Duration = Duration::from_secs(1);

/// The status of one client's connection, updated by librdkafka's events.
#[derive(Debug, Default)]
pub struct ConnectionStatus {
    /// false: `faults` is empty, and need not be locked
    any: AtomicBool,
    faults: Mutex<[Option<ConnectionFault>; KINDS.len()]>,
    denied_topic: Mutex<Option<String>>,
    /// whether unreachable brokers have been probed
    is_diagnosed: AtomicBool,
}

impl ConnectionStatus {
    /// Records an error event. Codes that are no fault of the connection are ignored.
    pub(crate) fn record(&self, code: Code, reason: &str) {
        let kind = match code {
            Code::Authentication if is_unanswered_handshake(reason) => FaultKind::Down,
            Code::Authentication | Code::SaslAuthenticationFailed => FaultKind::AuthenticationRefused,
            Code::SSL => FaultKind::Tls,
            Code::Resolve => FaultKind::Unresolved,
            Code::AllBrokersDown | Code::BrokerTransportFailure => FaultKind::Down,
            _ => return,
        };
        let now = Instant::now();
        self.any.store(true, Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = KINDS.iter().position(|k| *k == kind).and_then(|i| faults.get_mut(i)) else { return };
        match slot {
            Some(fault) => {
                fault.last = now;
                // "1/1 brokers are down" follows the broker's own message and says less.
                if code != Code::AllBrokersDown {
                    reason.clone_into(&mut fault.reason);
                }
            }
            None => *slot = Some(ConnectionFault { kind, reason: reason.to_owned(), first: now, last: now }),
        }
    }

    /// Clears all faults: the connection has just worked.
    pub(crate) fn mark_connected(&self) {
        if !self.any.swap(false, Ordering::Relaxed) {
            return;
        }
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    /// The most severe fault since the connection last worked.
    pub fn fault(&self) -> Option<ConnectionFault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().next().cloned()
    }

    /// A fault that no retry clears: a refused login or TLS.
    pub(crate) fn permanent_fault(&self) -> Option<ConnectionFault> {
        self.fault().filter(|fault| matches!(fault.kind, FaultKind::AuthenticationRefused | FaultKind::Tls))
    }

    /// A permanent fault that has been reported over 25 s.
    pub(crate) fn persistent_fault(&self) -> Option<ConnectionFault> {
        self.permanent_fault().filter(|fault| fault.last.duration_since(fault.first) >= PERSISTENT_AFTER)
    }

    /// The fault, or silence, of a client that opened at `opened` and has not been connected for a second. Returned once.
    pub(crate) fn undiagnosed_fault(&self, opened: Instant) -> Option<ConnectionFault> {
        let fault = self.fault().unwrap_or_else(|| ConnectionFault::silence(opened));
        (fault.first.elapsed() >= DIAGNOSE_AFTER && !self.is_diagnosed.swap(true, Ordering::Relaxed)).then_some(fault)
    }

    /// Records the topic that the user may not write to; librdkafka names it only in its log.
    pub(crate) fn set_denied_topic(&self, topic: &str) {
        *self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic.to_owned());
    }

    /// Clears the denied topic: a new transaction begins.
    pub(crate) fn clear_denied_topic(&self) {
        *self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The topic that the user may not write to in this transaction.
    pub(crate) fn denied_topic(&self) -> Option<String> {
        self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the broker went away or was silent while the client asked which logins it takes. librdkafka gives this the code of a refused login; what
/// a broker itself says does not begin with `Local: `.
fn is_unanswered_handshake(reason: &str) -> bool {
    reason.contains("mechanism handshake failed: Local: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_outranks_brokers_that_are_down() {
        let status = ConnectionStatus::default();
        assert!(status.fault().is_none());
        status.record(Code::BrokerTransportFailure, "b1: connect failed");
        status.record(Code::AllBrokersDown, "1/1 brokers are down");
        let down = status.fault().map(|fault| (fault.kind, fault.reason));
        assert_eq!(down, Some((FaultKind::Down, "b1: connect failed".to_owned())));
        assert!(status.permanent_fault().is_none());
        status.record(Code::Authentication, "b1: SASL authentication error");
        assert_eq!(status.permanent_fault().map(|fault| fault.kind), Some(FaultKind::AuthenticationRefused));
        assert!(status.persistent_fault().is_none());
        status.mark_connected();
        assert!(status.fault().is_none());
    }

    #[test]
    fn a_broker_that_goes_away_during_the_handshake_has_refused_no_login() {
        let handshake = |reason: &str| {
            let status = ConnectionStatus::default();
            let reason = format!("b1/1: SASL SCRAM-SHA-512 mechanism handshake failed: {reason}");
            status.record(Code::Authentication, &reason);
            status.fault().map(|fault| fault.kind)
        };
        for reason in ["Local: Timed out in queue", "Local: Broker transport failure"] {
            assert_eq!(handshake(&format!("{reason}: broker's supported mechanisms: (n/a)")), Some(FaultKind::Down));
        }
        let unsupported = "Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN";
        assert_eq!(handshake(unsupported), Some(FaultKind::AuthenticationRefused));
    }
}

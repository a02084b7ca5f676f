//! What librdkafka last said about the connection. It tries again for ever, whatever the fault; so the fault has to be asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

/// Kinds of trouble with the connection, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// the login was refused: final
    AuthenticationRefused,
    /// TLS could not be agreed on: final at the start, perhaps a broker's renewed certificate later
    Tls,
    /// a broker's name has no address: transient
    Unresolved,
    /// a broker cannot be reached, or all of them: transient
    Down,
}

const KINDS: [FaultKind; 4] =
    [FaultKind::AuthenticationRefused, FaultKind::Tls, FaultKind::Unresolved, FaultKind::Down];

/// A fault of the connection.
#[derive(Clone, Debug)]
pub struct ConnectionFault {
    /// of what kind
    pub kind: FaultKind,
    /// which broker, and why
    pub reason: String,
    /// when it was first seen since the connection last worked
    pub first: Instant,
    /// when it was last seen; librdkafka repeats itself only every 30 s
    pub last: Instant,
}

impl ConnectionFault {
    /// No answer, and not a word about it: librdkafka is silent about connections that the broker closes at once.
    pub(crate) fn silence(since: Instant) -> Self {
        Self { kind: FaultKind::Down, reason: String::new(), first: since, last: Instant::now() }
    }
}

/// How often the same trouble must have been told, and over how long, before a connection that has worked is given up.
const PERSISTENT_AFTER: Duration = Duration::from_secs(25);

/// How long brokers may be out of reach before somebody looks why.
const DIAGNOSE_AFTER: Duration = Duration::from_secs(1);

/// The state of one client's connection, written by librdkafka's error events.
#[derive(Debug, Default)]
pub struct ConnectionStatus {
    /// whether there may be any, so that the usual case costs no lock
    any: AtomicBool,
    faults: Mutex<[Option<ConnectionFault>; KINDS.len()]>,
    denied_topic: Mutex<Option<String>>,
    /// whether somebody has looked into brokers that cannot be reached
    is_diagnosed: AtomicBool,
}

impl ConnectionStatus {
    /// Takes note of an error event.
    pub(crate) fn record(&self, code: Code, reason: &str) {
        let kind = match code {
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
                // "1/1 brokers are down" says less than the broker's own words, which came before.
                if code != Code::AllBrokersDown {
                    reason.clone_into(&mut fault.reason);
                }
            }
            None => *slot = Some(ConnectionFault { kind, reason: reason.to_owned(), first: now, last: now }),
        }
    }

    /// Forgets every trouble: the connection has just worked.
    pub(crate) fn mark_connected(&self) {
        if !self.any.swap(false, Ordering::Relaxed) {
            return;
        }
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    /// The gravest trouble since the connection last worked.
    pub fn fault(&self) -> Option<ConnectionFault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().next().cloned()
    }

    /// A trouble that waiting does not mend: a refused login or TLS. Right for a client that has not worked yet.
    pub fn permanent_fault(&self) -> Option<ConnectionFault> {
        self.fault().filter(|t| matches!(t.kind, FaultKind::AuthenticationRefused | FaultKind::Tls))
    }

    /// The same for a client that has worked: one broker of many may refuse for a moment while it starts, so it must last.
    pub fn persistent_fault(&self) -> Option<ConnectionFault> {
        self.permanent_fault().filter(|t| t.last.duration_since(t.first) >= PERSISTENT_AFTER)
    }

    /// Silence or brokers out of reach since a moment after `opened`, told once: there may be a lasting reason, which librdkafka does not know.
    pub(crate) fn unexplained_fault(&self, opened: Instant) -> Option<ConnectionFault> {
        let fault = self.fault().unwrap_or_else(|| ConnectionFault::silence(opened));
        (fault.first.elapsed() >= DIAGNOSE_AFTER && !self.is_diagnosed.swap(true, Ordering::Relaxed)).then_some(fault)
    }

    /// Takes note of the topic that was refused to a transaction; librdkafka says it only in its log.
    pub(crate) fn set_denied_topic(&self, topic: &str) {
        *self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic.to_owned());
    }

    /// Forgets the refused topic: a new transaction begins.
    pub(crate) fn clear_denied_topic(&self) {
        *self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The topic last refused to a transaction.
    pub(crate) fn denied_topic(&self) -> Option<String> {
        self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_outweighs_brokers_that_are_down() {
        let status = ConnectionStatus::default();
        assert!(status.fault().is_none());
        status.record(Code::BrokerTransportFailure, "b1: connect failed");
        status.record(Code::AllBrokersDown, "1/1 brokers are down");
        let down = status.fault().map(|t| (t.kind, t.reason));
        assert_eq!(down, Some((FaultKind::Down, "b1: connect failed".to_owned())));
        assert!(status.permanent_fault().is_none());
        status.record(Code::Authentication, "b1: SASL authentication error");
        assert_eq!(status.permanent_fault().map(|t| t.kind), Some(FaultKind::AuthenticationRefused));
        assert!(status.persistent_fault().is_none());
        status.mark_connected();
        assert!(status.fault().is_none());
    }
}

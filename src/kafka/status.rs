//! What librdkafka last said about the connection. It tries again for ever, whatever the fault; so the fault has to be asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

/// Kinds of trouble with the connection, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// the login was refused: final
    AuthenticationRefused,
    /// TLS could not be agreed on: final at the start, perhaps a broker's renewed certificate later
    Tls,
    /// a broker's name has no address: transient
    Unresolved,
    /// a broker cannot be reached, or all of them: transient
    Down,
}

const KINDS: [TroubleKind; 4] =
    [TroubleKind::AuthenticationRefused, TroubleKind::Tls, TroubleKind::Unresolved, TroubleKind::Down];

/// Trouble with the connection.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// of what kind
    pub kind: TroubleKind,
    /// which broker, and why
    pub reason: String,
    /// when it was first seen since the connection last worked
    pub first: Instant,
    /// when it was last seen; librdkafka repeats itself only every 30 s
    pub last: Instant,
}

impl Trouble {
    /// No answer, and not a word about it: librdkafka is silent about connections that the broker closes at once.
    pub(crate) fn silence(since: Instant) -> Self {
        Self { kind: TroubleKind::Down, reason: String::new(), first: since, last: Instant::now() }
    }
}

/// How often the same trouble must have been told, and over how long, before a connection that has worked is given up.
const PERSISTENT: Duration = Duration::from_secs(25);

/// How long brokers may be out of reach before somebody looks why.
const MOMENT: Duration = Duration::from_secs(1);

/// The state of one client's connection, written by librdkafka's error events.
#[derive(Debug, Default)]
pub struct Status {
    /// whether there may be any, so that the usual case costs no lock
    any: AtomicBool,
    troubles: Mutex<[Option<Trouble>; KINDS.len()]>,
    denied_topic: Mutex<Option<String>>,
    /// whether somebody has looked into brokers that cannot be reached
    looked_into: AtomicBool,
}

impl Status {
    /// Takes note of an error event.
    pub(crate) fn note(&self, code: Code, reason: &str) {
        let kind = match code {
            Code::Authentication | Code::SaslAuthenticationFailed => TroubleKind::AuthenticationRefused,
            Code::SSL => TroubleKind::Tls,
            Code::Resolve => TroubleKind::Unresolved,
            Code::AllBrokersDown | Code::BrokerTransportFailure => TroubleKind::Down,
            _ => return,
        };
        let now = Instant::now();
        self.any.store(true, Ordering::Relaxed);
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = KINDS.iter().position(|k| *k == kind).and_then(|i| troubles.get_mut(i)) else { return };
        match slot {
            Some(trouble) => {
                trouble.last = now;
                // "1/1 brokers are down" says less than the broker's own words, which came before.
                if code != Code::AllBrokersDown {
                    reason.clone_into(&mut trouble.reason);
                }
            }
            None => *slot = Some(Trouble { kind, reason: reason.to_owned(), first: now, last: now }),
        }
    }

    /// Forgets every trouble: the connection has just worked.
    pub(crate) fn works(&self) {
        if !self.any.swap(false, Ordering::Relaxed) {
            return;
        }
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    /// The gravest trouble since the connection last worked.
    pub fn trouble(&self) -> Option<Trouble> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().next().cloned()
    }

    /// A trouble that waiting does not mend: a refused login or TLS. Right for a client that has not worked yet.
    pub fn refused(&self) -> Option<Trouble> {
        self.trouble().filter(|t| matches!(t.kind, TroubleKind::AuthenticationRefused | TroubleKind::Tls))
    }

    /// The same for a client that has worked: one broker of many may refuse for a moment while it starts, so it must last.
    pub fn persistently_refused(&self) -> Option<Trouble> {
        self.refused().filter(|t| t.last.duration_since(t.first) >= PERSISTENT)
    }

    /// Silence or brokers out of reach since a moment after `opened`, told once: there may be a lasting reason, which librdkafka does not know.
    pub(crate) fn worth_a_look(&self, opened: Instant) -> Option<Trouble> {
        let trouble = self.trouble().unwrap_or_else(|| Trouble::silence(opened));
        (trouble.first.elapsed() >= MOMENT && !self.looked_into.swap(true, Ordering::Relaxed)).then_some(trouble)
    }

    /// Takes note of the topic that was refused to a transaction; librdkafka says it only in its log.
    pub(crate) fn deny_topic(&self, topic: &str) {
        *self.denied_topic.lock().unwrap_or_else(PoisonError::into_inner) = Some(topic.to_owned());
    }

    /// Forgets the refused topic: a new transaction begins.
    pub(crate) fn allow_topics(&self) {
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
        let status = Status::default();
        assert!(status.trouble().is_none());
        status.note(Code::BrokerTransportFailure, "b1: connect failed");
        status.note(Code::AllBrokersDown, "1/1 brokers are down");
        let down = status.trouble().map(|t| (t.kind, t.reason));
        assert_eq!(down, Some((TroubleKind::Down, "b1: connect failed".to_owned())));
        assert!(status.refused().is_none());
        status.note(Code::Authentication, "b1: SASL authentication error");
        assert_eq!(status.refused().map(|t| t.kind), Some(TroubleKind::AuthenticationRefused));
        assert!(status.persistently_refused().is_none());
        status.works();
        assert!(status.trouble().is_none());
    }
}

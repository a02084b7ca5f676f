//! What a stream does with an alert.

use std::sync::Arc;

/// A stream's decision about one alert. The rules make it first, then the filters, then the encoder; each passes on what an earlier one
/// refused or rejected. The sink acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<T = ()> {
    /// publish it: `T` is nothing after rules and filters, and the message once it is encoded
    Send(T),
    /// drop it: the stream's criterion of this index does not hold
    Refuse(usize),
    /// send it to the rejected topic: it cannot be evaluated or encoded, for this reason
    Reject(RejectClass, Arc<str>),
}

/// What has rejected an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectClass {
    /// a condition of the rules cannot read a cell
    Rules,
    /// a Python filter failed
    Filter,
    /// the message cannot be encoded
    Encoding,
    /// the topic does not take a message of this size
    Size,
}

impl RejectClass {
    /// All, in the order of their indexes.
    pub const ALL: [Self; 4] = [Self::Rules, Self::Filter, Self::Encoding, Self::Size];

    /// Its index in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Filter => "filter",
            Self::Encoding => "encoding",
            Self::Size => "size",
        }
    }
}

impl<T> Verdict<T> {
    /// The same decision, with a reference to the message.
    pub fn as_ref(&self) -> Verdict<&T> {
        match self {
            Self::Send(message) => Verdict::Send(message),
            Self::Refuse(criterion) => Verdict::Refuse(*criterion),
            Self::Reject(class, reason) => Verdict::Reject(*class, Arc::clone(reason)),
        }
    }

    /// The decision of the next step where this one is to publish, else this one.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Verdict<U>) -> Verdict<U> {
        match self {
            Self::Send(message) => next(message),
            Self::Refuse(criterion) => Verdict::Refuse(criterion),
            Self::Reject(class, reason) => Verdict::Reject(class, reason),
        }
    }
}

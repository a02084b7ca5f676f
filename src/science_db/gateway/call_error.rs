//! Why a call to a gateway failed, as far as it decides what to do next.

use std::error::Error as StdError;
use std::io::{Error as IoError, ErrorKind};

use thrift::{ApplicationErrorKind, TransportErrorKind};

/// A failed call.
#[derive(Debug, PartialEq, Eq)]
pub enum CallError {
    /// the connection broke: another gateway may answer
    Disconnected(String),
    /// the gateway did not answer in time: another one may
    TimedOut(String),
    /// what answers does not speak Thrift as HBase does: another gateway may
    Protocol(String),
    /// the gateway is one of this version of HBase's Thrift interface, 1 or 2, but the other was asked for
    WrongVersion(u8),
    /// the gateway does not know the method
    UnknownMethod(String),
    /// HBase cannot do it now, but perhaps later
    Unavailable(String),
    /// the table exists already
    TableExists,
    /// HBase will not do it
    Refused(String),
}

impl CallError {
    /// A failure of a Thrift call; `declared` judges the exceptions that the interface declares.
    pub fn from_thrift(
        error: thrift::Error,
        declared: impl FnOnce(&(dyn StdError + 'static)) -> Option<CallError>,
    ) -> Self {
        match error {
            thrift::Error::Transport(error) => match error.kind {
                TransportErrorKind::TimedOut => Self::TimedOut(error.message),
                _ => Self::Disconnected(error.message),
            },
            thrift::Error::Protocol(error) => Self::Protocol(error.message),
            thrift::Error::Application(error) => match error.kind {
                ApplicationErrorKind::UnknownMethod => Self::UnknownMethod(error.message),
                ApplicationErrorKind::BadSequenceId
                | ApplicationErrorKind::WrongMethodName
                | ApplicationErrorKind::InvalidMessageType
                | ApplicationErrorKind::MissingResult => Self::Protocol(error.message),
                _ => Self::Refused(first_lines(&error.message)),
            },
            thrift::Error::User(error) => declared(error.as_ref()).unwrap_or_else(|| Self::Refused(error.to_string())),
        }
    }

    /// A failure to list a table's regions; `of` judges other failures. While a region is split, merged or opened, the gateway itself fails.
    pub fn from_region_list(error: thrift::Error, of: impl FnOnce(thrift::Error) -> CallError) -> Self {
        match error {
            thrift::Error::Application(error) if error.kind == ApplicationErrorKind::InternalError => {
                Self::Unavailable(format!("the table's regions cannot be listed now: {}", first_lines(&error.message)))
            }
            error => of(error),
        }
    }

    /// A failed read or write of a connection.
    pub fn from_io(error: &IoError) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut(error.to_string()),
            _ => Self::Disconnected(error.to_string()),
        }
    }

    /// The same failure of a connection, with `what` was being done.
    pub fn with_context(self, what: &str) -> Self {
        match self {
            Self::Disconnected(reason) => Self::Disconnected(format!("{what}: {reason}")),
            Self::TimedOut(reason) => Self::TimedOut(format!("{what}: {reason}")),
            other => other,
        }
    }

    /// What HBase's `IOError` means; `can_retry` is its own opinion, which newer versions give.
    pub fn from_hbase_io_error(message: Option<&str>, can_retry: Option<bool>) -> Self {
        let message = message.map_or_else(|| String::from("without a reason"), first_lines);
        // A batch is reported as one exception that may be retried, even when each of its operations failed for good.
        const PERMANENT_EXCEPTIONS: [&str; 5] = [
            "NoSuchColumnFamilyException",
            "TableNotFoundException",
            "DoNotRetryIOException",
            "AccessDeniedException",
            "InvalidFamilyOperationException",
        ];
        if message.contains("TableExistsException") {
            Self::TableExists
        } else if let Some(family) = missing_family(&message) {
            Self::Refused(format!(
                "the table has no column family `{family}`: take the table's own catalog, or another table"
            ))
        } else if message.starts_with("Zookeeper ") {
            // Said not to be worth another try, which is so only for that moment: HBase is down or starting.
            Self::Unavailable(message)
        } else if can_retry == Some(false) || PERMANENT_EXCEPTIONS.iter().any(|name| message.contains(name)) {
            Self::Refused(message)
        } else {
            Self::Unavailable(message)
        }
    }
}

/// The family that a table does not have, where that is the complaint. HBase says it for each row, with the whole table's description.
fn missing_family(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("NoSuchColumnFamilyException: Column family ")?;
    Some(rest.split_once(" does not exist")?.0)
}

/// A Java message without its stack trace.
fn first_lines(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("at "));
    lines.take(4).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_cannot_list_regions_may_do_so_later() {
        let internal = || {
            let words = "Internal error processing getAllRegionLocations";
            thrift::new_application_error(ApplicationErrorKind::InternalError, words)
        };
        let refused = |error| CallError::from_thrift(error, |_| None);
        assert!(matches!(CallError::from_region_list(internal(), refused), CallError::Unavailable(_)));
        assert!(matches!(refused(internal()), CallError::Refused(_)));
    }

    #[test]
    fn a_batch_that_failed_for_good_is_refused_though_hbase_says_retry() {
        let message = "Failed 1 action: org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException: x\n\tat a.b(C.java:1)\n";
        let failure = CallError::from_hbase_io_error(Some(message), Some(true));
        assert!(matches!(failure, CallError::Refused(reason) if !reason.contains("C.java")));
    }

    #[test]
    fn a_missing_family_is_named_once() {
        let one = "NoSuchColumnFamilyException: Column family t does not exist in region a,b. in table 'a', {NAME => 'i'}: 1 time";
        let CallError::Refused(reason) = CallError::from_hbase_io_error(Some(&format!("{one}, {one}")), Some(true))
        else {
            panic!("not refused")
        };
        assert!(reason.starts_with("the table has no column family `t`: "), "{reason}");
    }

    #[test]
    fn a_moving_region_is_worth_another_try() {
        assert!(matches!(
            CallError::from_hbase_io_error(Some("NotServingRegionException: x"), Some(true)),
            CallError::Unavailable(_)
        ));
        assert!(matches!(CallError::from_hbase_io_error(None, None), CallError::Unavailable(_)));
    }
}

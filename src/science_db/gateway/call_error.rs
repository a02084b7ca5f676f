//! Why a call to a gateway failed, as far as that decides what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::io::{Error as IoError, ErrorKind};

use thrift::{ApplicationErrorKind, TransportErrorKind};

use crate::science_db::java_exception::{first_lines, missing_family};

/// A failed call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// the connection broke; another gateway may answer
    Disconnected(String),
    /// the gateway did not answer in time; another gateway may answer
    TimedOut(String),
    /// the server does not speak HBase's Thrift; another gateway may answer
    Protocol(String),
    /// the gateway has this version of HBase's Thrift interface, 1 or 2, instead of the configured one
    WrongVersion(u8),
    /// the gateway does not know the method
    UnknownMethod(String),
    /// HBase is not available now; a later call may succeed
    Unavailable(String),
    /// the table exists already
    TableExists,
    /// the table has no column family of this name
    NoFamily(String),
    /// HBase refused the request
    Refused(String),
}

impl CallError {
    /// The error of a call through generated code. `declared` converts the exceptions that the interface declares.
    pub(crate) fn from_thrift(
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

    /// The error of a read or write on a connection.
    pub(crate) fn from_io(error: &IoError) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut(error.to_string()),
            _ => Self::Disconnected(error.to_string()),
        }
    }

    /// The meaning of HBase's `IOError`. `can_retry` is what newer versions say about it.
    pub(crate) fn from_hbase_io_error(message: Option<&str>, can_retry: Option<bool>) -> Self {
        let message = message.map_or_else(|| String::from("no reason given"), first_lines);
        // HBase reports a batch as one exception that may be retried, even when each of its operations failed for good.
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
            Self::NoFamily(family.to_owned())
        } else if message.starts_with("Zookeeper ") {
            // HBase is down or starting. It marks this exception as not to be retried, which holds for that moment only.
            Self::Unavailable(message)
        } else if can_retry == Some(false) || PERMANENT_EXCEPTIONS.iter().any(|name| message.contains(name)) {
            Self::Refused(message)
        } else {
            Self::Unavailable(message)
        }
    }

    /// The error of a call that lists a table's regions. While a region is split, merged or opened, the gateway answers with an internal
    /// error instead of waiting.
    pub(crate) fn in_region_list(error: thrift::Error, convert: impl FnOnce(thrift::Error) -> CallError) -> Self {
        match error {
            thrift::Error::Application(error) if error.kind == ApplicationErrorKind::InternalError => {
                Self::Unavailable(format!("cannot list the regions of the table now: {}", first_lines(&error.message)))
            }
            error => convert(error),
        }
    }

    /// Whether the connection cannot be used any more.
    pub(crate) fn breaks_connection(&self) -> bool {
        matches!(self, Self::Disconnected(_) | Self::TimedOut(_) | Self::Protocol(_))
    }

    /// Puts `context` before the reason of a broken connection.
    pub(crate) fn with_context(self, context: &str) -> Self {
        match self {
            Self::Disconnected(reason) => Self::Disconnected(format!("{context}: {reason}")),
            Self::TimedOut(reason) => Self::TimedOut(format!("{context}: {reason}")),
            other => other,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(reason)
            | Self::TimedOut(reason)
            | Self::Protocol(reason)
            | Self::UnknownMethod(reason)
            | Self::Unavailable(reason)
            | Self::Refused(reason) => f.write_str(reason),
            Self::WrongVersion(version) => write!(f, "a Thrift {version} gateway"),
            Self::TableExists => f.write_str("the table exists already"),
            Self::NoFamily(family) => write!(f, "the table has no column family `{family}`"),
        }
    }
}

/// For replies that fink decodes itself, which reads the declared exceptions too.
impl From<thrift::Error> for CallError {
    fn from(error: thrift::Error) -> Self {
        Self::from_thrift(error, |_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_to_list_regions_is_transient() {
        let internal = || {
            let message = "Internal error processing getAllRegionLocations";
            thrift::new_application_error(ApplicationErrorKind::InternalError, message)
        };
        assert!(matches!(CallError::in_region_list(internal(), CallError::from), CallError::Unavailable(_)));
        assert!(matches!(CallError::from(internal()), CallError::Refused(_)));
    }

    #[test]
    fn batch_that_failed_for_good_is_refused_although_hbase_says_retry() {
        let message = "Failed 1 action: org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException: x\n\tat a.b(C.java:1)\n";
        let error = CallError::from_hbase_io_error(Some(message), Some(true));
        assert!(matches!(error, CallError::Refused(reason) if !reason.contains("C.java")));
    }

    #[test]
    fn missing_family_is_named_once() {
        let one = "NoSuchColumnFamilyException: Column family t does not exist in region a,b. in table 'a', {NAME => 'i'}: 1 time";
        let error = CallError::from_hbase_io_error(Some(&format!("{one}, {one}")), Some(true));
        assert_eq!(error, CallError::NoFamily(String::from("t")));
    }

    #[test]
    fn moving_region_is_transient() {
        let moving = CallError::from_hbase_io_error(Some("NotServingRegionException: x"), Some(true));
        assert!(matches!(moving, CallError::Unavailable(_)));
        assert!(matches!(CallError::from_hbase_io_error(None, None), CallError::Unavailable(_)));
    }
}

//! The exceptions of HBase's servers, and what a client does about them.

use super::frame::Damaged;
use super::proto::{ExceptionResponse, ForeignExceptionMessage, NameBytesPair};
use crate::science_db::java_exception::{first_lines, missing_family};

/// An exception that a server responded with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub(crate) struct ServerException {
    /// the Java class, without its package
    pub class: String,
    /// its message, without the stack trace
    pub message: String,
    /// the server says that a repetition would fail as well
    pub do_not_retry: bool,
    /// `host:port` of the server that has the region now, where the exception names it
    pub moved_to: Option<String>,
}

/// What to do about an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// find out which server has the region, and ask that one
    Locate,
    /// open a new scanner behind the last row
    OpenScanner,
    /// ask the same server again after a pause: it is overloaded, throttles the client, or starts
    Wait,
    /// ask `hbase:meta`: the table may be disabled or gone
    CheckTable,
    /// nothing: the request is refused
    Refuse,
}

/// The region is not at this server, or not at this server now.
const LOCATE: [&str; 8] = [
    "NotServingRegionException",
    "RegionMovedException",
    "RegionOfflineException",
    "RegionServerStoppedException",
    "RegionServerAbortedException",
    "WrongRegionException",
    "NoServerForRegionException",
    "ConnectionClosedException",
];

/// The region opens, and is at this server.
const OPENING: &str = "RegionOpeningException";

/// The scanner is gone, or it has lost its place.
const OPEN_SCANNER: [&str; 5] = [
    "UnknownScannerException",
    "ScannerResetException",
    "OutOfOrderScannerNextException",
    "LeaseException",
    "LeaseStillHeldException",
];

/// Subclasses of `DoNotRetryIOException` that a response to `Multi` may contain, where no flag says so.
const REFUSE: [&str; 10] = [
    "DoNotRetryIOException",
    "NoSuchColumnFamilyException",
    "AccessDeniedException",
    "FailedSanityCheckException",
    "InvalidFamilyOperationException",
    "ConstraintException",
    "CoprocessorException",
    "UnknownProtocolException",
    "QuotaExceededException",
    "SpaceLimitingException",
];

/// What else a server refuses for the moment only, though it says not to retry.
const WAIT: [&str; 4] =
    ["CallQueueTooBigException", "RegionTooBusyException", "RpcThrottlingException", "ServerNotRunningYetException"];

impl ServerException {
    /// An exception of the Java class `class`, with its message and stack trace.
    fn new(class: &str, stack_trace: &str) -> Self {
        let message = first_lines(stack_trace);
        let message = message.strip_prefix(class).map_or(message.as_str(), |rest| rest.trim_start_matches([':', ' ']));
        Self {
            class: class.rsplit(['.', '$']).next().unwrap_or(class).to_owned(),
            message: message.to_owned(),
            do_not_retry: false,
            moved_to: None,
        }
    }

    /// The column family that the table does not have, if that is the complaint.
    pub(crate) fn missing_family(&self) -> Option<String> {
        missing_family(&self.to_string()).map(str::to_owned)
    }

    /// Whether the user lacks a right.
    pub(crate) fn is_access_denied(&self) -> bool {
        self.class == "AccessDeniedException"
    }

    /// Whether the server has not begun with the call.
    pub(crate) fn is_before_execution(&self) -> bool {
        LOCATE.contains(&self.class.as_str()) || WAIT.contains(&self.class.as_str()) || self.class == OPENING
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> Remedy {
        let class = self.class.as_str();
        if LOCATE.contains(&class) {
            Remedy::Locate
        } else if OPEN_SCANNER.contains(&class) {
            Remedy::OpenScanner
        } else if class == OPENING || WAIT.contains(&class) {
            Remedy::Wait
        } else if class.starts_with("TableNot") {
            Remedy::CheckTable
        } else if self.do_not_retry || REFUSE.contains(&class) {
            Remedy::Refuse
        } else {
            Remedy::Wait
        }
    }
}

impl From<&ExceptionResponse> for ServerException {
    fn from(exception: &ExceptionResponse) -> Self {
        let moved_to = match (&exception.hostname, exception.port) {
            (Some(host), Some(port @ 1..=65535)) if !host.is_empty() => Some(format!("{host}:{port}")),
            _ => None,
        };
        Self {
            do_not_retry: exception.do_not_retry.unwrap_or(false),
            moved_to,
            ..Self::new(
                exception.exception_class_name.as_deref().unwrap_or("an exception"),
                exception.stack_trace.as_deref().unwrap_or_default(),
            )
        }
    }
}

/// The exception of one region or row of a `Multi`: its class, and its message and stack trace.
impl From<&NameBytesPair> for ServerException {
    fn from(exception: &NameBytesPair) -> Self {
        Self::new(&exception.name, &String::from_utf8_lossy(exception.value.as_deref().unwrap_or_default()))
    }
}

/// The exception of a procedure of the master.
impl From<&ForeignExceptionMessage> for ServerException {
    fn from(exception: &ForeignExceptionMessage) -> Self {
        let cause = exception.generic_exception.as_ref();
        let class = cause.and_then(|cause| cause.class_name.as_deref()).unwrap_or("an exception");
        let message = cause.and_then(|cause| cause.message.as_deref()).unwrap_or_default();
        Self { do_not_retry: true, ..Self::new(class, message) }
    }
}

/// Why a call has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// the connection cannot be made, or it broke
    #[error("{0}")]
    Disconnected(String),
    /// the server accepts connections, but does not speak TLS now
    #[error("{0}")]
    Handshake(String),
    /// TLS is not possible with the certificates of the server and the client
    #[error("{0}")]
    Untrusted(String),
    /// the server did not respond in time
    #[error("{0}")]
    TimedOut(String),
    /// the server does not speak HBase's RPC, or a frame is damaged
    #[error("{0}")]
    Protocol(String),
    /// the server refuses the connection, before any call
    #[error("{0}")]
    Rejected(ServerException),
    /// the server responded with an exception
    #[error("{0}")]
    Exception(ServerException),
    /// a write that must not be repeated may have been done or not
    #[error("{0}; the write may have been done or not")]
    OutcomeUnknown(String),
}

impl CallError {
    /// The error of a read or write on a connection.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::TimedOut => Self::TimedOut(error.to_string()),
            std::io::ErrorKind::PermissionDenied => Self::Untrusted(error.to_string()),
            _ => Self::Disconnected(error.to_string()),
        }
    }

    /// Whether the connection cannot be used any more.
    pub(crate) fn breaks_connection(&self) -> bool {
        !matches!(self, Self::Exception(_) | Self::OutcomeUnknown(_))
    }
}

impl From<Damaged> for CallError {
    fn from(error: Damaged) -> Self {
        Self::Protocol(error.0)
    }
}

impl From<prost::DecodeError> for CallError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Protocol(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(class: &str, trace: &str, do_not_retry: bool) -> ServerException {
        ServerException::from(&ExceptionResponse {
            exception_class_name: Some(class.to_owned()),
            stack_trace: Some(trace.to_owned()),
            do_not_retry: Some(do_not_retry),
            ..ExceptionResponse::default()
        })
    }

    #[test]
    fn exception_is_named_without_package_and_stack_trace() {
        let class = "org.apache.hadoop.hbase.NotServingRegionException";
        let exception = response(class, &format!("{class}: t,,1.x. is not online\n\tat a.b(C.java:1)\n"), false);
        assert_eq!(exception.to_string(), "NotServingRegionException: t,,1.x. is not online");
        assert_eq!(exception.remedy(), Remedy::Locate);
    }

    #[test]
    fn moved_region_names_its_server() {
        let exception = ExceptionResponse {
            exception_class_name: Some("org.apache.hadoop.hbase.exceptions.RegionMovedException".into()),
            hostname: Some("there".into()),
            port: Some(16020),
            ..ExceptionResponse::default()
        };
        let exception = ServerException::from(&exception);
        assert_eq!((exception.moved_to.as_deref(), exception.remedy()), (Some("there:16020"), Remedy::Locate));
    }

    #[test]
    fn remedies_follow_class_and_flag() {
        let remedy = |class: &str, do_not_retry| response(&format!("a.b.{class}"), "", do_not_retry).remedy();
        assert_eq!(remedy("CallQueueTooBigException", false), Remedy::Wait);
        assert_eq!(remedy("RpcThrottlingException", true), Remedy::Wait);
        assert_eq!(remedy("OutOfOrderScannerNextException", true), Remedy::OpenScanner);
        assert_eq!(remedy("TableNotFoundException", true), Remedy::CheckTable);
        assert_eq!(remedy("UnheardOfException", true), Remedy::Refuse);
        assert_eq!(remedy("UnheardOfException", false), Remedy::Wait);
        let pair = NameBytesPair { name: "a.NoSuchColumnFamilyException".into(), value: Some(b"x".to_vec()) };
        assert_eq!(ServerException::from(&pair).remedy(), Remedy::Refuse);
    }
}

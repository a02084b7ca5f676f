//! Errors of filters.

use std::time::Duration;

use super::name::{FilterName, FilterNameError};

/// Why a parameter cannot be resolved to a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// `suggestion`: empty, or the end of the message, which names similar columns
    #[error("the alerts have no column `{argument}`{suggestion}")]
    Unknown { argument: String, suggestion: String },
    #[error("the argument `{argument}` may be `{}`: name it as one of them with `_` in place of `.`", .candidates.join("`, `"))]
    Ambiguous { argument: String, candidates: Vec<String> },
    /// pandas has no type for the column
    #[error("the argument `{argument}` is the column `{column}`, and {reason}")]
    Unsupported { argument: String, column: String, reason: String },
}

/// Why filters cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Name(#[from] FilterNameError),
    #[error(
        "cannot start `{python}`: {reason}: set filters.python to an interpreter that has pandas, pyarrow and the filters"
    )]
    PythonNotStarted { python: String, reason: std::io::Error },
    /// the interpreter starts, but the worker does not: a package is missing, for example
    #[error("`{python}` cannot run filters: {reason}")]
    WorkerNotReady { python: String, reason: String },
    #[error("filter `{filter}`: {reason}")]
    ImportFailed { filter: FilterName, reason: String },
    #[error("filter `{filter}`: {source}")]
    Argument { filter: FilterName, source: ResolveError },
    /// and `on_error` is `stop`
    #[error("filter `{filter}`: {reason}")]
    CallFailed { filter: FilterName, reason: String },
    #[error(
        "filter workers were restarted {restarts} times within {}: fix or remove the filter; the last restart: {last}",
        crate::units::format_duration(*.within)
    )]
    TooManyRestarts { restarts: usize, within: Duration, last: String },
    #[error("cannot encode a request to a filter worker: {0}")]
    Encode(String),
    #[error("filter `{filter}` returned no result for an alert; please report this")]
    MissingResult { filter: FilterName },
    #[error("a thread that calls filters panicked; please report this")]
    Panicked,
    #[error("cancelled while waiting for a filter")]
    Cancelled,
}

impl FilterError {
    /// Whether settings or filters are wrong, rather than a call failed.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Name(_)
                | Self::PythonNotStarted { .. }
                | Self::WorkerNotReady { .. }
                | Self::ImportFailed { .. }
                | Self::Argument { .. }
        )
    }
}

//! What is wrong with filters.

use std::time::Duration;

use super::name::{FilterName, FilterNameError};

/// Why an argument cannot be given its column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// nothing has that name
    #[error("the alerts have no column `{argument}`{suggestion}")]
    Unknown {
        /// the argument
        argument: String,
        /// the end of the message: empty, or a question that names similar columns
        suggestion: String,
    },
    /// several have
    #[error("the argument `{argument}` may be `{}`: name it as one of them with `_` in place of `.`", .candidates.join("`, `"))]
    Ambiguous {
        /// the argument
        argument: String,
        /// dotted names
        candidates: Vec<String>,
    },
    /// the column is of no use to Python
    #[error("the argument `{argument}` is the column `{column}`, and {reason}")]
    Unfit {
        /// the argument
        argument: String,
        /// its column
        column: String,
        /// why not
        reason: String,
    },
}

/// Why filters cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// no name of a filter
    #[error(transparent)]
    Name(#[from] FilterNameError),
    /// the interpreter does not start
    #[error(
        "cannot start `{python}`: {reason}: set filters.python to an interpreter that has pandas, pyarrow and the filters"
    )]
    NoPython {
        /// as configured
        python: String,
        /// what the system says
        reason: std::io::Error,
    },
    /// the interpreter starts, and a worker does not
    #[error("no filter can be run by `{python}`: {reason}")]
    NoWorker {
        /// as configured
        python: String,
        /// what is missing, and what to do
        reason: String,
    },
    /// a filter is not there, or cannot be imported
    #[error("filter `{filter}`: {reason}")]
    NoFilter {
        /// which
        filter: FilterName,
        /// why, with the traceback where there is one
        reason: String,
    },
    /// an argument is no column
    #[error("filter `{filter}`: {source}")]
    Argument {
        /// which
        filter: FilterName,
        /// why
        source: ResolveError,
    },
    /// a filter failed, and `on_error` is stop
    #[error("filter `{filter}`: {reason}")]
    Failed {
        /// which
        filter: FilterName,
        /// how, with the traceback where there is one
        reason: String,
    },
    /// workers end one after the other
    #[error(
        "filter workers were restarted {restarts} times within {}: mend or remove the filter; the last time {last}",
        crate::config::format_duration(*.within)
    )]
    TooManyRestarts {
        /// how often
        restarts: usize,
        /// within which time
        within: Duration,
        /// what happened the last time
        last: String,
    },
    /// columns could not be put into Arrow's form
    #[error("the columns for the filters cannot be sent to a worker: {0}")]
    Arrow(String),
    /// the caller gave up
    #[error("stopped while waiting for a filter")]
    Stopped,
}

impl FilterError {
    /// Whether the user's settings or filters are at fault before anything was read.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Name(_)
                | Self::NoPython { .. }
                | Self::NoWorker { .. }
                | Self::NoFilter { .. }
                | Self::Argument { .. }
        )
    }
}

//! The exit codes of what goes wrong.

use crate::cli::outcome::{UsageError, stdout_error};
use crate::consume::ConsumeError;

/// Gives faults of the arguments their exit code.
pub(crate) fn command_error(error: ConsumeError) -> anyhow::Error {
    match error {
        ConsumeError::Usage(reason) => UsageError(reason).into(),
        ConsumeError::Stdout(error) => stdout_error(error),
        error => error.into(),
    }
}

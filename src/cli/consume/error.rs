//! The exit codes of what goes wrong.

use crate::cli::outcome::{UsageError, stdout_error};
use crate::consume::ConsumeError;
use crate::messages::SchemaSetError;

/// Gives faults of the arguments their exit code.
pub(crate) fn command_error(error: impl Into<ConsumeError>) -> anyhow::Error {
    match error.into() {
        ConsumeError::Usage(reason) | ConsumeError::Schemas(SchemaSetError::Invalid(reason)) => {
            UsageError(reason).into()
        }
        ConsumeError::Stdout(error) => stdout_error(error),
        error => error.into(),
    }
}

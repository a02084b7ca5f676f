//! The exit code and the error message of a command.

use std::io;

use crate::catalog::CatalogError;
use crate::config::ConfigErrors;
use crate::rules::RulesError;
use crate::signals::INTERRUPTED;

/// Invalid arguments that clap does not detect. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// A signal interrupted the command. Exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Another process has taken over the distribution. Exit code 3: a supervisor must not start it again, which would end the other one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fenced(pub String);

/// The exit code of [`Fenced`].
const FENCED: u8 = 3;

/// The outcome of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// exit code 0
    Done,
    /// any other exit code
    Failed {
        /// the exit code
        code: u8,
        /// for stderr, with its line breaks
        message: String,
    },
}

impl Outcome {
    /// The outcome of a result. A closed stdout is a normal end: the reader, such as `head`, needs no more.
    pub fn from_result(result: anyhow::Result<()>) -> Self {
        let Err(error) = result else { return Self::Done };
        let is = |wanted: fn(&(dyn std::error::Error + 'static)) -> bool| error.chain().any(wanted);
        if is(|cause| cause.downcast_ref::<ClosedStdout>().is_some()) {
            return Self::Done;
        }
        let code = if is(|cause| cause.is::<Interrupted>()) {
            INTERRUPTED
        } else if is(|cause| cause.is::<Fenced>()) {
            FENCED
        } else if is(|cause| cause.is::<ConfigErrors>() || cause.is::<UsageError>())
            || is(|cause| cause.is::<CatalogError>() || cause.is::<RulesError>())
        {
            2
        } else {
            1
        };
        let text = format!("{error:#}");
        let message = text.lines().map(|line| format!("error: {line}\n")).collect();
        Self::Failed { code, message }
    }
}

/// The reader of stdout has closed it.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
pub(super) struct ClosedStdout;

/// Maps a failed write to stdout: a closed pipe is not a failure.
pub(super) fn stdout_error(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ClosedStdout.into(),
        _ => anyhow::Error::new(error).context("cannot write to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

    fn code(error: anyhow::Error) -> u8 {
        match Outcome::from_result(Err(error)) {
            Outcome::Done => 0,
            Outcome::Failed { code, .. } => code,
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_code() {
        let config = ConfigErrors::from(ConfigError::Unreadable { path: "x".into(), reason: "y".to_owned() });
        assert_eq!(Outcome::from_result(Ok(())), Outcome::Done);
        assert_eq!(code(anyhow::anyhow!("broken")), 1);
        assert_eq!(code(anyhow::Error::new(config).context("while starting")), 2);
        assert_eq!(code(UsageError("no".to_owned()).into()), 2);
        assert_eq!(code(anyhow::Error::new(Interrupted).context("after 3 alerts")), 130);
        assert_eq!(code(Fenced("another fink has taken over".to_owned()).into()), 3);
        assert_eq!(code(stdout_error(io::ErrorKind::BrokenPipe.into())), 0);
        assert_eq!(code(stdout_error(io::ErrorKind::StorageFull.into())), 1);
    }

    #[test]
    fn a_broken_pipe_elsewhere_is_a_failure() {
        assert_eq!(code(io::Error::from(io::ErrorKind::BrokenPipe).into()), 1);
    }
}

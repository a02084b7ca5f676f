//! Parses the command line, runs the command and maps errors to exit codes.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use fink::cli::{Cli, Outcome, PipedStderr};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match Outcome::from_result(cli.run()) {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Failed { code, message } => {
                // If stderr is closed, the exit code is all that can be reported.
                let _unheard = match std::io::stderr().is_terminal() {
                    true => std::io::stderr().write_all(message.as_bytes()),
                    false => PipedStderr::default().write_all(message.as_bytes()),
                };
                ExitCode::from(code)
            }
        },
        Err(error) => error.exit(),
    }
}

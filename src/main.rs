//! Parses the command line, runs the command and maps errors to exit codes.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use fink::cli::{Cli, Outcome};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match Outcome::from_result(cli.run()) {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Failed { code, message } => {
                // If stderr is closed, the exit code is all that can be reported.
                let _unheard = std::io::stderr().write_all(message.as_bytes());
                ExitCode::from(code)
            }
        },
        Err(error) => error.exit(),
    }
}

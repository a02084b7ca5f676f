//! The program: parses the command line, runs the command, turns errors into exit codes.

use std::process::ExitCode;

use clap::Parser;
use fink::cli::{Cli, Outcome};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match Outcome::of(cli.run()) {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Failed { code, message } => {
                eprint!("{message}");
                ExitCode::from(code)
            }
        },
        Err(error) => error.exit(),
    }
}

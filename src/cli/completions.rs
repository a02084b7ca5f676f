//! `fink completions`: shell completions.

use clap::{Args as ClapArgs, Command};
use clap_complete::Shell;

use super::output;

/// `fink completions`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example: fink completions bash > ~/.local/share/bash-completion/completions/fink")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions of `command`, the whole command line.
pub(super) fn run(args: &Args, command: &mut Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "fink", &mut script);
    output::print(&script)
}

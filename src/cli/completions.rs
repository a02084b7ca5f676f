//! `fink completions`: shell completions.

use clap::Args as ClapArgs;
use clap_complete::Shell;

use super::output;

/// `fink completions`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example: fink completions bash > ~/.local/share/bash-completion/completions/fink")]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "fink", &mut script);
    output::print(&script)
}

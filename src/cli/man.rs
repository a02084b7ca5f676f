//! `fink man`: man pages.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args as ClapArgs, Command, ValueHint};
use clap_mangen::Man;

use super::outcome::UsageError;
use super::output;

/// `fink man`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples: fink man config show | man -l -
          fink man --out ~/.local/share/man/man1")]
pub struct Args {
    /// The command whose page to print, such as: config show
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    path: Vec<String>,
    /// Write all pages to this directory, which is created if it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Prints or writes the man pages of `command`, the whole command line.
pub(super) fn run(args: &Args, command: Command) -> anyhow::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    if let Some(folder) = &args.out {
        let shown = folder.display();
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create the directory {shown}"))?;
        command.build();
        write_all(&command, folder).with_context(|| format!("cannot write to {shown}"))?;
        log::info!("wrote the pages to {shown}");
        return Ok(());
    }
    command.build();
    let mut page = &command;
    for name in &args.path {
        let found = page.find_subcommand(name);
        page = found.ok_or_else(|| {
            UsageError(format!("`{}` has no command `{name}`", page.get_display_name().unwrap_or("fink")))
        })?;
    }
    let mut text = Vec::new();
    manual(page).render(&mut text).context("cannot write the page")?;
    output::print(&text)
}

fn manual(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("fink ", env!("CARGO_PKG_VERSION"))).manual("fink")
}

fn write_all(command: &Command, folder: &Path) -> std::io::Result<()> {
    manual(command).generate_to(folder)?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_all(command, folder))
}

//! `fink config`: the settings and their sources; a commented configuration file.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueHint};
use serde_json::Value;

use super::context::Context;
use super::distribution::command_error;
use super::outcome::UsageError;
use super::output::{OutputArgs, Table};
use crate::atomic_file;
use crate::cancel::CancellationToken;
use crate::config::{RequiredLogin, example_toml};
use crate::distribution::{Request, check_settings};

pub(super) const AFTER_HELP: &str = "\
Precedence: flag, environment variable, configuration file, default. The variable of a key is FINK_ and the
key in capitals: FINK_SCIENCE_DB_ADDRESS for science_db.address, FINK_STREAM_FULL_TOPIC for the topic of the
stream `full`. An empty variable counts as unset. Relative paths in the file are relative to its directory,
all others to the working directory.";

/// `fink config …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print every setting and its source; secrets are hidden
    #[command(after_help = "Example: fink config show --format json")]
    Show(Show),
    /// Check the configuration, with catalog, rules, schemas and filters, without connecting to a server
    #[command(after_help = "Example: fink config check && systemctl kill --signal=HUP fink-distribution")]
    Check,
    /// Write a commented configuration file
    #[command(after_help = "Example: fink config init conf/fink.toml")]
    Init(Init),
}

/// `fink config show`
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    output: OutputArgs,
}

/// `fink config init`
#[derive(Debug, Args)]
pub struct Init {
    /// The file to write
    #[arg(default_value = "fink.toml", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    match action {
        Action::Show(args) => show(args, context),
        Action::Check => check(context),
        Action::Init(args) => init(args),
    }
}

/// Checks what a start, or a reload, would refuse.
fn check(context: &Context) -> anyhow::Result<()> {
    let configuration = context.configuration()?;
    let settings = configuration.settings(RequiredLogin::User)?;
    check_settings(&settings, &Request::default(), &CancellationToken::new()).map_err(command_error)?;
    let streams: Vec<&str> = settings.streams.iter().map(|stream| stream.name.as_str()).collect();
    log::info!("the configuration is valid; streams: {}", streams.join(", "));
    Ok(())
}

fn show(args: &Show, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&["key", "value", "source", "place"]);
    for entry in context.configuration()?.entries {
        let place = entry.origin.place().map_or(Value::Null, Value::from);
        table.row([Value::from(entry.key), entry.value, Value::from(entry.origin.kind()), place]);
    }
    table.print(args.output.format, context)
}

/// The configuration file that FINK_CONFIG names, if it is another one than `file`.
fn named_elsewhere(file: &Path) -> Option<PathBuf> {
    let other = PathBuf::from(std::env::var_os("FINK_CONFIG").filter(|value| !value.is_empty())?);
    let is_same = match (file.canonicalize(), other.canonicalize()) {
        (Ok(file), Ok(other)) => file == other,
        _ => false,
    };
    (!is_same).then_some(other)
}

fn init(args: &Init) -> anyhow::Result<()> {
    let shown = args.file.display();
    let text = example_toml();
    let written = match args.force {
        true => atomic_file::replace(&args.file, text.as_bytes()),
        false => File::create_new(&args.file).and_then(|mut file| file.write_all(text.as_bytes())),
    };
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(UsageError(format!("{shown} already exists: name another file, or use --force to overwrite it")).into())
        }
        written => {
            written.with_context(|| format!("cannot write {shown}"))?;
            log::info!("wrote {shown}");
            if let Some(other) = named_elsewhere(&args.file) {
                log::warn!(
                    "FINK_CONFIG names {}, so other commands do not read {shown}: unset it, or use `fink -c {shown} …`",
                    other.display()
                );
            }
            Ok(())
        }
    }
}

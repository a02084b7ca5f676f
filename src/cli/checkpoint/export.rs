//! `fink checkpoint export`: writes checkpoints to a file.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args as ClapArgs, ValueHint};

use super::access::{LONG_SILENCE, LoginArgs};
use crate::atomic_file;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::distribution::checkpoint_transfer::{export, read_writers};
use crate::kafka::checkpoint;

/// `fink checkpoint export`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example: fink checkpoint export fink-checkpoint.json

Refused while the service or a job runs. Do not start it again before the file is imported elsewhere: alerts that it publishes meanwhile would be
published twice. The file is JSON, see docs/operate.md.")]
pub struct Args {
    /// The file to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    login: LoginArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let shown = args.file.display();
    if args.file.exists() && !args.force {
        return Err(
            UsageError(format!("{shown} already exists: name another file, or use --force to overwrite it")).into()
        );
    }
    let access = args.login.open(context)?;
    let name = &access.settings.distribution.name;
    let topic = checkpoint::topic_of(name);
    let before = read_writers(&access.admin, &topic, access.stop.token())?;
    if before.is_empty() {
        bail!("topic `{topic}` holds no checkpoint");
    }
    access.require_stopped(name, &before, LONG_SILENCE)?;
    // An open transaction has ended meanwhile.
    let writers = read_writers(&access.admin, &topic, access.stop.token())?;
    let file = export(name, &writers)?;
    let content = file.to_json()?;
    atomic_file::replace(&args.file, &content).with_context(|| format!("cannot write {shown}"))?;
    log::info!("wrote {shown}: {} checkpoints of distribution `{name}`", file.checkpoints().len());
    Ok(())
}

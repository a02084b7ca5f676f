//! `fink checkpoint import`: reads checkpoints from a file.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueHint};

use super::access::{LoginArgs, SILENCE, plan_table};
use crate::cli::context::Context;
use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::output::OutputArgs;
use crate::distribution::checkpoint_transfer::{CheckpointFile, Transfer};

/// `fink checkpoint import`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink checkpoint import fink-checkpoint.json --dry-run
          fink --set distribution.name=fink_lsst checkpoint import fink-checkpoint.json

The checkpoints get the name distribution.name, on the brokers of kafka.bootstrap_servers. The command is refused while a process writes them, and,
without --replace, if they exist. A process that was suspended is fenced. Keep the topics of streams with transactions = false empty until then.")]
pub struct Args {
    /// The file that `fink checkpoint export` has written
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Delete checkpoints of the same writers that exist
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let shown = args.file.display();
    let text = std::fs::read(&args.file).with_context(|| format!("cannot read {shown}"))?;
    let file = CheckpointFile::parse(&args.file, &text)?;
    let access = args.login.open(context)?;
    let distribution = &access.settings.distribution;
    let transfer = Transfer {
        settings: &access.settings.kafka,
        admin: &access.admin,
        target: &distribution.name,
        topic_spec: distribution.checkpoint_spec(),
        replaces: args.replace,
        token: access.stop.token(),
    };
    let plan = transfer.plan(file.checkpoints())?;
    let table = plan_table(&plan)?;
    if !args.confirm.dry_run {
        access.require_stopped(&distribution.name, &plan.existing, SILENCE)?;
    }
    let question = format!(
        "Import these checkpoints, exported from distribution {} at {}, as distribution {}?",
        file.distribution, file.exported, distribution.name
    );
    if !args.confirm.ask_or_print(&table, &question, args.output.format, context)? {
        return Ok(());
    }
    transfer.import(&plan)?;
    table.print(args.output.format, context)?;
    log::info!("imported {} checkpoints as distribution `{}`", plan.writers.len(), distribution.name);
    Ok(())
}

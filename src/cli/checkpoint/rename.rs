//! `fink checkpoint move`: gives the checkpoints to another distribution.name.

use anyhow::bail;
use clap::Args as ClapArgs;

use super::access::{LoginArgs, SILENCE, plan_table};
use crate::cli::context::Context;
use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::outcome::UsageError;
use crate::cli::output::OutputArgs;
use crate::distribution::checkpoint_transfer::{Transfer, read_writers};
use crate::kafka::checkpoint;
use crate::topic::Topic;

/// `fink checkpoint move`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink checkpoint move --to-name fink_ztf --dry-run
          fink checkpoint move --to-name fink_ztf --as-admin

In one transaction: the checkpoints are written under the new name and deleted under the old one, where a start then fails and names the new one.
Refused while the service or a job runs; a process that was suspended is fenced. The user needs the permissions of both names.")]
pub struct Args {
    /// The new distribution.name
    #[arg(long, value_name = "NAME", value_parser = distribution_name)]
    to_name: String,
    /// Delete checkpoints of the same writers that the new name has
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

fn distribution_name(text: &str) -> Result<String, String> {
    match checkpoint::topic_of(text).parse::<Topic>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("it is part of the name of the checkpoint topic, and {error}")),
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let access = args.login.open(context)?;
    let name = &access.settings.distribution.name;
    if *name == args.to_name {
        return Err(UsageError(format!("distribution.name is `{name}` already: give another --to-name")).into());
    }
    let topic = checkpoint::topic_of(name);
    let transfer = Transfer {
        settings: &access.settings.kafka,
        admin: &access.admin,
        target: &args.to_name,
        topic_spec: access.settings.distribution.checkpoint_spec(),
        replaces: args.replace,
        token: access.stop.token(),
    };
    let found = read_writers(&access.admin, &topic, access.stop.token())?;
    if let Some(to) = found.iter().find_map(|writer| writer.moved_to())
        && found.iter().all(|writer| writer.moved_to().is_some())
    {
        bail!("the checkpoint of distribution `{name}` was moved to `{to}` before");
    }
    if found.is_empty() {
        bail!("topic `{topic}` holds no checkpoint");
    }
    let plan = transfer.plan(found)?;
    let table = plan_table(&plan)?;
    if !args.confirm.dry_run {
        access.require_stopped(name, &plan.writers, SILENCE)?;
        access.require_stopped(&args.to_name, &plan.existing, SILENCE)?;
    }
    let question = format!("Move these checkpoints from distribution {name} to {}?", args.to_name);
    if !args.confirm.ask_or_print(&table, &question, args.output.format, context)? {
        return Ok(());
    }
    transfer.move_from(name, &plan)?;
    table.print(args.output.format, context)?;
    log::info!(
        "moved {} checkpoints; start the service with distribution.name = \"{}\"",
        plan.writers.len(),
        args.to_name
    );
    Ok(())
}

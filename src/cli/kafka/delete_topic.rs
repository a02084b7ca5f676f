//! `fink kafka delete-topic`: topics with everything in them.

use serde_json::Value;

use super::confirm::ConfirmArgs;
use super::outcomes::Outcomes;
use super::{admin, names, wait_until_visible};
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::{Admin, Error, checkpoint};

/// `fink kafka delete-topic`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka delete-topic fink_old
          fink kafka delete-topic fink_old fink_older --yes")]
pub struct Args {
    /// The topics
    #[arg(required = true, value_name = "NAME", value_parser = names::topic)]
    names: Vec<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wanted = names::distinct(&args.names);
    if let Some(own) = wanted.iter().find(|name| name.starts_with("__")) {
        return Err(UsageError(format!(
            "`{own}` is Kafka's own: without it the cluster forgets positions or transactions"
        ))
        .into());
    }
    let admin = admin(context)?;
    let mut outcomes = Outcomes::default();
    let mut found: Vec<(String, Option<i64>)> = Vec::new();
    for name in wanted {
        match admin.partitions(&name)? {
            Some(partitions) => {
                let messages = messages(&admin, &name, partitions);
                if checkpoint::is_checkpoint(&name) {
                    log::warn!("`{name}` is a distribution's checkpoint: without it that distribution begins anew");
                }
                found.push((name, messages));
            }
            None => {
                outcomes.record(
                    &Err(format!("topic `{name}` does not exist: `fink kafka list-topics` lists those that do")),
                    "",
                );
            }
        }
    }
    let mut plan = Table::new(&["topic", "messages", "result"]);
    for (name, messages) in &found {
        plan.row([Value::from(name.as_str()), (*messages).into(), "would be deleted".into()]);
    }
    let question = "Delete these topics and all messages in them?";
    if !args.confirm.ask_or_print(&plan, question, args.output.format, context)? {
        return outcomes.finish("topics");
    }
    let mut table = Table::new(&["topic", "messages", "result"]);
    for (name, messages) in &found {
        let result = admin.delete_topic(name);
        table.row([Value::from(name.as_str()), (*messages).into(), outcomes.record(&result, "deleted").into()]);
        if result.is_ok() {
            wait_until_visible(|| Ok(admin.partitions(name)?.is_none()))?;
        }
    }
    table.print(args.output.format, context)?;
    outcomes.finish("topics")
}

/// About how many messages a topic holds; `None`: not known.
fn messages(admin: &Admin, topic: &str, partitions: i32) -> Option<i64> {
    let of = |partition| admin.offsets(topic, partition).map(|(first, end)| end - first);
    (0..partitions).map(of).sum::<Result<i64, Error>>().ok()
}

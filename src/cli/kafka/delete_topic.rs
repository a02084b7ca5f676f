//! `fink kafka delete-topic`: deletes topics and their messages.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::{admin, wait_until_visible};
use super::confirm::ConfirmArgs;
use super::names;
use super::outcomes::Outcomes;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::{Admin, Error, checkpoint};

const COLUMNS: &[&str] = &["topic", "messages", "result"];

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
    let names = names::distinct(&args.names);
    if let Some(internal) = names.iter().find(|name| name.starts_with("__")) {
        let reason = format!(
            "`{internal}` is internal to Kafka: without it the cluster loses committed offsets or transactions"
        );
        return Err(UsageError(reason).into());
    }
    let admin = admin(context)?;
    let mut outcomes = Outcomes::default();
    let mut existing: Vec<String> = Vec::new();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    for topic in admin.describe_topics(&wanted)? {
        match topic.error {
            None => {
                if checkpoint::is_checkpoint(&topic.name) {
                    log::warn!("`{}` is the checkpoint of a distribution, which starts anew without it", topic.name);
                }
                existing.push(topic.name);
            }
            Some(Error::UnknownTopic { topic, .. }) => {
                outcomes.fail(format!("topic `{topic}` does not exist: `fink kafka list-topics` lists the topics"));
            }
            Some(error) => return Err(error.into()),
        }
    }
    let messages = messages(&admin, &existing);
    let mut plan = Table::new(COLUMNS);
    for name in &existing {
        plan.row([Value::from(name.as_str()), messages.get(name).copied().into(), "would be deleted".into()]);
    }
    let question = "Delete these topics and their messages?";
    if !args.confirm.ask_or_print(&plan, question, args.output.format, context)? {
        return outcomes.finish("topics");
    }
    let mut table = Table::new(COLUMNS);
    for name in &existing {
        let error = admin.delete_topic(name).err();
        let is_deleted = error.is_none();
        let result = outcomes.record(error, "deleted");
        table.row([Value::from(name.as_str()), messages.get(name).copied().into(), result.into()]);
        if is_deleted {
            wait_until_visible(|| Ok(admin.partitions(name)?.is_none()))?;
        }
    }
    table.print(args.output.format, context)?;
    outcomes.finish("topics")
}

/// The approximate number of messages of each topic; empty where it cannot be determined.
fn messages(admin: &Admin, topics: &[String]) -> BTreeMap<String, i64> {
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut messages = BTreeMap::new();
    for partition in admin.watermarks(&topics).unwrap_or_default() {
        *messages.entry(partition.topic).or_insert(0) += partition.high - partition.low;
    }
    messages
}

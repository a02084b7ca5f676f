//! `fink kafka list-groups`: lists consumer groups and their lag.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::admin;
use super::names;
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::group_offsets::{GroupPartition, group_partitions};

/// `fink kafka list-groups`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka list-groups
          fink kafka list-groups alice --topic fink_outstream --format json

LAG is the number of offsets between the committed one and the last stable one, over all partitions: consumers cannot read yet what an open
transaction holds back. It counts aborted messages and transaction markers, as Kafka's own tools do.")]
pub struct Args {
    /// Only groups with this prefix
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Only groups that read this topic, and their lag on it
    #[arg(long, value_name = "TOPIC", value_parser = names::topic)]
    topic: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let admin = admin(context)?;
    let names: Vec<String> = admin.list_groups()?.into_iter().filter(|name| name.starts_with(&args.prefix)).collect();
    let groups = admin.describe_groups(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let partitions = group_partitions(&admin, &groups)?;
    let mut table = Table::new(&["group", "type", "state", "members", "topics", "lag"]);
    for (group, partitions) in groups.iter().zip(&partitions) {
        let is_chosen =
            |partition: &&GroupPartition| args.topic.as_ref().is_none_or(|topic| partition.watermarks.topic == *topic);
        let partitions: Vec<&GroupPartition> = partitions.iter().filter(is_chosen).collect();
        // A group may end between two requests.
        if group.is_dead() || (args.topic.is_some() && partitions.is_empty()) {
            continue;
        }
        let topics: BTreeSet<&str> = partitions.iter().map(|partition| partition.watermarks.topic.as_str()).collect();
        table.row([
            Value::from(group.name.as_str()),
            group.group_type.to_lowercase().into(),
            group.state.as_str().into(),
            group.members.len().into(),
            topics.into_iter().collect::<Vec<_>>().into(),
            total_lag(partitions.iter().copied()).into(),
        ]);
    }
    table.print(args.output.format, context)
}

/// The lag over partitions; `None`: no offset is committed.
pub(super) fn total_lag<'a>(partitions: impl Iterator<Item = &'a GroupPartition>) -> Option<i64> {
    partitions.filter_map(GroupPartition::lag).fold(None, |sum, lag| Some(sum.unwrap_or(0) + lag))
}

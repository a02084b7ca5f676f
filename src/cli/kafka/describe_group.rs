//! `fink kafka describe-group`: describes a consumer group.

use serde_json::{Value, json};

use super::client::admin;
use super::list_groups::total_lag;
use super::names;
use crate::cli::context::Context;
use crate::cli::output::{self, Format, OutputArgs, Table};
use crate::kafka::Error;
use crate::kafka::group::{GroupDescription, GroupMember};
use crate::kafka::group_offsets::{GroupPartition, group_partitions};

/// `fink kafka describe-group`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka describe-group alice_fink
          fink kafka describe-group alice_fink --format json

END is the last stable offset, up to which consumers can read, and LAG what is between the committed offset and END. HIGH is the high watermark:
where it is above END, a transaction is open. A partition without a committed offset has no lag.")]
pub struct Args {
    /// The group
    #[arg(value_name = "GROUP", value_parser = names::group)]
    name: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let admin = admin(context)?;
    let group = admin.describe_group(&args.name)?;
    let partitions = group_partitions(&admin, std::slice::from_ref(&group))?.pop().unwrap_or_default();
    if group.is_dead() && partitions.is_empty() {
        return Err(unknown(&args.name).into());
    }
    match args.output.format {
        Format::Table => show(&group, &partitions, context),
        Format::Json => output::print_json(&document(&group, &partitions), true),
        Format::Ndjson => output::print_json(&document(&group, &partitions), false),
    }
}

/// The error for a group that does not exist.
pub(super) fn unknown(name: &str) -> Error {
    Error::Other {
        doing: format!("consumer group `{name}`"),
        reason: "it does not exist: `fink kafka list-groups` lists the groups".to_owned(),
        transient: false,
    }
}

fn show(group: &GroupDescription, partitions: &[GroupPartition], context: &Context) -> anyhow::Result<()> {
    let lag = total_lag(partitions.iter()).map_or("unknown".to_owned(), |lag| lag.to_string());
    let mut heading = format!("{}, state: {}, members: {}, lag: {lag}", group.name, group.state, group.members.len());
    if !group.assignor.is_empty() {
        heading += &format!(", assignor: {}", group.assignor);
    }
    let mut heading = crate::escape::escape(&heading).into_owned();
    heading += "\n\n";
    output::print(heading.as_bytes())?;
    let mut table = Table::new(&["topic", "part", "committed", "end", "lag", "high", "client id", "host"]);
    for partition in partitions {
        let member = partition.member.map(|index| &group.members[index]);
        table.row([
            Value::from(partition.watermarks.topic.as_str()),
            partition.watermarks.partition.into(),
            partition.committed.into(),
            partition.watermarks.last_stable.into(),
            partition.lag().into(),
            partition.watermarks.high.into(),
            member.map(|member| member.client_id.as_str()).into(),
            member.map(|member| member.host.as_str()).into(),
        ]);
    }
    table.print(Format::Table, context)?;
    let idle: Vec<&GroupMember> = group.members.iter().filter(|member| member.partitions.is_empty()).collect();
    if !idle.is_empty() {
        output::print(b"\nMembers without a partition:\n\n")?;
        let mut table = Table::new(&["client id", "host"]);
        for member in idle {
            table.row([Value::from(member.client_id.as_str()), member.host.as_str().into()]);
        }
        table.print(Format::Table, context)?;
    }
    Ok(())
}

fn document(group: &GroupDescription, partitions: &[GroupPartition]) -> Value {
    let members = group.members.iter().map(|member| {
        let partition = |(topic, number): &(String, i32)| json!({ "topic": topic, "partition": number });
        json!({
            "member_id": member.id,
            "client_id": member.client_id,
            "host": member.host,
            "partitions": member.partitions.iter().map(partition).collect::<Vec<_>>(),
        })
    });
    let rows = partitions.iter().map(|partition| {
        json!({
            "topic": partition.watermarks.topic,
            "partition": partition.watermarks.partition,
            "committed": partition.committed,
            "end": partition.watermarks.last_stable,
            "lag": partition.lag(),
            "high": partition.watermarks.high,
            "member_id": partition.member.map(|index| &group.members[index].id),
        })
    });
    json!({
        "group": group.name,
        "type": group.group_type.to_lowercase(),
        "state": group.state,
        "assignor": group.assignor,
        "lag": total_lag(partitions.iter()),
        "members": members.collect::<Vec<_>>(),
        "partitions": rows.collect::<Vec<_>>(),
    })
}

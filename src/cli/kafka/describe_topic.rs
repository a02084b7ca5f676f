//! `fink kafka describe-topic`: describes a topic.

use serde_json::{Value, json};

use super::client::admin;
use super::names;
use crate::cli::context::Context;
use crate::cli::output::{self, Format, OutputArgs, Table};
use crate::kafka::topics::{PartitionDescription, TopicConfigEntry};
use crate::kafka::{Admin, Error};

/// `fink kafka describe-topic`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka describe-topic fink_outstream
          fink kafka describe-topic fink_outstream --all-config --format json

The number of messages is that of offsets, and includes aborted messages and transaction markers. Of the configuration, only the options that
are set for the topic are shown.")]
pub struct Args {
    /// The topic
    #[arg(value_name = "NAME", value_parser = names::topic)]
    name: String,
    /// Include the defaults
    #[arg(long)]
    all_config: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A partition, and its low and high watermark if known.
type Partition = (PartitionDescription, Option<(i64, i64)>);

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let admin = admin(context)?;
    let unknown = || Error::UnknownTopic { topic: args.name.clone(), hint: String::new() };
    let found = admin.describe_topics(&[&args.name])?.pop().ok_or_else(unknown)?;
    if let Some(error) = found.error {
        return Err(error.into());
    }
    let config = admin.describe_configs(&[&args.name])?.pop().filter(|config| config.error.is_none());
    let partitions: Vec<Partition> = found
        .partitions
        .into_iter()
        .map(|partition| {
            let offsets = offsets(&admin, &args.name, &partition);
            (partition, offsets)
        })
        .collect();
    let options: Option<Vec<TopicConfigEntry>> = config
        .map(|config| config.entries.into_iter().filter(|option| option.is_override || args.all_config).collect());
    match args.output.format {
        Format::Table => show(&args.name, &partitions, options.as_deref(), context),
        Format::Json => output::print_json(&document(&args.name, &partitions, options.as_deref()), true),
        Format::Ndjson => output::print_json(&document(&args.name, &partitions, options.as_deref()), false),
    }
}

fn offsets(admin: &Admin, topic: &str, partition: &PartitionDescription) -> Option<(i64, i64)> {
    // Without a leader no broker can respond.
    partition.leader.and_then(|_| admin.offsets(topic, partition.id).ok())
}

fn show(
    topic: &str,
    partitions: &[Partition],
    options: Option<&[TopicConfigEntry]>,
    context: &Context,
) -> anyhow::Result<()> {
    let messages: Option<i64> = partitions.iter().map(|(_, offsets)| offsets.map(|(first, end)| end - first)).sum();
    let messages = messages.map_or("unknown".to_owned(), |messages| messages.to_string());
    output::print(format!("{topic}, partitions: {}, messages: {messages}\n\n", partitions.len()).as_bytes())?;
    let mut table = Table::new(&["partition", "leader", "replicas", "in sync", "first offset", "end offset"]);
    for (partition, offsets) in partitions {
        let leader = partition.leader.map_or(Value::from("none"), Value::from);
        table.row([
            partition.id.into(),
            leader,
            partition.replicas.clone().into(),
            partition.in_sync.clone().into(),
            offsets.map(|(first, _)| first).into(),
            offsets.map(|(_, end)| end).into(),
        ]);
    }
    table.print(Format::Table, context)?;
    let Some(options) = options else {
        return output::print(b"\nConfiguration: this user may not see it\n");
    };
    if options.is_empty() {
        return output::print(b"\nConfiguration: all defaults\n");
    }
    output::print(b"\n")?;
    let mut table = Table::new(&["option", "value", "set for this topic"]);
    for option in options {
        let own = if option.is_override { "yes" } else { "no" };
        table.row([Value::from(option.name.as_str()), option.value.as_str().into(), own.into()]);
    }
    table.print(Format::Table, context)
}

fn document(topic: &str, partitions: &[Partition], options: Option<&[TopicConfigEntry]>) -> Value {
    let partitions = partitions.iter().map(|(partition, offsets)| {
        json!({
            "partition": partition.id,
            "leader": partition.leader,
            "replicas": partition.replicas,
            "in_sync": partition.in_sync,
            "first_offset": offsets.map(|(first, _)| first),
            "end_offset": offsets.map(|(_, end)| end),
        })
    });
    let options = options.map(|options| {
        let entry =
            |option: &TopicConfigEntry| json!({"name": option.name, "value": option.value, "own": option.is_override});
        options.iter().map(entry).collect::<Vec<_>>()
    });
    json!({"topic": topic, "partitions": partitions.collect::<Vec<_>>(), "config": options})
}

//! `fink kafka create-topic`: creates a topic.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::client::KAFKA_TIMEOUT;
use super::names;
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::config::RequiredLogin;
use crate::distribution::settings::Settings;
use crate::kafka::Identity;
use crate::kafka::topics::{CreateOutcome, TopicDiff, TopicSpec};
use crate::kafka::{Admin, Error, checkpoint};

/// `fink kafka create-topic`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka create-topic fink_outstream
          fink kafka create-topic fink_bright --partitions 4 --replication 3 --topic-config retention.ms=345600000

A topic of the configuration is created as the distribution needs it: a stream with its partitions and cleanup.policy=delete, the checkpoint with
its partitions and cleanup.policy=compact. A topic that exists as specified is a success; what is not specified is not compared.")]
pub struct Args {
    /// The topic
    #[arg(value_name = "NAME", value_parser = names::topic)]
    name: String,
    /// The number of partitions [default: that of the stream in the configuration, else the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: Option<i32>,
    /// The replication factor [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000))]
    replication: Option<i32>,
    /// A topic option, by Kafka's name; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    topic_config: Vec<(String, String)>,
    /// Accept a topic that exists and differs
    #[arg(long)]
    if_missing: bool,
    /// Show the change without making it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or("use KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let settings = context.settings(RequiredLogin::Admin)?;
    let spec = args.spec(&settings);
    let admin = Admin::open(&settings.kafka, Identity::Admin, KAFKA_TIMEOUT)?;
    let diff = admin.compare_topic(&args.name, &spec)?;
    let word = match (diff, args.dry_run) {
        (TopicDiff::Different(_), _) if args.if_missing => "was there",
        (TopicDiff::Different(difference), _) => bail!(Error::TopicMismatch { topic: args.name.clone(), difference }),
        (TopicDiff::Same, _) => "was there",
        (TopicDiff::Missing, true) => "would be created",
        (TopicDiff::Missing, false) => match admin.create_topic(&args.name, &spec).with_context(|| args.described())? {
            CreateOutcome::Created => "created",
            CreateOutcome::AlreadyExists => "was there",
        },
    };
    let found = admin.describe_topics(&[&args.name])?.pop().filter(|topic| topic.error.is_none());
    let partitions = match &found {
        Some(found) => Some(found.partitions.len()),
        None => spec.partitions.and_then(|partitions| usize::try_from(partitions).ok()),
    };
    let replication = match &found {
        Some(found) => found.partitions.first().map(|partition| partition.replicas.len()),
        None => spec.replication.and_then(|replication| usize::try_from(replication).ok()),
    };
    let mut table = Table::new(&["topic", "partitions", "replication", "result"]);
    table.row([Value::from(args.name.as_str()), partitions.into(), replication.into(), word.into()]);
    table.print(args.output.format, context)
}

impl Args {
    /// The command, since Kafka's errors do not name the option or number that they are about.
    fn described(&self) -> String {
        let mut text = vec!["create-topic".to_owned(), self.name.clone()];
        text.extend(self.partitions.map(|partitions| format!("--partitions {partitions}")));
        text.extend(self.replication.map(|replication| format!("--replication {replication}")));
        text.extend(self.topic_config.iter().map(|(key, value)| format!("--topic-config {key}={value}")));
        text.join(" ")
    }

    /// The specification: by the arguments, else as the distribution needs it.
    fn spec(&self, settings: &Settings) -> TopicSpec {
        let mut spec = if checkpoint::is_checkpoint(&self.name) {
            settings.distribution.checkpoint_spec()
        } else if self.name == settings.distribution.rejected_topic {
            settings.distribution.rejected_topic_spec()
        } else {
            match settings.streams.iter().find(|stream| stream.topic == self.name) {
                Some(stream) => stream.topic_spec(),
                None => TopicSpec { partitions: None, replication: None, config: Vec::new() },
            }
        };
        spec.partitions = self.partitions.or(spec.partitions);
        spec.replication = self.replication.or(spec.replication);
        for (key, value) in &self.topic_config {
            match spec.config.iter_mut().find(|(name, _)| name == key) {
                Some(entry) => entry.1.clone_from(value),
                None => spec.config.push((key.clone(), value.clone())),
            }
        }
        spec
    }
}

//! `fink kafka create-topic`: a topic in a known spec.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{KAFKA_TIMEOUT, names};
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::config::{RequiredLogin, Settings};
use crate::kafka::client::Identity;
use crate::kafka::topics::{CreateOutcome, TopicDiff, TopicSpec};
use crate::kafka::{Admin, Error, checkpoint, idempotent_producer};

/// `fink kafka create-topic`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka create-topic fink_outstream
          fink kafka create-topic fink_bright --partitions 4 --replication 3 --topic-config retention.ms=345600000

A topic of the configuration gets the spec that it needs there: a stream its partitions and cleanup.policy=delete, the checkpoint one
partition and cleanup.policy=compact. A topic that is there already in the wanted spec is a success; what is not said is not compared.")]
pub struct Args {
    /// The topic
    #[arg(value_name = "NAME", value_parser = names::topic)]
    name: String,
    /// Partitions [default: those of the stream in the configuration, else the cluster's default]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: Option<i32>,
    /// Copies of each partition [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000))]
    replication: Option<i32>,
    /// An option of the topic, by Kafka's name; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    topic_config: Vec<(String, String)>,
    /// Leave a topic that is there as it is, whatever its spec
    #[arg(long)]
    if_missing: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or("write KEY=VALUE")?;
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
        (TopicDiff::Missing, false) => match admin.create_topic(&args.name, &spec).with_context(|| args.asked())? {
            CreateOutcome::Created => "created",
            CreateOutcome::AlreadyExists => "was there",
        },
    };
    let found = admin.describe_topic(&args.name)?;
    let partitions = match &found {
        Some(found) => Some(found.partitions.len()),
        None => usize::try_from(spec.partitions).ok(),
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
    /// What was asked for, since Kafka's refusals do not name the option or number that they are about.
    fn asked(&self) -> String {
        let mut asked = vec!["create-topic".to_owned(), self.name.clone()];
        asked.extend(self.partitions.map(|partitions| format!("--partitions {partitions}")));
        asked.extend(self.replication.map(|replication| format!("--replication {replication}")));
        asked.extend(self.topic_config.iter().map(|(key, value)| format!("--topic-config {key}={value}")));
        asked.join(" ")
    }

    /// The topic's spec: as it was asked for, else as the configuration needs it.
    fn spec(&self, settings: &Settings) -> TopicSpec {
        let mut spec = if checkpoint::is_checkpoint(&self.name) {
            checkpoint::topic_spec()
        } else if self.name == settings.distribution.rejected_topic {
            TopicSpec::stream(1)
        } else {
            match settings.streams.iter().find(|stream| stream.topic == self.name) {
                Some(stream) => idempotent_producer::topic_spec(stream),
                None => TopicSpec { partitions: -1, replication: None, config: Vec::new() },
            }
        };
        spec.partitions = self.partitions.unwrap_or(spec.partitions);
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

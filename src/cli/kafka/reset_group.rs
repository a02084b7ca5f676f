//! `fink kafka reset-group`: moves the position of a consumer group.

use std::collections::BTreeSet;

use clap::{ArgGroup, Args as ClapArgs};
use serde_json::Value;

use super::client::admin;
use super::confirm::ConfirmArgs;
use super::describe_group::unknown;
use super::names;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::consume::start::Start;
use crate::kafka::group_offsets::{self, OffsetMove, OffsetTarget};

/// `fink kafka reset-group`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "\
Examples: fink kafka reset-group alice_fink earliest --dry-run
          fink kafka reset-group alice_fink -2h --topic fink_outstream
          fink kafka reset-group alice_fink 2026-02-24T00:00:00Z --yes
          fink kafka reset-group alice_fink --to-offset 1200 --topic fink_outstream:3 --yes

Refused while the group has members, who are named: stop these consumers first. A group that does not exist is created where --topic is given.",
    group = ArgGroup::new("target").args(["start", "to_offset"]).required(true),
)]
pub struct Args {
    /// The group
    #[arg(value_name = "GROUP", value_parser = names::group)]
    name: String,
    /// earliest, latest, a time ago such as -2h, or a time such as 2026-02-24T00:00:00Z
    #[arg(value_name = "WHERE", allow_hyphen_values = true)]
    start: Option<Start>,
    /// To this offset
    #[arg(long, value_name = "OFFSET", requires = "topics")]
    to_offset: Option<u32>,
    /// In this topic, or in these partitions of it; may be repeated [default: all topics for which the group has committed offsets]
    #[arg(long = "topic", value_name = "TOPIC[:PARTITION,…]")]
    topics: Vec<TopicPartitions>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TopicPartitions {
    topic: String,
    /// empty: all
    partitions: Vec<i32>,
}

impl std::str::FromStr for TopicPartitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, partitions) = match text.split_once(':') {
            None => (text, Vec::new()),
            Some((topic, list)) => {
                let number = |text: &str| text.trim().parse::<i32>().ok().filter(|number| *number >= 0);
                let partitions: Option<Vec<i32>> = list.split(',').map(number).collect();
                (topic, partitions.ok_or_else(|| format!("`{list}` is not a list of partitions such as 0,3"))?)
            }
        };
        Ok(Self { topic: names::topic(topic)?, partitions })
    }
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let target = match (args.start, args.to_offset) {
        (Some(Start::Group), _) => {
            return Err(UsageError("give earliest, latest, a time, or --to-offset".to_owned()).into());
        }
        (Some(start), _) => start.into(),
        (None, offset) => OffsetTarget::Offset(offset.unwrap_or_default().into()),
    };
    let admin = admin(context)?;
    let mut topics: Vec<String> = args.topics.iter().map(|chosen| chosen.topic.clone()).collect();
    if topics.is_empty() {
        let committed = admin.committed_offsets(&args.name)?;
        topics = committed.into_iter().map(|entry| entry.topic).collect::<BTreeSet<_>>().into_iter().collect();
        if topics.is_empty() && admin.describe_group(&args.name)?.is_dead() {
            return Err(unknown(&args.name).into());
        }
    }
    let mut moves = group_offsets::plan(&admin, &args.name, &topics, target)?;
    choose(&mut moves, &args.topics)?;
    moves.iter().try_for_each(OffsetMove::check)?;
    let mut table = Table::new(&["topic", "part", "from", "to", "end"]);
    for entry in &moves {
        table.row([
            Value::from(entry.topic.as_str()),
            entry.partition.into(),
            entry.from.into(),
            entry.to.into(),
            entry.end.into(),
        ]);
    }
    if !args.confirm.dry_run {
        admin.describe_group(&args.name)?.require_no_members()?;
    }
    let question = format!("Move the position of group {}?", args.name);
    if !args.confirm.ask_or_print(&table, &question, args.output.format, context)? {
        return Ok(());
    }
    group_offsets::apply(&admin, &args.name, &moves)?;
    table.print(args.output.format, context)?;
    log::info!("consumer group `{}`: moved in {} partitions", args.name, moves.len());
    Ok(())
}

/// Keeps the chosen partitions.
fn choose(moves: &mut Vec<OffsetMove>, chosen: &[TopicPartitions]) -> Result<(), UsageError> {
    for TopicPartitions { topic, partitions } in chosen {
        let has = |number: &&i32| moves.iter().any(|entry| entry.topic == *topic && entry.partition == **number);
        if let Some(number) = partitions.iter().find(|number| !has(number)) {
            return Err(UsageError(format!("topic `{topic}` has no partition {number}")));
        }
    }
    moves.retain(|entry| {
        let mut of_topic = chosen.iter().filter(|chosen| chosen.topic == entry.topic).peekable();
        of_topic.peek().is_none()
            || of_topic.any(|chosen| chosen.partitions.is_empty() || chosen.partitions.contains(&entry.partition))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_be_followed_by_partitions() {
        let parsed: TopicPartitions = "t:0,3".parse().unwrap();
        assert_eq!(parsed, TopicPartitions { topic: "t".to_owned(), partitions: vec![0, 3] });
        assert!("t".parse::<TopicPartitions>().unwrap().partitions.is_empty());
        for wrong in ["", "t:", "t:x", "t:-1", "a b"] {
            assert!(wrong.parse::<TopicPartitions>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_chosen_partitions_are_moved() {
        let entry = |topic: &str, partition| OffsetMove {
            topic: topic.to_owned(),
            partition,
            from: None,
            to: 0,
            low: 0,
            end: 0,
        };
        let all = || vec![entry("a", 0), entry("a", 1), entry("b", 0)];
        let chosen = |moves: &[&str]| {
            let list: Vec<TopicPartitions> = moves.iter().map(|text| text.parse().unwrap()).collect();
            let mut moves = all();
            choose(&mut moves, &list).map(|()| moves).map_err(|error| error.0)
        };
        assert_eq!(chosen(&["a", "b"]).unwrap(), all());
        assert_eq!(chosen(&["a:1", "b"]).unwrap(), [entry("a", 1), entry("b", 0)]);
        assert!(chosen(&["a:2"]).unwrap_err().contains("no partition 2"));
    }
}

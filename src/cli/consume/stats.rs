//! `fink consume stats`: how far a group is.

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::settings::LoginArgs;
use crate::cli::context::Context;
use crate::cli::output::{Format, OutputArgs, Table};
use crate::consume::table::utc;
use crate::kafka::group_offsets::{self, OffsetTarget};
use crate::kafka::{Admin, Identity};

/// How long the brokers may take.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// `fink consume stats`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink consume stats
          fink consume stats fink_sn_candidates_ztf --group alice_fink --format json

LAG counts offsets up to the last stable one: what an open transaction holds back is not there to be read.")]
pub struct Args {
    /// Of these topics [default: consumer.topics]
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Of this consumer group [default: consumer.group]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let login = args.login.find(context)?;
    let (topics, name) = (login.topics(&args.topics)?, login.group(args.group.as_deref())?);
    let admin = Admin::open(login.kafka(), Identity::User, KAFKA_TIMEOUT)?;
    let positions = group_offsets::plan(&admin, &name, &topics, OffsetTarget::Committed)?;
    let places: Vec<(String, i32)> = positions.iter().map(|found| (found.topic.clone(), found.partition)).collect();
    let newest = super::topics::newest(&admin, &places);
    let mut table = Table::new(&["topic", "part", "committed", "end", "lag", "newest"]);
    let time = |newest: Option<i64>| newest.map_or(Value::Null, |newest| Value::from(utc(newest)));
    for topic in &topics {
        let of_topic = positions.iter().zip(&newest).filter(|(found, _)| found.topic == *topic);
        let (mut lag, mut latest, mut count) = (0, None, 0);
        for (found, newest) in of_topic {
            // `to` is the committed offset, or the oldest one where there is none.
            let behind = (found.end - found.to).max(0);
            (lag, latest, count) = (lag + behind, latest.max(*newest), count + 1);
            table.row([
                Value::from(topic.as_str()),
                found.partition.into(),
                found.from.map_or(Value::Null, Value::from),
                found.end.into(),
                behind.into(),
                time(*newest),
            ]);
        }
        if count > 1 && args.output.format == Format::Table {
            table.row([Value::from(topic.as_str()), "all".into(), Value::Null, Value::Null, lag.into(), time(latest)]);
        }
    }
    table.print(args.output.format, context)?;
    let group = admin.describe_group(&name)?;
    match (group.is_rebalancing(), group.members.len()) {
        (true, _) => log::warn!("consumer group `{name}` is rebalancing: its partitions are being shared out"),
        (false, 0) => log::info!("consumer group `{name}` has no members at present"),
        (false, count) => log::info!("consumer group `{name}` has {count} members"),
    }
    Ok(())
}

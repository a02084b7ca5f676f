//! `fink consume topics`: the topics that may be read, and whether data flow.

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::settings::LoginArgs;
use crate::cli::context::Context;
use crate::cli::output::{Format, OutputArgs, Table};
use crate::consume::table::{age, utc};
use crate::kafka::acls::Operation;
use crate::kafka::topics::TopicSummary;
use crate::kafka::{Admin, Identity};

/// How long the brokers may take.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// Data flow in a topic whose newest message is no older, ms.
const FLOWING_MS: i64 = 10 * 60 * 1000;

/// `fink consume topics`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink consume topics
          fink consume topics fink_ --format json

MESSAGES counts offsets, which a transaction's end takes one of.")]
pub struct Args {
    /// Only those whose names begin so
    #[arg(value_name = "BEGINNING", default_value = "", hide_default_value = true)]
    beginning: String,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let login = args.login.find(context)?;
    let admin = Admin::open(login.kafka(), Identity::User, KAFKA_TIMEOUT)?;
    let mut topics = readable(&admin)?;
    topics.retain(|topic| topic.name.starts_with(&args.beginning));
    if topics.is_empty() && args.output.format == Format::Table {
        log::warn!(
            "user `{}` may read no topic{}",
            admin.connection().user(),
            match args.beginning.as_str() {
                "" => String::new(),
                beginning => format!(" whose name begins with `{beginning}`"),
            }
        );
    }
    table(&admin, &topics)?.print(args.output.format, context)
}

/// The topics that the user may read, by name, without Kafka's own.
pub(super) fn readable(admin: &Admin) -> anyhow::Result<Vec<TopicSummary>> {
    let mut topics = admin.list_topics()?;
    topics.retain(|topic| !topic.name.starts_with("__"));
    if topics.is_empty() {
        return Ok(topics);
    }
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let described = admin.describe_topics(&names)?;
    let mut may_read = described.into_iter().map(|topic| {
        // Brokers without an authorizer know no rights, and let everybody read.
        let rights = topic.operations;
        topic.error.is_none()
            && (rights.is_empty() || rights.contains(&Operation::Read) || rights.contains(&Operation::All))
    });
    topics.retain(|_| may_read.next().unwrap_or(false));
    Ok(topics)
}

/// What there is to say of topics.
pub(super) fn table(admin: &Admin, topics: &[TopicSummary]) -> anyhow::Result<Table> {
    let mut table = Table::new(&["topic", "partitions", "messages", "newest", "flows"]);
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let watermarks = admin.watermarks(&names)?;
    let places: Vec<(String, i32)> = watermarks.iter().map(|found| (found.topic.clone(), found.partition)).collect();
    let newest = newest(admin, &places);
    let now = jiff::Timestamp::now().as_millisecond();
    for topic in topics {
        let of_topic = || watermarks.iter().zip(&newest).filter(|(found, _)| found.topic == topic.name);
        let messages: i64 = of_topic().map(|(found, _)| found.last_stable - found.low).sum();
        let newest = of_topic().filter_map(|(_, newest)| *newest).max();
        let flows = match newest {
            Some(newest) if now - newest <= FLOWING_MS => format!("yes, {} ago", age(now - newest)),
            Some(newest) => format!("no, {} ago", age(now - newest)),
            None => "no, empty".to_owned(),
        };
        table.row([
            Value::from(topic.name.as_str()),
            topic.partitions.into(),
            messages.into(),
            newest.map_or(Value::Null, |newest| Value::from(utc(newest))),
            flows.into(),
        ]);
    }
    Ok(table)
}

/// The newest timestamp of each partition; older brokers do not tell.
pub(super) fn newest(admin: &Admin, places: &[(String, i32)]) -> Vec<Option<i64>> {
    admin.newest_timestamps(places).unwrap_or_else(|error| {
        log::debug!("the newest timestamps are not known: {error}");
        vec![None; places.len()]
    })
}

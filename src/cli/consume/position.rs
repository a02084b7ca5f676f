//! Where reading begins, and the consumer that begins there.

use std::time::{Duration, Instant};

use clap::Args;

use super::error::command_error;
use super::settings::ConsumerLogin;
use super::topics;
use crate::consume::ConsumeError;
use crate::kafka;
use crate::kafka::consumer::{Consumer, ConsumerOptions, StartAt};
use crate::kafka::group_offsets;
use crate::kafka::{Admin, Identity};
use crate::messages::Start;
use crate::signals::Stop;

/// How long to wait for the brokers before a message is logged.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two messages about unreachable brokers.
const AWAY_INTERVAL: Duration = Duration::from_secs(60);
/// Most topics that an error lists.
const MAX_HINTS: usize = 8;

/// Where to begin.
#[derive(Debug, Args)]
#[command(next_help_heading = "Position")]
pub(crate) struct PositionArgs {
    /// Where to begin: group (where the group stands; a new group: earliest), earliest, latest, a time ago such as -2h, or a time such as
    /// 2026-02-24T00:00:00Z. With a group, anything but `group` moves its position, and is refused while others read in it
    #[arg(long, value_name = "WHERE", default_value = "group", allow_hyphen_values = true, hide_default_value = true)]
    from: Start,
    /// The consumer group that keeps the position [default: consumer.group]
    #[arg(long, value_name = "GROUP", conflicts_with = "no_group")]
    group: Option<String>,
    /// Keep no position, and read all partitions
    #[arg(long)]
    pub no_group: bool,
}

impl PositionArgs {
    /// Whether nothing was given.
    pub fn is_default(&self) -> bool {
        self.from == Start::Group && self.group.is_none() && !self.no_group
    }

    /// The group, if any.
    pub fn group(&self, login: &ConsumerLogin) -> Option<String> {
        let configured = || login.settings.consumer.group.clone();
        if self.no_group { None } else { self.group.clone().or_else(configured) }
    }
}

/// Opens the consumer, waiting for brokers that are away; `None`: a signal came, or the time is over.
pub(crate) fn open_consumer(
    position: &PositionArgs,
    login: &ConsumerLogin,
    topics: &[String],
    stop: &Stop,
    deadline: Option<Instant>,
) -> anyhow::Result<Option<Consumer>> {
    let group = position.group(login);
    if group.is_none() && position.from == Start::Group && !position.no_group {
        log::info!("no consumer group is configured: all that is there is read, and no position is kept");
    }
    let start = match position.from {
        Start::Group | Start::Earliest => StartAt::Earliest,
        Start::Latest => StartAt::Latest,
        Start::At(time) => StartAt::Timestamp(time),
    };
    let options = ConsumerOptions { topics: topics.to_vec(), group: group.clone(), start, timeout: KAFKA_TIMEOUT };
    let mut told: Option<Instant> = None;
    loop {
        let opened = match (&group, position.from) {
            (Some(group), from) if from != Start::Group => {
                move_group(login, group, topics, from).and_then(|()| Ok(Consumer::open(login.kafka(), &options)?))
            }
            _ => Consumer::open(login.kafka(), &options).map_err(ConsumeError::from),
        };
        let error = match opened {
            Ok(consumer) => return Ok(Some(consumer)),
            Err(ConsumeError::Kafka(error)) if error.is_transient() => error,
            Err(ConsumeError::Kafka(error)) => return Err(explain(error, login)),
            Err(error) => return Err(command_error(error)),
        };
        if told.is_none_or(|told| told.elapsed() >= AWAY_INTERVAL) {
            log::warn!("{error}; waiting for it");
            told = Some(Instant::now());
        }
        let left =
            deadline.map_or(Duration::from_secs(1), |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() || stop.wait(left.min(Duration::from_secs(1))) {
            return Ok(None);
        }
    }
}

fn move_group(login: &ConsumerLogin, name: &str, topics: &[String], from: Start) -> Result<(), ConsumeError> {
    let admin = Admin::open(login.kafka(), Identity::User, KAFKA_TIMEOUT)?;
    let moves = group_offsets::plan(&admin, name, topics, from.into())?;
    Ok(group_offsets::apply(&admin, name, &moves)?)
}

/// Says what may be read where a topic cannot be.
fn explain(error: kafka::Error, login: &ConsumerLogin) -> anyhow::Error {
    let of_topic = matches!(error, kafka::Error::UnknownTopic { .. } | kafka::Error::NotAuthorized { .. });
    let readable = of_topic.then(|| {
        let admin = Admin::open(login.kafka(), Identity::User, KAFKA_TIMEOUT).ok()?;
        let topics = topics::readable(&admin).ok()?;
        Some(topics.into_iter().map(|topic| topic.name).collect::<Vec<_>>())
    });
    let hint = match readable.flatten() {
        None => return error.into(),
        Some(topics) if topics.is_empty() => "this user may read no topic".to_owned(),
        Some(topics) if topics.len() > MAX_HINTS => {
            format!("this user may read {} topics: `fink consume topics` lists them", topics.len())
        }
        Some(topics) => format!("this user may read {}", topics.join(", ")),
    };
    match error {
        kafka::Error::UnknownTopic { topic, .. } => anyhow::anyhow!("topic `{topic}` does not exist; {hint}"),
        error => anyhow::anyhow!("{error}; {hint}"),
    }
}

//! `fink consume reset`: moves a group's position.

use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::settings::LoginArgs;
use crate::cli::context::Context;
use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::consume::start::Start;
use crate::kafka::group_offsets;
use crate::kafka::{Admin, Identity};

/// How long the brokers may take.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// `fink consume reset`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink consume reset earliest
          fink consume reset -2h --dry-run
          fink consume reset 2026-02-24T00:00:00Z --topic fink_sn_candidates_ztf --yes

Refused while the group has members, who are named.")]
pub struct Args {
    /// earliest, latest, a time ago such as -2h, or a time such as 2026-02-24T00:00:00Z
    #[arg(value_name = "WHERE", allow_hyphen_values = true)]
    start: Start,
    /// In this topic; may be repeated [default: consumer.topics]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Of this consumer group [default: consumer.group]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if args.start == Start::Group {
        return Err(UsageError("the group stands where it stands: say earliest, latest or a time".to_owned()).into());
    }
    let login = args.login.find(context)?;
    let (topics, name) = (login.topics(&args.topics)?, login.group(args.group.as_deref())?);
    let admin = Admin::open(login.kafka(), Identity::User, KAFKA_TIMEOUT)?;
    let moves = group_offsets::plan(&admin, &name, &topics, args.start.into())?;
    let mut table = Table::new(&["topic", "part", "from", "to", "end"]);
    for entry in &moves {
        table.row([
            Value::from(entry.topic.as_str()),
            entry.partition.into(),
            entry.from.map_or(Value::Null, Value::from),
            entry.to.into(),
            entry.end.into(),
        ]);
    }
    if !args.confirm.dry_run {
        admin.describe_group(&name)?.require_no_members()?;
    }
    let question = format!("Move the position of group {name}?");
    if !args.confirm.ask_or_print(&table, &question, args.output.format, context)? {
        return Ok(());
    }
    group_offsets::apply(&admin, &name, &moves)?;
    log::info!("consumer group `{name}`: moved in {} partitions", moves.len());
    Ok(())
}

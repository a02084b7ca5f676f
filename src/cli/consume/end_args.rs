//! When reading ends.

use std::time::Duration;

use clap::Args;

use crate::cli::outcome::UsageError;
use crate::messages::Limits;
use crate::units::parse_duration;

/// When to end.
#[derive(Debug, Args)]
#[command(next_help_heading = "End")]
pub(crate) struct EndArgs {
    /// End after this many alerts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// End at what is there at the start
    #[arg(short = 'e', long)]
    until_end: bool,
    /// End when nothing has come for this long
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    idle: Option<Duration>,
    /// End after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    exit_after: Option<Duration>,
    /// Fail if fewer alerts than this arrive; without another end, stop when that many have arrived and no more are available
    #[arg(long, value_name = "N")]
    pub expect: Option<u64>,
}

impl EndArgs {
    /// Whether an end was given.
    pub fn is_given(&self) -> bool {
        let Self { limit, until_end, idle, exit_after, expect } = self;
        *until_end || limit.is_some() || idle.is_some() || exit_after.is_some() || expect.is_some()
    }

    /// The limits of a reader.
    pub fn limits(&self) -> anyhow::Result<Limits> {
        if let (Some(limit), Some(expect)) = (self.limit, self.expect)
            && limit < expect
        {
            return Err(UsageError(format!("--limit {limit} ends before --expect {expect} alerts can come")).into());
        }
        let Self { limit, until_end, idle, exit_after, expect } = *self;
        Ok(Limits { limit, until_end, idle, exit_after, expect })
    }
}

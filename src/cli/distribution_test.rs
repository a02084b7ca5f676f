//! The arguments of `fink start distribution_test`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::parse_duration;

/// Where a reader begins that has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// with the oldest message
    Earliest,
    /// with what comes from now on
    Latest,
}

/// `fink start distribution_test`, `fink distribution_test`
#[derive(Debug, Args)]
#[command(after_help = "Example: fink start distribution_test --from earliest --expect 100 --exit-after 30s")]
pub struct DistributionTest {
    /// Read this topic; may be repeated [default: the topics of all streams]
    #[arg(long = "topic", value_name = "TOPIC")]
    pub topics: Vec<String>,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::Latest)]
    pub from: From,
    /// End after this many alerts
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// End after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    pub exit_after: Option<Duration>,
    /// Fail if fewer alerts than this came
    #[arg(long, value_name = "N")]
    pub expect: Option<u64>,
}

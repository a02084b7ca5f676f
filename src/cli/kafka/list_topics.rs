//! `fink kafka list-topics`: lists topics.

use serde_json::Value;

use super::client::admin;
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};

/// `fink kafka list-topics`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka list-topics
          fink kafka list-topics fink_ --format json")]
pub struct Args {
    /// Only topics with this prefix
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
    /// Include Kafka's internal topics
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&["topic", "partitions", "replication"]);
    for topic in admin(context)?.list_topics()? {
        let is_listed = topic.name.starts_with(&args.prefix) && (args.internal || !topic.name.starts_with("__"));
        if is_listed {
            table.row([Value::from(topic.name.as_str()), topic.partitions.into(), topic.replication.into()]);
        }
    }
    table.print(args.output.format, context)
}

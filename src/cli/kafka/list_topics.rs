//! `fink kafka list-topics`: the topics there are.

use serde_json::Value;

use super::admin;
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};

/// `fink kafka list-topics`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka list-topics
          fink kafka list-topics fink_ --format json")]
pub struct Args {
    /// Only those whose names begin so
    #[arg(value_name = "BEGINNING", default_value = "", hide_default_value = true)]
    beginning: String,
    /// Kafka's own topics too
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&["topic", "partitions", "replication"]);
    for topic in admin(context)?.list_topics()? {
        let is_wanted = topic.name.starts_with(&args.beginning) && (args.internal || !topic.name.starts_with("__"));
        if is_wanted {
            table.row([Value::from(topic.name.as_str()), topic.partitions.into(), topic.replication.into()]);
        }
    }
    table.print(args.output.format, context)
}

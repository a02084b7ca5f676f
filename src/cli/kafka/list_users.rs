//! `fink kafka list-users`: lists the users that have a password.

use anyhow::bail;
use serde_json::Value;

use super::client::admin;
use super::names;
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};

/// `fink kafka list-users`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka list-users
          fink kafka list-users alice --format json

One row for each user and mechanism. Kafka stores salted hashes, so passwords cannot be listed. Users in the brokers' own configuration (such as
the first administrator, in some clusters) are not listed.")]
pub struct Args {
    /// Only these users [default: all]
    #[arg(value_name = "NAME", value_parser = names::user)]
    names: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let users = admin(context)?.describe_users()?;
    let mut table = Table::new(&["user", "mechanism", "iterations"]);
    for user in users.iter().filter(|user| args.names.is_empty() || args.names.contains(&user.name)) {
        for credential in &user.credentials {
            table.row([
                Value::from(user.name.as_str()),
                credential.mechanism.to_string().into(),
                credential.iterations.into(),
            ]);
        }
    }
    table.print(args.output.format, context)?;
    let missing: Vec<String> = args
        .names
        .iter()
        .filter(|name| !users.iter().any(|user| user.name == **name))
        .map(|n| format!("`{n}`"))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => bail!("no such user: {}", missing.join(", ")),
    }
}

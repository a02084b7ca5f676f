//! `fink hbase remove-peer`: removes the replication peer.

use anyhow::bail;
use serde_json::Value;

use super::peer::{open, tables};
use crate::cli::context::Context;
use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::output::{OutputArgs, Table};

const COLUMNS: &[&str] = &["peer", "cluster", "tables", "result"];

/// `fink hbase remove-peer`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: fink hbase remove-peer --yes

The service continues and polls for new rows. The column family stays scoped, which has no effect without a peer.")]
pub struct Args {
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (settings, mut admin) = open(context)?;
    let id = &settings.replication.peer;
    let Some(peer) = admin.peers()?.into_iter().find(|peer| peer.id == *id) else {
        bail!("HBase has no replication peer `{id}` (science_db.push_peer)");
    };
    let row = |result: &str| {
        let mut table = Table::new(COLUMNS);
        table.row([Value::from(peer.id.as_str()), peer.cluster_key.as_str().into(), tables(&peer), result.into()]);
        table
    };
    let question = "Remove this peer?";
    if !args.confirm.ask_or_print(&row("would be removed"), question, args.output.format, context)? {
        return Ok(());
    }
    admin.remove(id)?;
    row("removed").print(args.output.format, context)
}

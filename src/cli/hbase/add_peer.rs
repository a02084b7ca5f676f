//! `fink hbase add-peer`: scopes the trigger's column family for replication, and adds the peer.

use anyhow::bail;
use serde_json::Value;

use super::peer::{open, tables};
use crate::cli::context::Context;
use crate::cli::kafka::confirm::ConfirmArgs;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::science_db::{Peer, PeerAdmin, ZooKeeperSession};

const COLUMNS: &[&str] = &["change", "what", "result"];

/// `fink hbase add-peer`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink hbase add-peer --dry-run
          fink hbase add-peer --serial --yes

Rows that are written afterwards are pushed to the service with science_db.push = true. See docs/push.md for what HBase does while the service
is away.")]
pub struct Args {
    /// Keep the order of a row's versions also when a region moves to another server
    #[arg(long)]
    serial: bool,
    /// Scope the column family although other peers replicate all tables, and with them this family
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is to be changed.
struct Plan {
    scopes: bool,
    adds: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (settings, mut admin) = open(context)?;
    let wanted = admin.planned_peer(&settings.replication, args.serial).map_err(UsageError)?;
    // HBase's own check takes 20 s, and its error does not name the key.
    ZooKeeperSession::connect(&settings.replication.zookeeper)?.close();
    let plan = plan(&mut admin, &wanted, args.force)?;
    let family = admin.family_name();
    let rows = |scoped: &str, added: &str| {
        let mut table = Table::new(COLUMNS);
        if plan.scopes {
            let what = format!("REPLICATION_SCOPE of {family} becomes 1; its regions are reopened");
            table.row([Value::from("column family"), what.into(), scoped.into()]);
        }
        if plan.adds {
            let serial = if wanted.serial { ", serial" } else { "" };
            let what = format!(
                "{} to {} for {}{serial}",
                wanted.id,
                wanted.cluster_key,
                tables(&wanted).as_str().unwrap_or_default()
            );
            table.row([Value::from("peer"), what.into(), added.into()]);
        }
        table
    };
    if !plan.scopes && !plan.adds {
        log::info!("peer `{}` exists already: nothing to change", wanted.id);
    }
    let question = "Change HBase in this way?";
    if !args.confirm.ask_or_print(&rows("would be changed", "would be added"), question, args.output.format, context)? {
        return Ok(());
    }
    if plan.scopes {
        admin.scope()?;
    }
    if plan.adds {
        admin.add(&wanted)?;
    }
    rows("changed", "added").print(args.output.format, context)
}

fn plan(admin: &mut PeerAdmin, wanted: &Peer, force: bool) -> anyhow::Result<Plan> {
    let scopes = !admin.is_scoped()?;
    let peers = admin.peers()?;
    let all: Vec<&str> = peers.iter().filter(|peer| peer.replicates_all).map(|peer| peer.id.as_str()).collect();
    if scopes && !all.is_empty() && !force {
        let reason = format!(
            "other peers replicate all tables ({}): they would replicate {} too, and stop where their cluster does not have it; exclude the table \
             from them, or use --force",
            all.join(", "),
            admin.family_name()
        );
        bail!(reason);
    }
    let same = peers.iter().find(|peer| peer.id == wanted.id);
    if let Some(other) = same.filter(|peer| *peer != wanted) {
        let state = if other.is_enabled { "" } else { ", disabled" };
        let serial = if other.serial { ", serial" } else { "" };
        bail!(
            "peer `{}` exists already, to {} for {}{serial}{state}: use another science_db.push_peer, or remove it with `fink hbase remove-peer`",
            other.id,
            other.cluster_key,
            tables(other).as_str().unwrap_or_default()
        );
    }
    Ok(Plan { scopes, adds: same.is_none() })
}

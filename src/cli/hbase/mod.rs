//! `fink hbase`: administers the replication peer through which HBase pushes new rows.

mod add_peer;
mod peer;
mod remove_peer;
mod show_peer;

use clap::Subcommand;

use super::context::Context;
pub(super) use peer::{LAG_ADVICE, MAX_LAG, admin};

pub(super) const AFTER_HELP: &str = "\
These commands need science_db.kind = \"hbase\", and in HBase the right of a global administrator where it has access control.

Example: fink hbase add-peer --dry-run
         fink hbase add-peer";

/// `fink hbase …`
#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "the variants are the names of the commands")]
pub enum Action {
    /// Let HBase push new rows: scope the trigger's column family and add the replication peer
    AddPeer(add_peer::Args),
    /// Show the replication peer, its lag and the services that are registered
    ShowPeer(show_peer::Args),
    /// Remove the replication peer: HBase pushes nothing more, and keeps no WALs for it
    RemovePeer(remove_peer::Args),
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    match action {
        Action::AddPeer(args) => add_peer::run(args, context),
        Action::ShowPeer(args) => show_peer::run(args, context),
        Action::RemovePeer(args) => remove_peer::run(args, context),
    }
}

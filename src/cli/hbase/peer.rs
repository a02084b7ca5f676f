//! The session with HBase's master, and the peer in words.

use std::time::Duration;

use serde_json::Value;

use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::config::RequiredLogin;
use crate::science_db::{Peer, PeerAdmin, ScienceDbSettings, StoreKind};

/// A longer lag is worth a look at the settings of the region servers.
pub(crate) const MAX_LAG: Duration = Duration::from_secs(1);

/// What makes the lag long.
pub(crate) const LAG_ADVICE: &str = "set replication.source.sleepforretries = 10 and replication.source.maxretriesmultiplier = 5, \
     with replication.source.regionserver.abort = false, in hbase-site.xml of the region servers (docs/push.md)";

/// The settings of the science database, with a session with the master.
pub(super) fn open(context: &Context) -> anyhow::Result<(ScienceDbSettings, PeerAdmin)> {
    let settings = context.settings(RequiredLogin::None)?.science_db;
    if settings.kind != StoreKind::HBase {
        let reason = "science_db.kind is not \"hbase\": a Thrift gateway cannot administer replication peers; docs/push.md has the commands for the HBase shell";
        return Err(UsageError(reason.to_owned()).into());
    }
    let admin = admin(&settings)?;
    Ok((settings, admin))
}

/// A session with the master about the trigger of the table.
pub(crate) fn admin(settings: &ScienceDbSettings) -> anyhow::Result<PeerAdmin> {
    let catalog = Catalog::load(&settings.catalog)?;
    let trigger = catalog.trigger_column(settings.trigger.as_deref())?;
    let Some((family, _)) = trigger.family_and_qualifier() else {
        let reason =
            format!("the trigger `{}` is a part of the row key: HBase has no cell of it to push", trigger.name);
        return Err(UsageError(reason).into());
    };
    Ok(PeerAdmin::new(settings, &settings.table_of(&catalog), family, &CancellationToken::new()))
}

/// The tables and families of a peer: `t: a, b; u: all families`.
pub(super) fn tables(peer: &Peer) -> Value {
    if peer.replicates_all {
        return Value::from("all tables");
    }
    let table = |(name, families): &(String, Vec<String>)| match families.is_empty() {
        true => format!("{name}: all families"),
        false => format!("{name}: {}", families.join(", ")),
    };
    peer.tables.iter().map(table).collect::<Vec<_>>().join("; ").into()
}

//! Push: the services that are registered in ZooKeeper, the replication peer, and its lag.

use super::checklist::Checklist;
use crate::cli::hbase::{LAG_ADVICE, MAX_LAG, admin};
use crate::science_db::{ReplicationSettings, ScienceDbError, ScienceDbSettings, StoreKind, registered_sinks};
use crate::units::format_duration;

const REGISTRATION: &str = "push: registration";
const PEER: &str = "push: peer";
const LAG: &str = "push: lag";

pub(super) fn check(list: &mut Checklist, settings: &ScienceDbSettings) -> anyhow::Result<()> {
    if !settings.push {
        return Ok(());
    }
    registration(list, &settings.replication)?;
    match settings.kind {
        StoreKind::HBase => peer(list, settings),
        _ => list
            .unknown(PEER, "not checked: a gateway does not know replication peers (science_db.kind is not \"hbase\")"),
    }
}

fn registration(list: &mut Checklist, settings: &ReplicationSettings) -> anyhow::Result<()> {
    let root = &settings.root;
    match registered_sinks(settings) {
        Err(error) => list.fail(REGISTRATION, format!("{error}; correct science_db.push_zookeeper")),
        Ok(sinks) => match &sinks[..] {
            [] => list.unknown(REGISTRATION, format!("no service is registered at {root}: `fink start distribution` registers")),
            [sink] => list.pass(REGISTRATION, format!("{sink} at {root}")),
            sinks => list.fail(
                REGISTRATION,
                format!(
                    "{} are registered at {root}, and each gets a part of the rows: give each service its own science_db.push_root and \
                     science_db.push_peer",
                    sinks.join(" ")
                ),
            ),
        },
    }
}

fn peer(list: &mut Checklist, settings: &ScienceDbSettings) -> anyhow::Result<()> {
    let id = &settings.replication.peer;
    let mut admin = admin(settings)?;
    let found = (|| Ok::<_, ScienceDbError>((admin.is_scoped()?, admin.peers()?, admin.sources(id)?)))();
    let (is_scoped, peers, sources) = match found {
        Ok(found) => found,
        Err(error) => return list.fail(PEER, error),
    };
    let peer = peers.iter().find(|peer| peer.id == *id);
    match peer {
        None => return list.fail(PEER, format!("HBase has no replication peer `{id}`: `fink hbase add-peer` adds it")),
        Some(peer) if !peer.is_enabled => {
            list.fail(PEER, format!("`{id}` is disabled: `enable_peer '{id}'` in the HBase shell"))?
        }
        Some(_) if !is_scoped => {
            list.fail(
                PEER,
                format!("{} is not scoped for replication: `fink hbase add-peer` does it", admin.family_name()),
            )?;
        }
        Some(peer) => list.pass(PEER, format!("`{id}` to {}", peer.cluster_key))?,
    }
    // HBase reports the longest lag, also of times without a service: a long one is no proof.
    match sources.iter().map(|source| source.longest_lag).max() {
        None => list.unknown(LAG, "no region server has reported a lag yet"),
        Some(lag) if lag <= MAX_LAG => list.pass(LAG, format!("at most {}", format_duration(lag))),
        Some(lag) => {
            let lag = format_duration(lag);
            list.unknown(
                LAG,
                format!("up to {lag}, which counts times without a service; if it was not away, {LAG_ADVICE}"),
            )
        }
    }
}

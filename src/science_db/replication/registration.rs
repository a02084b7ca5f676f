//! Registers the sink in ZooKeeper, as a peer cluster with one region server, for as long as the process lives.
//!
//! Under the root: `hbaseid`, a UUID as text, by which HBase tells clusters apart; `rs`, whose children are the region servers as
//! `host,port,startcode`. Root, `hbaseid` and `rs` are persistent; the child is ephemeral, so HBase stops sending as soon as the process has gone.

use std::time::{Duration, Instant};

use super::settings::ReplicationSettings;
use super::zookeeper::{ZooKeeperError, ZooKeeperSession};
use crate::cancel::CancellationToken;
use crate::timestamp::Timestamp;

/// Time between two attempts to register.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often the registration is checked at least.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Another sink that is registered for so long is not the rest of an earlier process.
const OTHERS_EXPIRE: Duration = Duration::from_secs(60);

/// Keeps the sink at `port` registered until `cancel` is cancelled.
pub(super) fn keep_registered(settings: &ReplicationSettings, port: u16, cancel: &CancellationToken) {
    let mut problem = String::new();
    while !cancel.is_cancelled() {
        match register_and_wait(settings, port, cancel) {
            Ok(()) => problem.clear(),
            Err(error) => {
                // An outage is logged once, not each second.
                let text = error.to_string();
                if text != problem {
                    log::warn!(
                        "{text}; HBase pushes nothing until the sink is registered there, and new rows are polled for"
                    );
                }
                problem = text;
                cancel.wait(RETRY_INTERVAL);
            }
        }
    }
}

/// Registers, and returns when the registration is lost or no longer wanted.
fn register_and_wait(
    settings: &ReplicationSettings,
    port: u16,
    cancel: &CancellationToken,
) -> Result<(), ZooKeeperError> {
    let mut session = ZooKeeperSession::connect(&settings.zookeeper)?;
    let servers = create_cluster(&mut session, &settings.root)?;
    let host = match &settings.host {
        Some(host) => host.clone(),
        None => session.local_address()?.ip().to_string(),
    };
    // A name of its own for each session: the znode of an earlier session disappears only with that.
    let name = format!("{host},{port},{}", Timestamp::now().as_millis());
    let path = format!("{servers}/{name}");
    session.create_ephemeral(&path)?;
    log::info!("registered as a replication sink at {path} in ZooKeeper");
    let interval = session.ping_interval().min(CHECK_INTERVAL);
    let mut others_since = None;
    while !cancel.wait(interval) {
        session.ping()?;
        let registered = session.children(&servers)?;
        if !registered.contains(&name) {
            log::warn!("the znode {path} has disappeared from ZooKeeper: registering again");
            break;
        }
        let own = format!("{host},{port},");
        let others: Vec<&str> =
            registered.iter().map(String::as_str).filter(|other| !other.starts_with(&own)).collect();
        warn_of_others(&others, &mut others_since, &settings.root);
    }
    session.close();
    Ok(())
}

/// Creates the znodes of a cluster where they do not exist. Returns the path of the one that contains the region servers.
pub(super) fn create_cluster(session: &mut ZooKeeperSession, root: &str) -> Result<String, ZooKeeperError> {
    for (end, _) in root.match_indices('/').filter(|(at, _)| *at > 0) {
        session.ensure(&root[..end], b"")?;
    }
    session.ensure(root, b"")?;
    session.ensure(&format!("{root}/hbaseid"), random_uuid().as_bytes())?;
    let servers = format!("{root}/rs");
    session.ensure(&servers, b"")?;
    Ok(servers)
}

/// The sinks that are registered, as `host,port,startcode`.
///
/// # Errors
/// ZooKeeper cannot be reached.
pub(crate) fn registered_sinks(settings: &ReplicationSettings) -> Result<Vec<String>, ZooKeeperError> {
    let mut session = ZooKeeperSession::connect(&settings.zookeeper)?;
    let sinks = session.children(&format!("{}/rs", settings.root));
    session.close();
    sinks
}

/// A source chooses one of the registered sinks at random for each call: two services would each get a part of the rows.
fn warn_of_others(others: &[&str], since: &mut Option<Instant>, root: &str) {
    let Some(first) = others.first() else {
        *since = None;
        return;
    };
    let seen = *since.get_or_insert_with(Instant::now);
    if seen.elapsed() >= OTHERS_EXPIRE {
        *since = Some(Instant::now());
        log::warn!(
            "another replication sink, `{first}`, is registered at {root} in ZooKeeper: HBase sends each of the two a part of the rows; give \
             each service its own science_db.push_root and science_db.push_peer"
        );
    }
}

/// A random UUID (version 4).
fn random_uuid() -> String {
    let mut bytes = [0; 16];
    // OpenSSL fails only where the system has no source of random numbers; the time tells two clusters apart as well.
    if openssl::rand::rand_bytes(&mut bytes).is_err() {
        bytes = i128::from(Timestamp::now().as_millis()).to_be_bytes();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_the_form_that_java_reads() {
        let (one, other) = (random_uuid(), random_uuid());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
    }
}

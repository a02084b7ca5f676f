//! What the sessions of a process know together about an HBase cluster and one of its tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::readable_columns::ReadableColumns;
use super::regions::RegionCache;
use super::tls::Tls;
use crate::science_db::settings::HBaseTlsSettings;
use crate::science_db::timeouts::Timeouts;

/// Time between two log lines about one server.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// The user of a process whose environment names none.
const DEFAULT_USER: &str = "fink";

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    addresses: Vec<String>,
    user: String,
    timeouts: Timeouts,
    detours: BTreeMap<String, String>,
    tls: Option<Tls>,
    known: Mutex<Known>,
    regions: Mutex<RegionCache>,
    readable_columns: Mutex<ReadableColumns>,
}

/// Where the roles of the cluster are, as `host:port`.
#[derive(Debug, Default)]
struct Known {
    meta: Option<String>,
    master: Option<String>,
    /// when it was last logged that requests to a server fail
    failures: HashMap<String, Instant>,
    /// when it was last logged that a server is silent, since it has answered
    silences: HashMap<String, Instant>,
}

impl Cluster {
    /// A cluster that is known by the `addresses` (`host:port`) of some of its masters and region servers. `detours`: the addresses at which
    /// servers are reached that have others in the cluster, as through a tunnel.
    pub(crate) fn new(addresses: &[String], timeouts: Timeouts, detours: BTreeMap<String, String>) -> Self {
        // As in Hadoop's clients: without Kerberos the name is what the client says.
        let variables = ["HADOOP_USER_NAME", "USER", "LOGNAME"];
        let user = variables.iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        Self {
            addresses: addresses.to_vec(),
            user: user.unwrap_or_else(|| String::from(DEFAULT_USER)),
            timeouts,
            detours,
            tls: None,
            known: Mutex::default(),
            regions: Mutex::default(),
            readable_columns: Mutex::default(),
        }
    }

    /// With TLS, if the settings ask for it.
    pub(crate) fn with_tls(self, settings: &HBaseTlsSettings) -> Self {
        Self { tls: Tls::new(settings), ..self }
    }

    /// How connections are encrypted; `None`: not at all.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The configured addresses.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The address at which a server is reached.
    pub(crate) fn reach<'a>(&'a self, server: &'a str) -> &'a str {
        self.detours.get(server).map_or(server, String::as_str)
    }

    /// The user of the connections.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The time-outs of the sessions.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The server of `hbase:meta`.
    pub(crate) fn meta(&self) -> Option<String> {
        self.known().meta.clone()
    }

    /// Records the server of `hbase:meta`; `None`: it is not known any more.
    pub(crate) fn set_meta(&self, server: Option<String>) {
        self.known().meta = server;
    }

    /// The active master.
    pub(crate) fn master(&self) -> Option<String> {
        self.known().master.clone()
    }

    /// Records the active master; `None`: it is not known any more.
    pub(crate) fn set_master(&self, server: Option<String>) {
        self.known().master = server;
    }

    /// Whether the caller should log that a request to a server fails: true once per [`LOG_INTERVAL`] over all sessions.
    pub(crate) fn should_log_failure(&self, server: &str) -> bool {
        is_due(&mut self.known().failures, server)
    }

    /// Whether the caller should log that a server is silent: true once per [`LOG_INTERVAL`] over all sessions, until it answers.
    pub(crate) fn should_log_silence(&self, server: &str) -> bool {
        is_due(&mut self.known().silences, server)
    }

    /// Records that a server has answered after its silence was logged: the next one is another one.
    pub(crate) fn end_silence(&self, server: &str) {
        self.known().silences.remove(server);
    }

    /// The regions of the sessions' table.
    pub(crate) fn regions(&self) -> MutexGuard<'_, RegionCache> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which columns of the sessions' table the user may read.
    pub(crate) fn readable_columns(&self) -> MutexGuard<'_, ReadableColumns> {
        self.readable_columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(logged: &mut HashMap<String, Instant>, server: &str) -> bool {
    let is_due = logged.get(server).is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
    if is_due {
        logged.insert(server.to_owned(), Instant::now());
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_logged_by_one_session_and_the_next_one_again() {
        let cluster = Cluster::new(&[], Timeouts::default(), BTreeMap::new());
        let silences = || ["a:1", "a:1", "b:1"].map(|server| cluster.should_log_silence(server));
        assert_eq!(silences(), [true, false, true]);
        cluster.end_silence("a:1");
        assert_eq!(silences(), [true, false, false]);
        assert!(cluster.should_log_failure("a:1") && !cluster.should_log_failure("a:1"));
    }

    #[test]
    fn servers_are_reached_by_their_detours() {
        let detours = BTreeMap::from([(String::from("inside:16020"), String::from("127.0.0.1:9"))]);
        let cluster = Cluster::new(&[], Timeouts::default(), detours);
        assert_eq!([cluster.reach("inside:16020"), cluster.reach("other:16020")], ["127.0.0.1:9", "other:16020"]);
    }
}

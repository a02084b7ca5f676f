//! Administers the replication peer in HBase: the scope of a column family, the peer itself, and its lag.

use std::sync::Arc;
use std::time::Duration;

use super::settings::ReplicationSettings;
use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbError;
use crate::science_db::hbase::client::Client;
use crate::science_db::hbase::cluster::Cluster;
use crate::science_db::hbase::proto::{
    AddReplicationPeerRequest, BytesBytesPair, ColumnFamilySchema, GetClusterStatusRequest, GetTableDescriptorsRequest,
    ListReplicationPeersRequest, ModifyColumnRequest, NameStringPair, Option as StatusOption,
    RemoveReplicationPeerRequest, ReplicationPeer, ReplicationPeerDescription, ReplicationState, TableCf, TableName,
    replication_state,
};
use crate::science_db::settings::ScienceDbSettings;
use crate::science_db::timeouts::{Call, Timeouts};
use crate::timestamp::Timestamp;

/// The attribute of a family that says whether its cells are replicated.
const SCOPE: &[u8] = b"REPLICATION_SCOPE";

/// Whether region servers connect with TLS, also to the servers of a peer, whose own configuration takes precedence: the sink does not support it.
const CLIENT_TLS: &str = "hbase.client.netty.tls.enabled";

/// A replication peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub id: String,
    pub is_enabled: bool,
    /// `quorum:port:/root` of the cluster that receives the entries
    pub cluster_key: String,
    /// whether it replicates every table, except some
    pub replicates_all: bool,
    /// the tables (without the namespace `default`) that it replicates, and their families; none: all scoped families
    pub tables: Vec<(String, Vec<String>)>,
    /// whether it keeps the order of a region's entries when the region moves
    pub serial: bool,
}

/// How far a region server is with a peer, as it has last reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceStatus {
    /// `host:port`
    pub server: String,
    /// the longest time from the write of an entry to its acknowledgement, since the region server last took a snapshot of its metrics: also
    /// while no sink was registered
    pub longest_lag: Duration,
    /// how long the oldest entry waits that is not sent
    pub lag: Duration,
    /// when the last entry was sent; `None`: none since the start
    pub last_sent: Option<Timestamp>,
    /// WALs that wait, with the current one
    pub wals: u32,
}

/// A session with the active master.
pub(crate) struct PeerAdmin {
    client: Client,
    table: TableName,
    table_name: String,
    family: String,
}

impl PeerAdmin {
    /// A session about the column `family` of `table` (`namespace:name`). Opens no connection.
    pub fn new(settings: &ScienceDbSettings, table: &str, family: &str, cancel: &CancellationToken) -> Self {
        let cluster =
            Cluster::new(&settings.addresses, Timeouts::default(), Default::default()).with_tls(&settings.tls);
        let (namespace, qualifier) = table.split_once(':').unwrap_or(("default", table));
        Self {
            client: Client::new(&Arc::new(cluster), 0, cancel),
            table: TableName { namespace: namespace.into(), qualifier: qualifier.into() },
            table_name: table.to_owned(),
            family: family.to_owned(),
        }
    }

    /// The family, as `table:family`.
    pub fn family_name(&self) -> String {
        format!("{}:{}", self.table_name.strip_prefix("default:").unwrap_or(&self.table_name), self.family)
    }

    /// Whether the cells of the family are replicated.
    ///
    /// # Errors
    /// The master cannot be reached; there is no such table, or it has no such family.
    pub fn is_scoped(&mut self) -> Result<bool, ScienceDbError> {
        let family = self.describe_family()?;
        let scope = family.attributes.iter().find(|attribute| attribute.first == SCOPE);
        Ok(scope.is_some_and(|scope| scope.second != b"0"))
    }

    /// Lets the cells of the family be replicated. HBase reopens the regions of the table for it.
    ///
    /// # Errors
    /// As for [`is_scoped`](Self::is_scoped); or the master refuses it.
    pub fn scope(&mut self) -> Result<(), ScienceDbError> {
        let mut family = self.describe_family()?;
        family.attributes.retain(|attribute| attribute.first != SCOPE);
        family.attributes.push(BytesBytesPair { first: SCOPE.into(), second: b"1".into() });
        let request = ModifyColumnRequest { table_name: self.table.clone(), column_families: family };
        let procedure = self.client.master(Call::Create, &request)?.proc_id;
        self.wait_for(procedure)
    }

    /// All peers.
    ///
    /// # Errors
    /// The master cannot be reached, or refuses to list them.
    pub fn peers(&mut self) -> Result<Vec<Peer>, ScienceDbError> {
        let response = self.client.master(Call::Metadata, &ListReplicationPeersRequest { regex: None })?;
        Ok(response.peer_desc.into_iter().map(Peer::from).collect())
    }

    /// The peer that replicates the family to the cluster of `settings`.
    ///
    /// # Errors
    /// The settings name no cluster.
    pub fn planned_peer(&self, settings: &ReplicationSettings, serial: bool) -> Result<Peer, String> {
        let name = self.table_name.strip_prefix("default:").unwrap_or(&self.table_name);
        Ok(Peer {
            id: settings.peer.clone(),
            is_enabled: true,
            cluster_key: settings.cluster_key()?,
            replicates_all: false,
            tables: vec![(name.to_owned(), vec![self.family.clone()])],
            serial,
        })
    }

    /// Adds the peer that replicates the family to the cluster of `settings`.
    ///
    /// # Errors
    /// The master cannot be reached, or refuses it: a peer of this name exists, or the master cannot reach the ZooKeeper.
    pub fn add(&mut self, peer: &Peer) -> Result<(), ScienceDbError> {
        let table = TableCf { table_name: Some(self.table.clone()), families: vec![self.family.clone().into()] };
        let config = ReplicationPeer {
            clusterkey: Some(peer.cluster_key.clone()),
            table_cfs: vec![table],
            replicate_all: Some(false),
            serial: Some(peer.serial),
            bandwidth: Some(0),
            configuration: vec![NameStringPair { name: CLIENT_TLS.into(), value: String::from("false") }],
            ..Default::default()
        };
        let request = AddReplicationPeerRequest {
            peer_id: peer.id.clone(),
            peer_config: config,
            peer_state: ReplicationState { state: replication_state::State::Enabled.into() },
        };
        let procedure = self.client.master(Call::Create, &request)?.proc_id;
        self.wait_for(procedure)
    }

    /// Removes a peer, and with it the entries that are not sent yet.
    ///
    /// # Errors
    /// The master cannot be reached, or refuses it: there is no such peer.
    pub fn remove(&mut self, peer: &str) -> Result<(), ScienceDbError> {
        let request = RemoveReplicationPeerRequest { peer_id: peer.to_owned() };
        let procedure = self.client.master(Call::Create, &request)?.proc_id;
        self.wait_for(procedure)
    }

    /// How far the region servers are with a peer. They report it every few seconds.
    ///
    /// # Errors
    /// The master cannot be reached.
    pub fn sources(&mut self, peer: &str) -> Result<Vec<SourceStatus>, ScienceDbError> {
        let request = GetClusterStatusRequest { options: vec![StatusOption::LiveServers.into()] };
        let status = self.client.master(Call::Metadata, &request)?.cluster_status;
        let mut sources = Vec::new();
        for live in status.live_servers {
            let server = format!("{}:{}", live.server.host_name, live.server.port());
            for load in live.server_load.repl_load_source.iter().filter(|load| load.peer_id == peer) {
                let sent = i64::try_from(load.time_stamp_of_last_shipped_op).ok().filter(|sent| *sent > 0);
                sources.push(SourceStatus {
                    server: server.clone(),
                    longest_lag: Duration::from_millis(load.age_of_last_shipped_op),
                    lag: Duration::from_millis(load.replication_lag),
                    last_sent: sent.map(Timestamp::from_millis),
                    wals: load.size_of_log_queue,
                });
            }
        }
        Ok(sources)
    }

    fn describe_family(&mut self) -> Result<ColumnFamilySchema, ScienceDbError> {
        let request = GetTableDescriptorsRequest { table_names: vec![self.table.clone()] };
        let schemas = self.client.master(Call::Metadata, &request)?.table_schema;
        let address = self.client.cluster().addresses().join(",");
        let Some(schema) = schemas.into_iter().next() else {
            return Err(ScienceDbError::NoTable { address, table: self.table_name.clone() });
        };
        let family = schema.column_families.into_iter().find(|family| family.name == self.family.as_bytes());
        family.ok_or_else(|| {
            let reason = format!(
                "table {} has no column family `{}`, which the catalog names for the trigger",
                self.table_name, self.family
            );
            ScienceDbError::Refused { address, reason }
        })
    }

    fn wait_for(&mut self, procedure: Option<u64>) -> Result<(), ScienceDbError> {
        self.client.wait_for_procedure(procedure)?.map_err(|exception| ScienceDbError::Refused {
            address: self.client.cluster().master().unwrap_or_default(),
            reason: exception.to_string(),
        })
    }
}

impl From<ReplicationPeerDescription> for Peer {
    fn from(peer: ReplicationPeerDescription) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let is_enabled = peer.state.state() == replication_state::State::Enabled;
        let tables = peer.config.table_cfs.iter().map(|table| {
            let name = table.table_name.as_ref().map_or_else(String::new, |name| match &name.namespace[..] {
                b"default" => text(&name.qualifier),
                namespace => format!("{}:{}", text(namespace), text(&name.qualifier)),
            });
            (name, table.families.iter().map(|family| text(family)).collect())
        });
        Self {
            id: peer.id,
            is_enabled,
            cluster_key: peer.config.clusterkey().to_owned(),
            replicates_all: peer.config.replicate_all(),
            tables: tables.collect(),
            serial: peer.config.serial(),
        }
    }
}

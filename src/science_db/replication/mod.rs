//! Receives from HBase what is written to a table, as the sink of a replication peer.
//!
//! HBase's region servers send the entries of their write-ahead logs (WAL) to the region servers of a peer cluster. A peer cluster is known by a
//! znode in ZooKeeper: an identifier, and one ephemeral znode for each region server. `fink` creates such a znode ([`registration`]), accepts
//! the connections of the source's region servers ([`sink`]), reads their calls ([`call`], [`wal_cells`]) and hands over the row versions whose
//! trigger cell was written, as [`Delivery`]s. It needs no master and no table of its own.
//!
//! A [`Delivery`] is a hint, not data: rows are read from the table afterwards, so a foreign sender cannot make up an alert. A region server
//! sends a call again until it is acknowledged; it keeps its WALs until then.

mod call;
mod peer_admin;
mod registration;
mod settings;
mod sink;
mod trigger_column;
mod wal_cells;
mod zookeeper;

pub(crate) use peer_admin::{Peer, PeerAdmin, SourceStatus};
pub(crate) use registration::registered_sinks;
pub use settings::ReplicationSettings;
pub(crate) use sink::{Delivery, ReplicationSink, ReplicationSinkError};
pub(crate) use trigger_column::TriggerColumn;
pub(crate) use zookeeper::ZooKeeperSession;

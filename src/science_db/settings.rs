//! The settings of the science database.

use std::path::PathBuf;

use super::replication::ReplicationSettings;
use crate::catalog::Catalog;

/// Which store holds the science database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// HBase, its servers directly
    HBase,
    /// HBase through Thrift 2 gateways
    Thrift2,
    /// HBase through Thrift 1 gateways
    Thrift1,
    /// SQLite
    Embedded,
}

/// How the connections to HBase's servers are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HBaseProtocol {
    /// in plain text
    #[default]
    Plaintext,
    /// with TLS
    Ssl,
}

/// TLS with HBase's servers; without it, the files are of no use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HBaseTlsSettings {
    /// whether connections use TLS
    pub protocol: HBaseProtocol,
    /// the trusted CAs, PEM; `None`: those of the system
    pub ssl_ca: Option<PathBuf>,
    /// the client's certificate, PEM
    pub ssl_certificate: Option<PathBuf>,
    /// its private key, PEM
    pub ssl_key: Option<PathBuf>,
}

/// When a row is fetched whole after its trigger was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompleteRows {
    /// if a needed column has no cell in the window
    WhenPartial,
    /// always
    Always,
}

/// Prefixes of the row keys of certain rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPrefixes(pub Vec<String>);

impl RowPrefixes {
    /// The first prefix that `row_key` starts with.
    pub fn of(&self, row_key: &[u8]) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|prefix| row_key.starts_with(prefix.as_bytes()))
    }
}

/// `[science_db]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScienceDbSettings {
    /// the store
    pub kind: StoreKind,
    /// gateways as `host:port`; at least one for the Thrift kinds
    pub addresses: Vec<String>,
    /// TLS, for the kind HBase
    pub tls: HBaseTlsSettings,
    /// the SQLite file, for the embedded kind
    pub path: PathBuf,
    /// the catalog's file
    pub catalog: PathBuf,
    /// the table, `name` or `namespace:name`; `None`: the catalog's
    pub table: Option<String>,
    /// the column whose write makes a row an alert; `None`: the catalog's
    pub trigger: Option<String>,
    /// the column that the partition depends on; `None`: the catalog's
    pub object_id: Option<String>,
    /// when rows are fetched whole
    pub complete_rows: CompleteRows,
    /// rows that are not alerts
    pub skip_rows: RowPrefixes,
    /// whether HBase pushes new rows to the service
    pub push: bool,
    /// how it does
    pub replication: ReplicationSettings,
}

impl ScienceDbSettings {
    /// The table as `namespace:name`: the configured one, else the catalog's.
    pub fn table_of(&self, catalog: &Catalog) -> String {
        match &self.table {
            Some(table) if table.contains(':') => table.clone(),
            Some(table) => format!("default:{table}"),
            None => format!("{}:{}", catalog.namespace, catalog.table),
        }
    }
}

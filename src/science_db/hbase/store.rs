//! HBase as a store of the science database.

use std::sync::Arc;

use super::client::Client;
use super::cluster::Cluster;
use super::scan::{self, OpenScan};
use super::table::Table;
use super::{admin, read_permission, rows as keyed};
use crate::cancel::CancellationToken;
use crate::row::{Columns, Rows};
use crate::science_db::family_scan::FamilyScan;
use crate::science_db::{KeyRange, NewTable, Put, Scan, ScienceDb, ScienceDbError, key_ranges_from};

/// A session with one table.
pub(crate) struct HBase {
    client: Client,
    table: Table,
    family_scan: FamilyScan,
    open: Option<OpenScan>,
}

impl HBase {
    /// The session number `session` with `table` (`namespace:name`). Finds out where `hbase:meta` is.
    ///
    /// # Errors
    /// No server of the cluster can be reached, or it is no HBase.
    pub(crate) fn open(
        cluster: &Arc<Cluster>,
        table: &str,
        session: usize,
        cancel: &CancellationToken,
    ) -> Result<Self, ScienceDbError> {
        let mut client = Client::new(cluster, session, cancel);
        client.meta()?;
        Ok(Self { client, table: Table::new(table), family_scan: FamilyScan::default(), open: None })
    }
}

impl ScienceDb for HBase {
    fn key_ranges(&mut self) -> Result<Vec<KeyRange>, ScienceDbError> {
        let regions = self.table.list(&mut self.client)?;
        Ok(key_ranges_from(regions.iter().map(|region| region.start.clone()).collect()))
    }

    fn servers(&mut self) -> Result<Vec<String>, ScienceDbError> {
        Ok(self.table.list(&mut self.client)?.iter().filter_map(|region| region.server.clone()).collect())
    }

    fn scan(&mut self, scan: &Scan<'_>, after: Option<&[u8]>, rows: &mut Rows) -> Result<bool, ScienceDbError> {
        rows.refill(scan.columns.len());
        if scan.columns.is_empty() {
            return Ok(false);
        }
        let Self { client, table, family_scan, open } = self;
        read_permission::check(client, table, scan.columns)?;
        scan::read_page(client, table, open, family_scan, scan, after, rows)
    }

    fn get(&mut self, keys: &[&[u8]], columns: &Columns, rows: &mut Rows) -> Result<(), ScienceDbError> {
        rows.refill(columns.len());
        if columns.is_empty() {
            return Ok(());
        }
        read_permission::check(&mut self.client, &self.table, columns)?;
        keyed::get(&mut self.client, &self.table, &mut self.family_scan, keys, columns, rows)
    }

    fn put(&mut self, puts: &[Put]) -> Result<(), ScienceDbError> {
        keyed::put(&mut self.client, &self.table, puts)
    }

    fn delete(&mut self, keys: &[&[u8]]) -> Result<(), ScienceDbError> {
        keyed::delete(&mut self.client, &self.table, keys)
    }

    fn create_table(&mut self, table: &NewTable) -> Result<bool, ScienceDbError> {
        admin::create_table(&mut self.client, &self.table, table)
    }
}

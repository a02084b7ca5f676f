//! Changes of a table and its regions, as an administrator or HBase's balancer makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::Client;
use super::cluster::Cluster;
use super::exception::{CallError, ServerException};
use super::proto::{
    DeleteTableRequest, DisableTableRequest, EnableTableRequest, FlushRegionRequest, MergeTableRegionsRequest, Method,
    MoveRegionRequest, RegionInfo, RegionSpecifier, SplitTableRegionRequest, region_specifier,
};
use super::regions::Region;
use super::table::{Table, region_name};
use crate::cancel::CancellationToken;
use crate::science_db::timeouts::Call;
use crate::science_db::{ScienceDbError, ScienceDbSettings, Timeouts};

/// Administers one table. Each call returns when it is done.
pub struct HBaseTableAdmin {
    client: Client,
    table: Table,
}

impl HBaseTableAdmin {
    /// For `table` (`namespace:name`) of the HBase that `settings` name. Opens no connection.
    pub fn new(settings: &ScienceDbSettings, table: &str) -> Self {
        let cluster = Cluster::new(&settings.addresses, Timeouts::default(), BTreeMap::new()).with_tls(&settings.tls);
        Self { client: Client::new(&Arc::new(cluster), 0, &CancellationToken::new()), table: Table::new(table) }
    }

    /// Splits the region of `key` there.
    ///
    /// # Errors
    /// HBase is away, or refuses: a region that was just split cannot be split before its files are compacted.
    pub fn split(&mut self, key: &[u8]) -> Result<(), ScienceDbError> {
        let regions = self.table.list(&mut self.client)?;
        let Some(region) = regions.iter().find(|region| region.contains(key)) else { return Ok(()) };
        let region_info = RegionInfo {
            region_id: region_id(region),
            table_name: self.table.proto_name(),
            start_key: Some(region.start.clone()),
            end_key: Some(region.end.clone()),
            offline: Some(false),
            split: Some(false),
            replica_id: Some(0),
        };
        let request = SplitTableRegionRequest { region_info, split_row: Some(key.to_vec()) };
        self.run(&request, |response| response.proc_id)
    }

    /// Merges the region of `key` and the next one.
    ///
    /// # Errors
    /// As for [`split`](Self::split).
    pub fn merge(&mut self, key: &[u8]) -> Result<(), ScienceDbError> {
        let regions = self.table.list(&mut self.client)?;
        let from_key = regions.iter().skip_while(|region| !region.contains(key));
        let region = from_key.take(2).map(|region| encoded_name(region)).collect();
        self.run(&MergeTableRegionsRequest { region, forcible: Some(true) }, |response| response.proc_id)
    }

    /// Has all regions closed and opened again, at another server if there is one.
    ///
    /// # Errors
    /// HBase is away.
    pub fn move_all(&mut self) -> Result<(), ScienceDbError> {
        for region in self.table.list(&mut self.client)? {
            let request = MoveRegionRequest { region: encoded_name(&region), dest_server_name: None };
            self.run(&request, |_| None)?;
        }
        Ok(())
    }

    /// Writes the rows in memory to files.
    ///
    /// # Errors
    /// HBase is away, or a region moves.
    pub fn flush(&mut self) -> Result<(), ScienceDbError> {
        for region in self.table.list(&mut self.client)? {
            let server = region.server.clone().unwrap_or_default();
            let flushed =
                self.client.call(&server, Call::Create, &FlushRegionRequest { region: region_name(&region.name) });
            flushed.map_err(|error| self.client.error(&server, error))?;
        }
        Ok(())
    }

    /// Disables the table.
    ///
    /// # Errors
    /// HBase is away, or the table is disabled.
    pub fn disable(&mut self) -> Result<(), ScienceDbError> {
        self.run(&DisableTableRequest { table_name: self.table.proto_name() }, |response| response.proc_id)
    }

    /// Enables the table.
    ///
    /// # Errors
    /// HBase is away, or the table is enabled.
    pub fn enable(&mut self) -> Result<(), ScienceDbError> {
        self.run(&EnableTableRequest { table_name: self.table.proto_name() }, |response| response.proc_id)
    }

    /// Deletes the table, which must be disabled.
    ///
    /// # Errors
    /// HBase is away, or the table is enabled.
    pub fn delete(&mut self) -> Result<(), ScienceDbError> {
        self.run(&DeleteTableRequest { table_name: self.table.proto_name() }, |response| response.proc_id)
    }

    fn run<M: Method>(
        &mut self,
        request: &M,
        procedure: impl FnOnce(&M::Response) -> Option<u64>,
    ) -> Result<(), ScienceDbError> {
        let done = match self.client.try_master(Call::Create, request)? {
            Ok(response) => self.client.wait_for_procedure(procedure(&response))?,
            Err(exception) => Err(exception),
        };
        done.map_err(|exception| {
            let server = self.client.cluster().master().unwrap_or_default();
            self.client.error(&server, CallError::Exception(ServerException { do_not_retry: true, ..exception }))
        })
    }
}

/// The id in the name `TABLE,START,ID.HASH.`
fn region_id(region: &Region) -> u64 {
    let name = String::from_utf8_lossy(&region.name);
    let id = name.rsplit(',').next().and_then(|rest| rest.split('.').next());
    id.and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// The hash in the name.
fn encoded_name(region: &Region) -> RegionSpecifier {
    let name = region.name.strip_suffix(b".").unwrap_or(&region.name);
    let hash = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    RegionSpecifier { r#type: region_specifier::RegionSpecifierType::EncodedRegionName.into(), value: hash.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_hash_are_parts_of_the_name() {
        let name = b"ns:t,a.b,c,1543000000123.0123456789abcdef0123456789abcdef.".to_vec();
        let region = Region { name, start: b"a.b,c".to_vec(), end: Vec::new(), server: None };
        assert_eq!(region_id(&region), 1_543_000_000_123);
        assert_eq!(encoded_name(&region).value, b"0123456789abcdef0123456789abcdef");
    }
}

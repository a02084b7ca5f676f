//! One table: where its regions are, and what to do when a call to one of them fails.

use std::sync::Arc;

use super::client::{Client, NO_META};
use super::exception::{CallError, Remedy};
use super::frame::Damaged;
use super::proto::{self, RegionSpecifier};
use super::proto::{
    Action, Get, MultiRequest, RegionAction, ScanRequest, TableState, region_specifier, scan, table_state,
};
use super::regions::{Region, strip_magic};
use super::retry::Retry;
use super::row_decoder::RowDecoder;
use crate::row::{Columns, Rows};
use crate::science_db::ScienceDbError;
use crate::science_db::timeouts::Call;
use prost::Message;

/// Rows of `hbase:meta` in one response.
const META_ROWS: u32 = 1_000;
/// Behind the ids of all regions with the same start key.
const LAST_REGION_ID: &str = "99999999999999";

/// The table of a session.
pub(crate) struct Table {
    /// `namespace:name`
    name: String,
    meta_columns: Columns,
}

impl Table {
    /// The table `name`, as `namespace:name`.
    pub(crate) fn new(name: &str) -> Self {
        let columns = ["regioninfo", "server"].map(|name| (String::from("info"), String::from(name)));
        Self { name: name.to_owned(), meta_columns: Columns::new(columns.to_vec()) }
    }

    /// The table as `namespace:name`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table as HBase writes it: without the namespace `default`.
    pub(crate) fn short_name(&self) -> &str {
        self.name.strip_prefix("default:").unwrap_or(&self.name)
    }

    /// The namespace and the name in it.
    pub(crate) fn proto_name(&self) -> proto::TableName {
        let (namespace, name) = self.name.split_once(':').unwrap_or(("default", &self.name));
        proto::TableName { namespace: namespace.into(), qualifier: name.into() }
    }

    /// Reads the list of all regions, and remembers it.
    ///
    /// # Errors
    /// `NoTable`; HBase is away.
    pub(crate) fn list(&self, client: &mut Client) -> Result<Vec<Arc<Region>>, ScienceDbError> {
        let name = self.short_name();
        let scan = proto::Scan {
            start_row: Some(format!("{name},,").into_bytes()),
            // `hbase:meta` compares the parts of its keys: this is behind all regions of the table.
            stop_row: Some(format!("{name} ,,").into_bytes()),
            ..self.meta_scan()
        };
        let regions = self.read_meta(client, &scan, None)?;
        if regions.is_empty() {
            return Err(self.no_table(client));
        }
        let mut cache = client.cluster().regions();
        cache.replace(regions.clone());
        Ok(regions.into_iter().map(Arc::new).collect())
    }

    /// The region of a key.
    ///
    /// # Errors
    /// `NoTable`; HBase is away; no server has the region, for longer than a split or move takes.
    pub(crate) fn locate(
        &self,
        client: &mut Client,
        key: &[u8],
        retry: &mut Retry,
    ) -> Result<Arc<Region>, ScienceDbError> {
        loop {
            let (found, is_empty) = {
                let cache = client.cluster().regions();
                (cache.find(key), cache.is_empty())
            };
            let found = match found {
                Some(region) => Some(region),
                None if is_empty => {
                    self.list(client)?;
                    client.cluster().regions().find(key)
                }
                None => self.look_up(client, key)?,
            };
            let (place, reason) = match found {
                Some(region) if region.server.is_some() => return Ok(region),
                Some(region) => {
                    client.cluster().regions().forget(&region);
                    (region.display_name(), "is not open at any server")
                }
                None => (format!("of the key \"{}\"", key.escape_ascii()), "is not in hbase:meta"),
            };
            self.check_enabled(client)?;
            let address = client.cluster().meta().unwrap_or_default();
            retry.pause(&address, &format!("the region {place} {reason}"))?;
        }
    }

    /// Reads from `hbase:meta` which region has a key now.
    fn look_up(&self, client: &mut Client, key: &[u8]) -> Result<Option<Arc<Region>>, ScienceDbError> {
        let name = self.short_name();
        let scan = proto::Scan {
            start_row: Some([name.as_bytes(), b",", key, b",", LAST_REGION_ID.as_bytes()].concat()),
            stop_row: Some(format!("{name},,").into_bytes()),
            reversed: Some(true),
            ..self.meta_scan()
        };
        let found = self.read_meta(client, &scan, Some(1))?;
        let region = found.into_iter().find(|region| region.contains(key));
        Ok(region.map(|region| client.cluster().regions().insert(region)))
    }

    fn meta_scan(&self) -> proto::Scan {
        let qualifier = self.meta_columns.names().map(|(_, qualifier)| qualifier.into()).collect();
        proto::Scan {
            column: vec![proto::Column { family: b"info".to_vec(), qualifier }],
            max_versions: Some(1),
            read_type: Some(scan::ReadType::Pread.into()),
            ..proto::Scan::default()
        }
    }

    /// Scans `hbase:meta`, up to `limit` rows.
    fn read_meta(
        &self,
        client: &mut Client,
        scan: &proto::Scan,
        limit: Option<u32>,
    ) -> Result<Vec<Region>, ScienceDbError> {
        let mut retry = client.retry();
        loop {
            let Some(server) = client.find_meta()? else {
                retry.pause(&client.registry_address(), &NO_META)?;
                continue;
            };
            match self.try_read_meta(client, &server, scan, limit) {
                Ok(regions) => return Ok(regions),
                Err(error) => self.recover_meta(client, &server, error, &mut retry)?,
            }
        }
    }

    /// `hbase:meta` moves as other regions do.
    fn recover_meta(
        &self,
        client: &mut Client,
        server: &str,
        error: CallError,
        retry: &mut Retry,
    ) -> Result<(), ScienceDbError> {
        client.cluster().set_meta(None);
        client.pause(retry, server, error)
    }

    fn try_read_meta(
        &self,
        client: &mut Client,
        server: &str,
        scan: &proto::Scan,
        limit: Option<u32>,
    ) -> Result<Vec<Region>, CallError> {
        let columns = &self.meta_columns;
        let mut rows = Rows::default();
        let mut page = rows.refill(columns.len());
        let mut decoder = RowDecoder::new(columns);
        let mut request = ScanRequest {
            region: Some(region_name(&Region::meta(server.to_owned()).name)),
            scan: Some(scan.clone()),
            number_of_rows: Some(limit.unwrap_or(META_ROWS)),
            limit_of_rows: limit,
            next_call_seq: Some(0),
            client_handles_partials: Some(true),
            client_handles_heartbeats: Some(true),
            ..ScanRequest::default()
        };
        for sequence in 1.. {
            let sent = client.send(server, Call::Metadata, &request, &[])?;
            let response = client.receive::<ScanRequest>(sent, page.buffer)?;
            decoder.add(&mut page, response.cells)?;
            if response.message.more_results_in_region != Some(true) || response.message.more_results == Some(false) {
                break;
            }
            request = ScanRequest {
                scanner_id: request.scanner_id.or(response.message.scanner_id),
                next_call_seq: Some(sequence),
                region: None,
                scan: None,
                ..request
            };
        }
        decoder.end_row(page.index);
        let regions = rows.iter().filter_map(|row| {
            let info = row.cell(0)?;
            Region::of_meta_row(row.key, info.value, row.cell(1).map(|cell| cell.value)).transpose()
        });
        Ok(regions.collect::<Result<_, Damaged>>()?)
    }

    /// Fails if the table is disabled.
    ///
    /// # Errors
    /// It is; or HBase is away.
    fn check_enabled(&self, client: &mut Client) -> Result<(), ScienceDbError> {
        let columns = Columns::new(vec![(String::from("table"), String::from("state"))]);
        let column = proto::Column { family: b"table".to_vec(), qualifier: vec![b"state".to_vec()] };
        let get = Get { row: self.short_name().into(), column: vec![column], ..Get::default() };
        let Some(server) = client.find_meta()? else { return Ok(()) };
        let region = region_name(&Region::meta(server.clone()).name);
        let action = vec![Action { index: Some(0), get: Some(get), ..Action::default() }];
        let request = MultiRequest { region_action: vec![RegionAction { region, atomic: None, action }] };
        let mut read = || -> Result<Option<TableState>, CallError> {
            let mut rows = Rows::default();
            let mut page = rows.refill(1);
            let sent = client.send(&server, Call::Metadata, &request, &[])?;
            let response = client.receive::<MultiRequest>(sent, page.buffer)?;
            RowDecoder::new(&columns).add(&mut page, response.cells)?;
            let cell = rows.iter().next().and_then(|row| row.cell(0));
            Ok(cell.map(|cell| TableState::decode(strip_magic(cell.value))).transpose()?)
        };
        match read() {
            Ok(Some(state)) if state.state() != table_state::State::Enabled => {
                let (address, name) = (server, self.short_name());
                let state = state.state().as_str_name();
                let reason = format!("the table `{}` is {state}: run `enable '{name}'` in `hbase shell`", self.name);
                Err(ScienceDbError::Refused { address, reason })
            }
            Ok(_) => Ok(()),
            Err(error) => {
                log::debug!("cannot read the state of the table {}: {error}", self.name);
                Ok(())
            }
        }
    }

    /// Learns from a failed call to `region`: who has the region, and who does not.
    ///
    /// # Errors
    /// The call is not to be repeated.
    pub(crate) fn learn(&self, client: &Client, region: &Arc<Region>, error: &CallError) -> Result<(), ScienceDbError> {
        let server = region.server.as_deref().unwrap_or_default();
        let mut cache = client.cluster().regions();
        match error {
            CallError::Exception(exception) => match (exception.remedy(), &exception.moved_to) {
                (Remedy::Locate, Some(address)) => cache.moved(region, address),
                (Remedy::Locate | Remedy::CheckTable, _) => cache.forget(region),
                (Remedy::Refuse, _) => return Err(client.error(server, error.clone())),
                (Remedy::OpenScanner | Remedy::Wait, _) => {}
            },
            // HBase gives the regions of a dead server to others.
            CallError::Disconnected(_) | CallError::Handshake(_) | CallError::TimedOut(_) => {
                cache.forget_server(server)
            }
            CallError::Protocol(_)
            | CallError::Rejected(_)
            | CallError::Untrusted(_)
            | CallError::OutcomeUnknown(_) => {
                return Err(client.error(server, error.clone()));
            }
        }
        log::debug!("a request to region {} at {server} failed: {error}", region.display_name());
        Ok(())
    }

    /// Learns from a failed call to `region`, and waits until it can be made again, there or elsewhere.
    ///
    /// # Errors
    /// The call is not to be repeated: HBase refuses it, the table is disabled, or the call has failed for too long.
    pub(crate) fn recover(
        &self,
        client: &mut Client,
        region: &Arc<Region>,
        error: CallError,
        retry: &mut Retry,
    ) -> Result<(), ScienceDbError> {
        self.learn(client, region, &error)?;
        let server = region.server.as_deref().unwrap_or_default();
        match error {
            CallError::Exception(exception) if matches!(exception.remedy(), Remedy::Locate | Remedy::CheckTable) => {
                if retry.has_failed() {
                    self.check_enabled(client)?;
                }
                retry.pause(server, &exception)
            }
            error => client.pause(retry, server, error),
        }
    }

    /// The error of a call on a table that does not exist.
    pub(crate) fn no_table(&self, client: &Client) -> ScienceDbError {
        ScienceDbError::NoTable { address: client.cluster().addresses().join(", "), table: self.name.clone() }
    }
}

/// Names a region in a request.
pub(crate) fn region_name(name: &[u8]) -> RegionSpecifier {
    RegionSpecifier { r#type: region_specifier::RegionSpecifierType::RegionName.into(), value: name.to_vec() }
}

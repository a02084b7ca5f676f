//! Whether the user may read every column of a read.
//!
//! HBase's AccessController refuses a read if the user may read none of its column families. If the user may read one of them, it leaves out the
//! cells of the others without an error, and a row looks as if it had none. So the master is asked before the first read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::client::Client;
use super::exception::CallError;
use super::proto::permission::{Action, Type};
use super::proto::{HasUserPermissionsRequest, Permission, TablePermission};
use super::table::Table;
use crate::row::Columns;
use crate::science_db::ScienceDbError;

/// Time after which a master that did not answer is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Most columns that an error names.
const MAX_NAMED: usize = 5;

/// The columns that the user may read, as far as the sessions of a process know.
#[derive(Debug, Default)]
pub(crate) struct ReadPermissions {
    has_access_control: Option<bool>,
    granted: BTreeSet<(String, String)>,
    failed_at: Option<Instant>,
}

impl ReadPermissions {
    /// The columns among `columns` that are not known to be readable, unless the master is not to be asked now.
    fn unknown(&self, columns: &Columns) -> Vec<(String, String)> {
        let is_pausing = self.failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER);
        if self.has_access_control == Some(false) || is_pausing {
            return Vec::new();
        }
        let names = columns.requested().map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned()));
        // A column without a qualifier may be of a family that the table does not have, on which nobody has a right.
        names.filter(|name| !name.1.is_empty() && !self.granted.contains(name)).collect()
    }
}

/// Fails if the user may not read one of `columns`. Asks the master about those that were not asked about before. A master that does not answer
/// is no error: the region servers may answer all the same.
///
/// # Errors
/// `Refused` names the user, the right, the columns and the table.
pub(crate) fn check(client: &mut Client, table: &Table, columns: &Columns) -> Result<(), ScienceDbError> {
    let unknown = client.cluster().read_permissions().unknown(columns);
    if unknown.is_empty() {
        return Ok(());
    }
    let permission = |(family, qualifier): &(String, String)| Permission {
        r#type: Type::Table.into(),
        table_permission: Some(TablePermission {
            table_name: Some(table.proto_name()),
            family: Some(family.clone().into_bytes()),
            qualifier: Some(qualifier.clone().into_bytes()),
            action: vec![Action::Read.into()],
        }),
    };
    let request = HasUserPermissionsRequest { user_name: None, permission: unknown.iter().map(permission).collect() };
    let answer = match client.ask_master(&request) {
        Ok(response) if response.has_user_permission.len() == unknown.len() => response.has_user_permission,
        // Without the AccessController, and from a master that does not know the method.
        Err(CallError::Exception(exception)) if exception.do_not_retry => {
            log::debug!("the master does not check permissions: {exception}");
            client.cluster().read_permissions().has_access_control = Some(false);
            return Ok(());
        }
        other => {
            let reason = other.map_or_else(|error| error.to_string(), |_| String::from("another number of answers"));
            log::debug!("cannot ask the master for the permission to read {}: {reason}", table.name());
            client.cluster().read_permissions().failed_at = Some(Instant::now());
            return Ok(());
        }
    };
    let (granted, denied): (Vec<_>, Vec<_>) = unknown.into_iter().zip(answer).partition(|(_, is_granted)| *is_granted);
    let mut known = client.cluster().read_permissions();
    known.has_access_control = Some(true);
    known.granted.extend(granted.into_iter().map(|(name, _)| name));
    match denied.is_empty() {
        true => Ok(()),
        false => Err(refused(client, table, denied.into_iter().map(|(name, _)| name).collect())),
    }
}

fn refused(client: &Client, table: &Table, columns: Vec<(String, String)>) -> ScienceDbError {
    let cluster = client.cluster();
    let (user, name) = (cluster.user(), table.short_name());
    let mut named: Vec<String> =
        columns.iter().take(MAX_NAMED).map(|(family, qualifier)| format!("{family}:{qualifier}")).collect();
    if columns.len() > MAX_NAMED {
        named.push(format!("{} more", columns.len() - MAX_NAMED));
    }
    ScienceDbError::Refused {
        address: cluster.addresses().join(", "),
        reason: format!(
            "the user `{user}` has no right to read (READ) these columns of the table `{}`: {}; run `grant '{user}', 'R', '{name}'` in \
             `hbase shell`, or set HADOOP_USER_NAME to another user",
            table.name(),
            named.join(", "),
        ),
    }
}

//! Whether the user may read every column of a read.
//!
//! HBase's AccessController refuses a read if the user may read none of its column families. If the user may read one of them, it leaves out the
//! cells of the others without an error, and a row looks as if it had none. So the master is asked before the first read.

use std::time::Instant;

use super::client::Client;
use super::exception::CallError;
use super::proto::permission::{Action, Type};
use super::proto::{HasUserPermissionsRequest, Permission, TablePermission};
use super::table::Table;
use crate::row::Columns;
use crate::science_db::ScienceDbError;

/// Most columns that an error names.
const MAX_NAMED: usize = 5;

/// Fails if the user may not read one of `columns`. Asks the master about those that were not asked about before. A master that does not answer
/// is no error: the region servers may answer all the same.
///
/// # Errors
/// `Refused` names the user, the right, the columns and the table.
pub(crate) fn check(client: &mut Client, table: &Table, columns: &Columns) -> Result<(), ScienceDbError> {
    let unknown = client.cluster().readable_columns().unknown(columns);
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
            client.cluster().readable_columns().has_access_control = Some(false);
            return Ok(());
        }
        other => {
            let reason = other.map_or_else(|error| error.to_string(), |_| String::from("another number of answers"));
            log::debug!("cannot ask the master for the permission to read {}: {reason}", table.name());
            client.cluster().readable_columns().failed_at = Some(Instant::now());
            return Ok(());
        }
    };
    let (granted, denied): (Vec<_>, Vec<_>) = unknown.into_iter().zip(answer).partition(|(_, is_granted)| *is_granted);
    let mut known = client.cluster().readable_columns();
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

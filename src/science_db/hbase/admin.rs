//! Tables and namespaces: calls to the master.

use super::client::Client;
use super::exception::{CallError, ServerException};
use super::proto::{
    BytesBytesPair, ColumnFamilySchema, CreateNamespaceRequest, CreateTableRequest, ListNamespaceDescriptorsRequest,
    NameStringPair, NamespaceDescriptor, TableSchema,
};
use super::table::Table;
use crate::science_db::timeouts::Call;
use crate::science_db::{FAMILY_CONFIGURATION, NewTable, ScienceDbError, TABLE_ATTRIBUTES};

/// Creates the table, and its namespace. Returns `false` if the table exists already.
///
/// # Errors
/// The master is away, or refuses.
pub(crate) fn create_table(client: &mut Client, table: &Table, new: &NewTable) -> Result<bool, ScienceDbError> {
    match table.list(client) {
        Ok(_) => return Ok(false),
        Err(ScienceDbError::NoTable { .. }) => {}
        Err(error) => return Err(error),
    }
    create_namespace(client, &table.proto_name().namespace)?;
    let family = |name: &String| ColumnFamilySchema {
        name: name.as_bytes().to_vec(),
        // one version of a cell
        attributes: vec![BytesBytesPair { first: b"VERSIONS".to_vec(), second: b"1".to_vec() }],
        configuration: FAMILY_CONFIGURATION
            .map(|(name, value)| NameStringPair { name: name.to_owned(), value: value.to_owned() })
            .to_vec(),
    };
    let schema = TableSchema {
        table_name: Some(table.proto_name()),
        attributes: TABLE_ATTRIBUTES
            .map(|(name, value)| BytesBytesPair { first: name.as_bytes().to_vec(), second: value.as_bytes().to_vec() })
            .to_vec(),
        column_families: new.families.iter().map(family).collect(),
        ..TableSchema::default()
    };
    let request = CreateTableRequest { table_schema: schema, split_keys: new.splits.clone(), ..Default::default() };
    let created = match client.try_master(Call::Create, &request)? {
        Ok(response) => client.wait_for_procedure(response.proc_id)?,
        Err(exception) => Err(exception),
    };
    match created {
        Ok(()) => Ok(true),
        // Another process created it in the meantime.
        Err(exception) if exception.class == "TableExistsException" => Ok(false),
        Err(exception) => Err(refused(client, exception)),
    }
}

fn create_namespace(client: &mut Client, name: &[u8]) -> Result<(), ScienceDbError> {
    if name == b"default" {
        return Ok(());
    }
    let known = client.master(Call::Metadata, &ListNamespaceDescriptorsRequest {})?;
    if known.namespace_descriptor.iter().any(|known| known.name == name) {
        return Ok(());
    }
    let namespace_descriptor = NamespaceDescriptor { name: name.to_vec(), configuration: Vec::new() };
    let created = match client.try_master(Call::Create, &CreateNamespaceRequest { namespace_descriptor })? {
        Ok(response) => client.wait_for_procedure(response.proc_id)?,
        Err(exception) => Err(exception),
    };
    match created {
        Err(exception) if exception.class != "NamespaceExistException" => Err(refused(client, exception)),
        _ => Ok(()),
    }
}

fn refused(client: &Client, exception: ServerException) -> ScienceDbError {
    let server = client.cluster().master().unwrap_or_default();
    client.error(&server, CallError::Exception(ServerException { do_not_retry: true, ..exception }))
}

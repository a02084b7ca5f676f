//! The store that the settings name.

use super::{Embedded, Patience, ScienceDb, ScienceDbError, Thrift1, Thrift2};
use crate::config::{ScienceDbSettings, StoreKind};

/// Opens a session with `table` (`namespace:name`) of the science database.
///
/// # Errors
/// Where no gateway can be reached, or one of the wrong kind answers. Whether the table exists is not asked.
pub fn open(settings: &ScienceDbSettings, table: &str) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    open_session(settings, table, 0)
}

/// As [`open`], for the `session`th session, counted from 0, of several at the same time: they are spread over the gateways.
///
/// # Errors
/// As [`open`].
pub fn open_session(
    settings: &ScienceDbSettings,
    table: &str,
    session: usize,
) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    open_with(settings, table, session, Patience::default())
}

/// As [`open_session`], waiting for gateways as long as `patience` says.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    settings: &ScienceDbSettings,
    table: &str,
    session: usize,
    patience: Patience,
) -> Result<Box<dyn ScienceDb>, ScienceDbError> {
    Ok(match settings.kind {
        StoreKind::Thrift2 => Box::new(Thrift2::open(&settings.addresses, table, session, patience)?),
        StoreKind::Thrift1 => Box::new(Thrift1::open(&settings.addresses, table, session, patience)?),
        StoreKind::Embedded => Box::new(Embedded::open(&settings.path, table)),
    })
}

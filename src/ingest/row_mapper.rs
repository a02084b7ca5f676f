//! Turns alerts of one schema into rows.

use super::row_key::SsObjectKey;
use crate::alert::{FlatAlert, FlattenError, Flattener, Layout};
use crate::catalog::Column;
use crate::science_db::{Put, PutCell};
use crate::timestamp::Timestamp;

/// Turns alerts of one schema into rows.
#[derive(Clone, Debug)]
pub struct RowMapper {
    flattener: Flattener,
    /// family and qualifier by column; `None`: the column is only in the row key
    locations: Vec<Option<(String, String)>>,
    ss_object_key: Option<SsObjectKey>,
}

impl RowMapper {
    pub(super) fn new(layout: &Layout) -> Self {
        let location = |column: &Column| {
            column.family_and_qualifier().map(|(family, qualifier)| (family.to_owned(), qualifier.to_owned()))
        };
        Self {
            flattener: layout.flattener(),
            locations: layout.catalog().columns.iter().map(location).collect(),
            ss_object_key: SsObjectKey::of(layout.catalog()),
        }
    }

    /// The row key of an alert.
    pub(super) fn key(&mut self, datum: &[u8]) -> Result<Vec<u8>, FlattenError> {
        let cells = self.flattener.flatten(datum)?;
        Ok(row_key(self.ss_object_key, &cells))
    }

    /// The row of an alert.
    pub(super) fn put(&mut self, datum: &[u8], timestamp: Option<Timestamp>) -> Result<Put, FlattenError> {
        let cells = self.flattener.flatten(datum)?;
        let key = row_key(self.ss_object_key, &cells);
        let cell = |(column, value): (usize, &[u8])| {
            let (family, qualifier) = self.locations[column].as_ref()?;
            Some(PutCell { family: family.clone(), qualifier: qualifier.clone(), value: value.to_vec() })
        };
        let timestamp = timestamp.map(Timestamp::as_millis);
        Ok(Put { key, timestamp, cells: cells.iter().filter_map(cell).collect() })
    }
}

fn row_key(ss_object_key: Option<SsObjectKey>, cells: &FlatAlert<'_>) -> Vec<u8> {
    let replaced = ss_object_key.and_then(|key| key.replace(cells.key(), cells.iter()));
    replaced.unwrap_or_else(|| cells.key().to_vec())
}

//! Merges the catalogs of the versions of a survey's schema.

use std::sync::Arc;

use super::{Catalog, Column, ColumnLocation, ColumnType};
use crate::avro::{Kind, MergeError, Schema, same_encoding};

impl Catalog {
    /// Adds what only `other` has: the catalog of another version of the survey's schema. A column that both have gets a type that holds the
    /// cells of both; cells that exist remain readable.
    ///
    /// # Errors
    /// The table or the row key differs, or a column has types that have no common one. This catalog is unchanged then.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        if (self.full_name(), &self.row_key) != (other.full_name(), &other.row_key) {
            return Err(format!(
                "{} and {} are not the same table, or have different row keys",
                other.full_name(),
                self.full_name()
            ));
        }
        let mut changed = Vec::new();
        let mut added = Vec::new();
        for column in &other.columns {
            match self.index_of(&column.name) {
                Some(index) if self.columns[index] == *column => {}
                Some(index) => changed.push((index, self.columns[index].merge(column)?)),
                None => added.push(column.clone()),
            }
        }
        for record in &other.records {
            match self.records.iter_mut().find(|known| known.path == record.path) {
                Some(known) => known.nullable |= record.nullable,
                None => self.records.push(record.clone()),
            }
        }
        for (index, column) in changed {
            self.columns[index] = column;
        }
        self.columns.extend(added);
        Ok(())
    }
}

impl Column {
    /// The column for the cells of both.
    fn merge(&self, newer: &Self) -> Result<Self, String> {
        let mismatch = |one: String, other: String| {
            format!(
                "column `{}` is {one} in the catalog but {other} in the alerts: use another table for them",
                self.name
            )
        };
        let types = || {
            let is_same = self.kind.name() == newer.kind.name() && self.field == newer.field;
            let other = if is_same { "of another definition".to_owned() } else { newer.described() };
            mismatch(self.described(), other)
        };
        if self.field != newer.field {
            return Err(format!(
                "column `{}` is the field `{}` in the catalog but `{}` in the alerts: give the latter a column of another name in the catalog, with `\"field\": \"{}\"`",
                self.name, self.field, newer.field, newer.field
            ));
        }
        if self.location != newer.location {
            return Err(types());
        }
        let mut merged = self.clone();
        match (&self.kind, &newer.kind) {
            (ColumnType::Avro(_), ColumnType::Avro(_)) if self.has_written(newer) => {}
            (ColumnType::Avro(one), ColumnType::Avro(other)) => {
                let schema = one.merge(other).map_err(|error| match error {
                    MergeError::Conflict { field, older, newer } if !field.is_empty() => {
                        mismatch(format!("of another type: the field `{field}` is {older}"), newer)
                    }
                    MergeError::Conflict { older, newer, .. } => mismatch(older, newer),
                    error => format!("column `{}`: {error}", self.name),
                })?;
                merged.written = self.written_schemas().unwrap_or_default().to_vec();
                merged.written.extend(newer.written_schemas().unwrap_or_default().iter().cloned());
                if let [only] = merged.written.as_slice()
                    && **only == schema
                {
                    merged.written.clear();
                }
                merged.kind = ColumnType::Avro(if schema == **one { Arc::clone(one) } else { Arc::new(schema) });
            }
            (one, other) if one == other => merged.exact = self.merge_exact(newer).ok_or_else(types)?,
            (ColumnType::String, ColumnType::Binary) | (ColumnType::Binary, ColumnType::String) => {
                merged.kind = ColumnType::Binary;
                merged.exact = None;
            }
            (one, other) => {
                let is_key = matches!(self.location, ColumnLocation::RowKey { .. });
                let (Some(rank), Some(newer_rank), false) = (one.rank(), other.rank(), is_key) else {
                    return Err(types());
                };
                let is_wider = newer_rank > rank;
                if is_wider {
                    merged.kind = other.clone();
                    merged.exact.clone_from(&newer.exact);
                }
                let all = self.narrower.iter().chain([one, other]).filter(|kind| **kind != merged.kind);
                merged.narrower = all.fold(Vec::new(), |mut list, kind| {
                    if !list.contains(kind) {
                        list.push(kind.clone());
                    }
                    list
                });
                // The width of a cell says which type it has.
                let mut widths: Vec<_> = merged.narrower.iter().chain([&merged.kind]).map(ColumnType::width).collect();
                widths.sort_unstable();
                let count = widths.len();
                widths.dedup();
                if widths.len() < count {
                    return Err(format!("{} (their cells have the same size)", types()));
                }
            }
        }
        Ok(merged)
    }

    /// Whether cells are written under all schemas of the other column already.
    fn has_written(&self, other: &Self) -> bool {
        let known = self.written_schemas().unwrap_or_default();
        let is_known = |schema: &Arc<Schema>| known.iter().any(|known| is_same_writing(known, schema));
        other.written_schemas().unwrap_or_default().iter().all(is_known)
    }

    /// The exact type for the cells of both columns, which have the same type. `Err`: there is none.
    fn merge_exact(&self, newer: &Self) -> Option<Option<Arc<Schema>>> {
        let is_named =
            |schema: &Arc<Schema>| matches!(schema.kind(schema.root()), Kind::Enum { .. } | Kind::Fixed { .. });
        match (&self.exact, &newer.exact) {
            (Some(one), Some(other)) if one == other => Some(Some(Arc::clone(one))),
            (Some(one), Some(other)) => Some(Some(Arc::new(one.merge(other).ok()?))),
            // Any string, or any bytes.
            (Some(one), None) | (None, Some(one)) if is_named(one) => Some(None),
            (Some(one), None) | (None, Some(one)) => Some(Some(Arc::clone(one))),
            (None, None) => Some(None),
        }
    }

    /// Its type in an error.
    fn described(&self) -> String {
        match &self.exact {
            Some(exact) => format!("{} ({exact})", self.kind.name()),
            None => self.kind.name().to_owned(),
        }
    }
}

impl ColumnType {
    /// The place among the numeric types, from the narrowest to the widest.
    fn rank(&self) -> Option<u8> {
        match self {
            Self::Byte => Some(0),
            Self::Short => Some(1),
            Self::Int => Some(2),
            Self::Long => Some(3),
            Self::Float => Some(4),
            Self::Double => Some(5),
            Self::Boolean | Self::String | Self::Binary | Self::Avro(_) => None,
        }
    }
}

/// Whether cells under one schema are also cells under the other, with the same prefix.
fn is_same_writing(one: &Schema, other: &Schema) -> bool {
    one.fingerprint() == other.fingerprint() && same_encoding((one, one.root()), (other, other.root()))
}

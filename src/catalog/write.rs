//! Writes a catalog, and merges the catalogs of two versions of a telescope's schema.

use serde_json::{Map, Value, json};

use super::{Catalog, ColumnLocation, ColumnType};

impl Catalog {
    /// The catalog as JSON, which [`parse`](Self::parse) reads back the same. The schemas of Avro cells are in `schemas`, under the name of
    /// the column.
    pub fn to_json(&self) -> Value {
        let (mut columns, mut schemas) = (Map::new(), Map::new());
        for column in &self.columns {
            let (family, qualifier) = match &column.location {
                ColumnLocation::RowKey { .. } => ("rowkey", column.name.as_str()),
                ColumnLocation::Cell { family, qualifier } => (family.as_str(), qualifier.as_str()),
            };
            let mut entry = Map::new();
            entry.insert("cf".into(), family.into());
            entry.insert("col".into(), qualifier.into());
            entry.insert("type".into(), column.kind.name().into());
            match (&column.kind, &column.exact) {
                (ColumnType::Avro(schema), _) => {
                    entry.insert("avro".into(), column.name.clone().into());
                    schemas.insert(column.name.clone(), schema.to_json());
                }
                (_, Some(exact)) => {
                    entry.insert("avro".into(), exact.to_json());
                }
                _ => {}
            }
            if column.field != self.field_of(&column.name) {
                entry.insert("field".into(), column.field.clone().into());
            }
            columns.insert(column.name.clone(), entry.into());
        }
        let records: Map<String, Value> =
            self.records.iter().map(|r| (r.path.clone(), json!({ "nullable": r.nullable }))).collect();
        let mut whole = Map::new();
        whole.insert("table".into(), json!({ "namespace": self.namespace, "name": self.table }));
        whole.insert("rowkey".into(), self.row_key.join(":").into());
        whole.insert("columns".into(), columns.into());
        if !schemas.is_empty() {
            whole.insert("schemas".into(), schemas.into());
        }
        whole.insert("records".into(), records.into());
        whole.into()
    }

    /// Adds the columns and records that only `other` has: the catalog of another version of the telescope's schema.
    ///
    /// # Errors
    /// The table or the row key differs, or a column has two definitions. This catalog is unchanged then.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        if (self.full_name(), &self.row_key) != (other.full_name(), &other.row_key) {
            return Err(format!(
                "{} and {} are not the same table, or have different row keys",
                other.full_name(),
                self.full_name()
            ));
        }
        for column in &other.columns {
            if let Some(known) = self.column(&column.name).filter(|known| *known != column) {
                return Err(format!(
                    "column `{}` is {} in the catalog but {} in the alerts: use another table for them",
                    column.name,
                    known.kind.name(),
                    if known.kind.name() == column.kind.name() { "of another definition" } else { column.kind.name() }
                ));
            }
        }
        let records: Vec<_> =
            other.records.iter().filter(|r| !self.records.iter().any(|known| known.path == r.path)).cloned().collect();
        self.records.extend(records);
        let columns: Vec<_> = other.columns.iter().filter(|c| self.column(&c.name).is_none()).cloned().collect();
        self.columns.extend(columns);
        Ok(())
    }
}

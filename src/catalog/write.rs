//! Writes a catalog.

use serde_json::{Map, Value, json};

use super::{Catalog, ColumnLocation, ColumnType};

impl Catalog {
    /// The catalog as JSON, which [`parse`](Self::parse) reads back the same. The schemas of Avro cells are in `schemas`: under the name of
    /// the column, and if cells are written under several, those under the name and a number.
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
                    let numbered = column.written.iter().zip(1..);
                    let names: Vec<Value> = numbered
                        .map(|(written, number)| {
                            let name = format!("{}.{number}", column.name);
                            schemas.insert(name.clone(), written.to_json());
                            name.into()
                        })
                        .collect();
                    if !names.is_empty() {
                        entry.insert("written".into(), names.into());
                    }
                }
                (_, Some(exact)) => {
                    entry.insert("avro".into(), exact.to_json());
                }
                _ => {}
            }
            if !column.narrower.is_empty() {
                let names: Vec<Value> = column.narrower.iter().map(|kind| kind.name().into()).collect();
                entry.insert("narrower".into(), names.into());
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
        if let Some(trigger) = &self.trigger {
            whole.insert("trigger".into(), trigger.clone().into());
        }
        whole.insert("columns".into(), columns.into());
        if !schemas.is_empty() {
            whole.insert("schemas".into(), schemas.into());
        }
        whole.insert("records".into(), records.into());
        whole.into()
    }
}

//! Reads a catalog file. Errors name the column and, where possible, line and column of the file.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::{Catalog, Column, ColumnLocation, ColumnType, FINK_2019_RECORDS, MAX_COLUMNS, NestedRecord};
use crate::avro::{MAX_NAME_BYTES, Resolution, Schema};
use crate::escape::shorten;

/// Maximum size of a catalog, bytes.
const MAX_CATALOG_BYTES: usize = 32 << 20;
/// Maximum number of records.
const MAX_RECORDS: usize = 2_000;
/// Maximum number of nodes of the schemas of all columns. A schema that several columns share counts for each.
const MAX_SCHEMA_NODES: usize = 200_000;

/// Why a catalog is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalog {file}: {reason}")]
pub struct CatalogError {
    /// the file, or the table
    pub file: String,
    pub reason: String,
}

#[derive(serde::Deserialize)]
struct RawCatalog {
    table: RawTable,
    rowkey: String,
    trigger: Option<String>,
    columns: Entries<RawColumn>,
    #[serde(default)]
    schemas: Entries<Value>,
    records: Option<Entries<RawRecord>>,
}

#[derive(serde::Deserialize)]
struct RawTable {
    namespace: Option<String>,
    name: String,
}

#[derive(serde::Deserialize)]
struct RawColumn {
    cf: String,
    col: String,
    #[serde(rename = "type")]
    kind: String,
    avro: Option<Value>,
    #[serde(default)]
    written: Vec<Value>,
    #[serde(default)]
    narrower: Vec<String>,
    field: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecord {
    #[serde(default)]
    nullable: bool,
}

/// The entries of an object, in order. Duplicate keys and invalid entries are errors that name the key.
#[derive(Default)]
struct Entries<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de> + Validate> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Validate> Visitor<'de> for List<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(String, T)> = Vec::new();
                let mut seen = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.len() >= T::MAX_ENTRIES {
                        return Err(A::Error::custom(format!(
                            "there are more than {} {}",
                            T::MAX_ENTRIES,
                            T::ENTRY_NOUN
                        )));
                    }
                    if key.len() > MAX_NAME_BYTES {
                        let (len, key) = (key.len(), shorten(&key, 40));
                        return Err(A::Error::custom(format!(
                            "`{key}` has {len} bytes, more than the maximum of {MAX_NAME_BYTES}"
                        )));
                    }
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("`{key}` is a duplicate")));
                    }
                    let entry: T = map.next_value().map_err(|e| A::Error::custom(format!("in `{key}`: {e}")))?;
                    entry.validate().map_err(|reason| A::Error::custom(format!("`{key}`: {reason}")))?;
                    entries.push((key, entry));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(List(std::marker::PhantomData))
    }
}

/// Checks of an entry by itself, made while it is read so that the error has its line.
trait Validate {
    /// Maximum number of entries of an object.
    const MAX_ENTRIES: usize;
    /// What they are, for messages.
    const ENTRY_NOUN: &'static str;

    fn validate(&self) -> Result<(), String>;
}

impl Validate for RawColumn {
    const MAX_ENTRIES: usize = MAX_COLUMNS;
    const ENTRY_NOUN: &'static str = "columns";

    fn validate(&self) -> Result<(), String> {
        let names = [Some(&self.cf), Some(&self.col), self.field.as_ref()];
        if let Some(name) = names.into_iter().flatten().find(|name| name.len() > MAX_NAME_BYTES) {
            return Err(format!("a name has {} bytes, more than the maximum of {MAX_NAME_BYTES}", name.len()));
        }
        match (COLUMN_TYPES.contains(&self.kind.as_str()), self.kind == "avro" && self.avro.is_none()) {
            (false, _) => Err(format!("`{}` is not a column type: use one of {}", self.kind, COLUMN_TYPES.join(", "))),
            (_, true) => Err("a column of type avro requires its schema in `avro`".into()),
            _ => match self.narrower.iter().find(|kind| !NUMERIC_TYPES.contains(&kind.as_str())) {
                Some(kind) => Err(format!("`narrower`: `{kind}` is not one of {}", NUMERIC_TYPES.join(", "))),
                None => Ok(()),
            },
        }
    }
}

impl Validate for RawRecord {
    const MAX_ENTRIES: usize = MAX_RECORDS;
    const ENTRY_NOUN: &'static str = "records";

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Validate for Value {
    const MAX_ENTRIES: usize = MAX_COLUMNS;
    const ENTRY_NOUN: &'static str = "schemas";

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

const NUMERIC_TYPES: [&str; 6] = ["long", "int", "short", "byte", "float", "double"];

const COLUMN_TYPES: [&str; 11] =
    ["string", "long", "int", "integer", "short", "byte", "float", "double", "boolean", "binary", "avro"];

impl Catalog {
    /// Reads a catalog file.
    ///
    /// # Errors
    /// The file cannot be read or is not a catalog.
    pub fn load(path: &Path) -> Result<Self, CatalogError> {
        let error = |reason: String| CatalogError { file: path.display().to_string(), reason };
        let unreadable = |e: std::io::Error| error(format!("cannot read it: {e}"));
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        // One byte more than the maximum, so that `parse` rejects a larger file.
        file.take(MAX_CATALOG_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text).map_err(error)
    }

    /// Parses a catalog.
    ///
    /// # Errors
    /// The text is not a catalog. The message does not name the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_CATALOG_BYTES {
            return Err(format!("it is larger than the maximum of {MAX_CATALOG_BYTES} bytes"));
        }
        let raw: RawCatalog = match text.trim_start().starts_with('"') {
            true => {
                let inner: String = serde_json::from_str(text).map_err(|e| e.to_string())?;
                serde_json::from_str(&inner).map_err(|e| format!("in the JSON in the file's string: {e}"))?
            }
            false => serde_json::from_str(text).map_err(|e| e.to_string())?,
        };
        Self::from_raw(raw)
    }

    fn from_raw(raw: RawCatalog) -> Result<Self, String> {
        let Entries(columns) = raw.columns;
        let schemas: HashMap<String, Value> = raw.schemas.0.into_iter().collect();
        let parts: Vec<&str> = raw.rowkey.split(':').map(str::trim).collect();
        let row_key = row_key(&parts, &columns)?;
        let records = match raw.records {
            Some(Entries(list)) => {
                list.into_iter().map(|(path, r)| NestedRecord { path, nullable: r.nullable }).collect()
            }
            None => fink_2019_records(&columns),
        };
        let mut catalog = Self {
            namespace: raw.table.namespace.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".into()),
            table: raw.table.name,
            row_key,
            trigger: raw.trigger,
            columns: Vec::with_capacity(columns.len()),
            records,
        };
        let mut parsed = HashMap::new();
        let (mut locations, mut fields) = (HashMap::new(), HashMap::new());
        let mut nodes = 0;
        for (at, (name, raw)) in columns.into_iter().enumerate() {
            let column = catalog.read_column(&name, raw, &schemas, &mut parsed)?;
            if let Some(other) = locations.insert(column.location.clone(), at) {
                let other = &catalog.columns[other].name;
                return Err(format!("the columns `{other}` and `{name}` are the same cell"));
            }
            if let Some(other) = fields.insert(column.field.clone(), at) {
                let other = &catalog.columns[other].name;
                return Err(format!("the columns `{other}` and `{name}` are both the field `{}`", column.field));
            }
            nodes += column.schema().map_or(0, |schema| schema.len());
            nodes += column.written.iter().map(|schema| schema.len()).sum::<usize>();
            if nodes > MAX_SCHEMA_NODES {
                return Err(format!(
                    "column `{name}`: the schemas of all columns have more than {MAX_SCHEMA_NODES} nodes"
                ));
            }
            catalog.columns.push(column);
        }
        catalog.check_records()?;
        Ok(catalog)
    }

    fn read_column(
        &self,
        name: &str,
        raw: RawColumn,
        schemas: &HashMap<String, Value>,
        parsed: &mut HashMap<String, Arc<Schema>>,
    ) -> Result<Column, String> {
        let mut read_schema = |json: &Value| match json {
            Value::String(key) if schemas.contains_key(key) => match parsed.get(key) {
                Some(schema) => Ok(Arc::clone(schema)),
                None => {
                    let schema = Schema::from_json(&schemas[key]).map_err(|e| format!("schema `{key}`: {e}"))?;
                    Ok(Arc::clone(parsed.entry(key.clone()).or_insert_with(|| Arc::new(schema))))
                }
            },
            Value::String(key) if raw.kind == "avro" && Schema::from_json(json).is_err() => {
                Err(format!("column `{name}`: `schemas` has no schema `{key}`"))
            }
            json => Schema::from_json(json).map(Arc::new).map_err(|e| format!("column `{name}`: `avro`: {e}")),
        };
        let schema = raw.avro.as_ref().map(&mut read_schema).transpose()?;
        let written: Vec<Arc<Schema>> = raw.written.iter().map(&mut read_schema).collect::<Result<_, _>>()?;
        if let (true, Some(schema)) = (raw.kind == "avro", &schema) {
            for (number, written) in written.iter().enumerate() {
                let (from, to) = ((&**written, written.root()), (&**schema, schema.root()));
                Resolution::new(from, to)
                    .map_err(|e| format!("column `{name}`: schema {} of `written`: {e}", number + 1))?;
            }
        }
        let kind = match scalar_type(&raw.kind) {
            Some(kind) => kind,
            None => ColumnType::Avro(schema.clone().ok_or_else(|| format!("column `{name}` has no schema"))?),
        };
        let narrower: Vec<ColumnType> = raw.narrower.iter().filter_map(|name| scalar_type(name)).collect();
        let mut widths: Vec<_> = narrower.iter().chain([&kind]).map(ColumnType::width).collect();
        widths.sort_unstable();
        widths.dedup();
        if !narrower.is_empty() && (widths.len() <= narrower.len() || widths.contains(&None)) {
            return Err(format!(
                "column `{name}`: the cells of its type and of those in `narrower` must have different sizes"
            ));
        }
        let location = match raw.cf == ROW_KEY {
            true => ColumnLocation::RowKey {
                part: self.row_key.iter().position(|part| part == name).ok_or_else(|| not_in_row_key(name))?,
            },
            false => ColumnLocation::Cell { family: raw.cf, qualifier: raw.col },
        };
        let several = self.row_key.len() > 1 && matches!(location, ColumnLocation::RowKey { .. });
        if several && !kind.is_key_part() {
            return Err(format!(
                "column `{name}`: a {} cannot be a part of a row key of several columns, which is text",
                raw.kind
            ));
        }
        let exact = match kind {
            ColumnType::Avro(_) => None,
            _ => schema,
        };
        let field = raw.field.unwrap_or_else(|| self.field_of(name));
        Ok(Column { name: name.to_owned(), location, kind, field, exact, written, narrower })
    }

    /// Checks that the parent of each record precedes it, and that presence markers are booleans.
    fn check_records(&self) -> Result<(), String> {
        for (at, record) in self.records.iter().enumerate() {
            if let Some((parent, _)) = record.path.rsplit_once('.')
                && !self.records[..at].iter().any(|other| other.path == parent)
            {
                return Err(format!("`records`: `{}` is in `{parent}`, which must precede it", record.path));
            }
            let marker = self.columns.iter().find(|column| column.field == record.path);
            if let Some(column) = marker.filter(|column| column.kind != ColumnType::Boolean) {
                return Err(format!(
                    "column `{}` has the name of a record in `records`, so it must be a boolean (the presence marker of the record), not a {}",
                    column.name,
                    column.kind.name()
                ));
            }
        }
        let undeclared = |column: &&Column| {
            column.field.rsplit_once('.').is_some_and(|(record, _)| !self.records.iter().any(|r| r.path == record))
        };
        match self.columns.iter().find(undeclared) {
            Some(column) => Err(format!(
                "column `{}`: its field `{}` is in a record that is not in `records`",
                column.name, column.field
            )),
            None => Ok(()),
        }
    }
}

/// The type with this name in a catalog; `None`: avro.
fn scalar_type(name: &str) -> Option<ColumnType> {
    Some(match name {
        "boolean" => ColumnType::Boolean,
        "byte" => ColumnType::Byte,
        "short" => ColumnType::Short,
        "int" | "integer" => ColumnType::Int,
        "long" => ColumnType::Long,
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "string" => ColumnType::String,
        "binary" => ColumnType::Binary,
        _ => return None,
    })
}

const ROW_KEY: &str = "rowkey";

fn not_in_row_key(name: &str) -> String {
    format!("column `{name}` has the family `rowkey` but is not in `rowkey`")
}

/// The names of the columns in the row key. `rowkey` has the name of a column or its `col`.
fn row_key(parts: &[&str], columns: &[(String, RawColumn)]) -> Result<Vec<String>, String> {
    parts
        .iter()
        .map(|part| {
            columns
                .iter()
                .find(|(name, _)| name == part)
                .or_else(|| columns.iter().find(|(_, raw)| raw.cf == ROW_KEY && raw.col == *part))
                .map(|(name, _)| name.clone())
                .ok_or_else(|| format!("`rowkey` has the column `{part}`, which is not in `columns`"))
        })
        .collect()
}

fn fink_2019_records(columns: &[(String, RawColumn)]) -> Vec<NestedRecord> {
    let used = |path: &&&str| {
        let field = |name: &String| name.strip_prefix(**path).is_some_and(|rest| rest.starts_with('_'));
        columns.iter().any(|(name, _)| field(name)) && !columns.iter().any(|(name, _)| name == **path)
    };
    FINK_2019_RECORDS
        .iter()
        .filter(used)
        .map(|path| NestedRecord { path: (*path).to_owned(), nullable: false })
        .collect()
}

//! The catalog and, beside it, the schema of all alerts so far.

use std::path::{Path, PathBuf};

use super::error::IngestError;
use crate::alert::Layout;
use crate::atomic_file;
use crate::avro::{Schema, same_but_order};
use crate::catalog::Catalog;

/// The catalog and the schema, as they are on disk, and the schema as it will be.
#[derive(Debug)]
pub(super) struct CatalogFiles {
    path: PathBuf,
    /// the catalog; without columns if there is none yet
    pub catalog: Catalog,
    exists: bool,
    /// The schema that all alerts so far can be sent in. `None`: the catalog was not made by `fink ingest`, so nothing has all its columns.
    schema: Option<Schema>,
    /// the JSON of the schema if it is to be written: that of the file while all alerts have one schema, with its documentation
    pending: Option<String>,
}

impl CatalogFiles {
    /// The files of a catalog, which may not exist yet.
    pub fn open(path: &Path, existing: Option<&Catalog>) -> Result<Self, IngestError> {
        let schema_path = path.with_extension("avsc");
        let schema = match (existing, std::fs::read_to_string(&schema_path)) {
            (None, _) => None,
            (Some(_), Ok(text)) => Schema::parse(&text)
                .inspect_err(|error| log::warn!("{} is not updated: {error}", schema_path.display()))
                .ok(),
            (Some(_), Err(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            (Some(_), Err(reason)) => return Err(IngestError::Read { path: schema_path, reason }),
        };
        let catalog = existing.cloned().unwrap_or_else(|| Catalog::new("", "", &[], Vec::new(), Vec::new()));
        Ok(Self { path: path.to_owned(), catalog, exists: existing.is_some(), schema, pending: None })
    }

    /// Takes alerts of a schema into account, whose columns are `columns` and turn the catalog `before` into `extended`.
    pub fn extend(&mut self, (before, extended): (&Catalog, &Catalog), columns: &Layout, json: &str, schema: &Schema) {
        let readable = schema.without_superseded();
        let schema = readable.as_ref().unwrap_or(schema);
        let place = self.path.with_extension("avsc");
        match &self.schema {
            None if extended.columns.len() == columns.catalog().columns.len() => {
                self.schema = Some(schema.clone());
                self.pending = Some(json.to_owned());
            }
            None => log::warn!(
                "no schema so far has all columns of {}: {} is not updated",
                self.path.display(),
                place.display()
            ),
            Some(known) => match known.merge(schema) {
                Ok(merged) if merged == *known => {}
                // A version that is known already: an older one is not made the newest again.
                Ok(merged) if extended == before && same_but_order(&merged, known) => {}
                Ok(merged) => {
                    // Documentation survives if the merged schema is that of the file.
                    self.pending = Some(if merged == *schema { json.to_owned() } else { merged.to_string() });
                    self.schema = Some(merged);
                }
                Err(error) => log::warn!("{} is not updated: {error}", place.display()),
            },
        }
    }

    /// Writes what has changed.
    pub fn write(&mut self, catalog: Catalog) -> Result<(), IngestError> {
        let replace = |path: &Path, content: String| {
            let replaced = atomic_file::replace(path, content.as_bytes());
            replaced.map_err(|reason| IngestError::Write { path: path.to_owned(), reason })
        };
        if !self.exists || catalog != self.catalog {
            if let Some(folder) = self.path.parent() {
                let failed = |reason| IngestError::Write { path: folder.to_owned(), reason };
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            if self.exists {
                for change in changes(&self.catalog, &catalog) {
                    log::info!("{}: {change}", self.path.display());
                }
            }
            replace(&self.path, format!("{:#}\n", catalog.to_json()))?;
            self.catalog = catalog;
            self.exists = true;
        }
        if let Some(json) = self.pending.take() {
            replace(&self.path.with_extension("avsc"), format!("{}\n", json.trim_end()))?;
        }
        Ok(())
    }
}

/// What is new in a catalog, a phrase each.
fn changes(before: &Catalog, after: &Catalog) -> Vec<String> {
    let mut changes = Vec::new();
    let added = after.columns.len() - before.columns.len();
    if added > 0 {
        changes.push(format!("added {added} columns"));
    }
    for (known, column) in before.columns.iter().zip(&after.columns) {
        let versions = column.written.len();
        if versions > known.written.len() {
            changes.push(format!("column `{}` has {versions} schemas", column.name));
        }
        if known.kind.name() != column.kind.name() {
            changes.push(format!("column `{}` is {}, and was {}", column.name, column.kind.name(), known.kind.name()));
        }
    }
    changes
}

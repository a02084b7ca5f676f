//! Schemas that do not come with the messages: from files, and from a registry.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::error::SchemaSetError;
use super::registry::{FoundSchema, Registry};
use super::registry_client::MAX_SCHEMA_BYTES;
use super::schema_id::SchemaId;
use super::schema_parts::{Definitions, full_name, named_in};
use crate::alert::decoder::Decoder;
use crate::avro::Schema;
use crate::avro::container::Container;

/// A schema from a file.
#[derive(Clone, Debug)]
struct KnownSchema {
    /// the file's name without its ending
    stem: String,
    /// its id in a registry, by the file's name
    id: Option<u32>,
    fingerprint: u64,
    decoder: Arc<Decoder>,
}

/// Schemas that do not come with the messages.
#[derive(Debug, Default)]
pub struct SchemaSet {
    known: Vec<KnownSchema>,
    registry: Option<Registry>,
}

impl SchemaSet {
    /// Reads files (`.avsc`, or Avro files for their headers) and folders of `.avsc`, whose records may name each other across files.
    ///
    /// # Errors
    /// A file that cannot be read or is no schema, or nothing in a folder.
    pub fn load(paths: &[PathBuf], registry: Option<Registry>) -> Result<Self, SchemaSetError> {
        let mut set = Self { known: Vec::new(), registry };
        for path in paths {
            match path.is_dir() {
                true => set.load_folder(path)?,
                false => set.load_file(path)?,
            }
        }
        Ok(set)
    }

    /// All schemas from files.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Decoder>> {
        self.known.iter().map(|known| &known.decoder)
    }

    /// The schema of a file of this name, without its ending: what a key such as `1.0_2.1` names.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Decoder>> {
        self.known.iter().find(|known| known.stem == name).map(|known| &known.decoder)
    }

    /// The schema with this CRC-64-AVRO fingerprint.
    pub fn by_fingerprint(&self, fingerprint: u64) -> Option<&Arc<Decoder>> {
        self.known.iter().find(|known| known.fingerprint == fingerprint).map(|known| &known.decoder)
    }

    /// Whether it knows schemas by their ids: a message with another id is then not one of these.
    pub(super) fn has_ids(&self) -> bool {
        self.registry.is_some() || self.known.iter().any(|known| known.id.is_some())
    }

    /// Whether a file has the schema with this number.
    pub(super) fn has_file_of(&self, number: u64) -> bool {
        self.known.iter().any(|known| known.id.map(u64::from) == Some(number))
    }

    /// The schema with this identifier in a registry: of a file called `<id>.avsc` or, as Rubin counts, `….v<major>_<minor>….avsc` with
    /// id = major * 100 + minor; else the registry's. `None`: no file has it, and there is no registry.
    ///
    /// # Errors
    /// The registry cannot be reached.
    pub(super) fn by_id(&mut self, id: SchemaId) -> Result<Option<FoundSchema>, SchemaSetError> {
        let of_file = match id {
            SchemaId::Number(number) => self.known.iter().find(|known| known.id == Some(number)),
            SchemaId::Guid(_) => self.known.iter().find(|known| known.stem == id.to_string()),
        };
        match (of_file, &mut self.registry) {
            (Some(known), _) => Ok(Some(Ok(Arc::clone(&known.decoder)))),
            (None, Some(registry)) => Ok(Some(registry.get(id)?)),
            (None, None) => Ok(None),
        }
    }

    fn load_file(&mut self, path: &Path) -> Result<(), SchemaSetError> {
        let bytes = std::fs::read(path).map_err(SchemaSetError::file("cannot read the schema", path))?;
        let fault = |reason: String| SchemaSetError::Invalid(format!("{}: {reason}", path.display()));
        let schema = match bytes.starts_with(b"Obj\x01") {
            true => Container::read(&bytes).map_err(|e| fault(e.to_string()))?.schema.clone(),
            false => {
                let text = std::str::from_utf8(&bytes).map_err(|_| fault("it is not UTF-8 text".to_owned()))?;
                Schema::parse(text).map_err(|e| fault(e.to_string()))?
            }
        };
        self.add(path, schema);
        Ok(())
    }

    fn load_folder(&mut self, folder: &Path) -> Result<(), SchemaSetError> {
        let mut files = Vec::new();
        find_schemas(folder, &mut files)?;
        files.sort();
        let mut documents = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(SchemaSetError::file("cannot read the schema", &file))?;
            let fault = |reason: String| SchemaSetError::Invalid(format!("{}: {reason}", file.display()));
            if text.len() > MAX_SCHEMA_BYTES {
                return Err(fault("it is too long for a schema".to_owned()));
            }
            let document: Value = serde_json::from_str(&text).map_err(|e| fault(e.to_string()))?;
            documents.push((file, document));
        }
        let mut definitions = Definitions::default();
        documents.iter().for_each(|(_, document)| definitions.add(document));
        let mut used = HashSet::new();
        documents.iter().for_each(|(_, document)| named_in(document, "", &mut used));
        for (file, document) in &documents {
            // What others name is a part of them.
            if full_name(document, "").is_some_and(|name| used.contains(&name)) {
                continue;
            }
            let schema = Schema::from_json(&definitions.complete(document))
                .map_err(|e| SchemaSetError::Invalid(format!("{}: {e}", file.display())))?;
            self.add(file, schema);
        }
        match self.known.is_empty() {
            true => Err(SchemaSetError::Invalid(format!("{} holds no schema: *.avsc", folder.display()))),
            false => Ok(()),
        }
    }

    fn add(&mut self, path: &Path, schema: Schema) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (id, fingerprint) = (id_of(&stem), schema.fingerprint());
        self.known.push(KnownSchema { stem, id, fingerprint, decoder: Arc::new(Decoder::new(schema)) });
    }
}

fn find_schemas(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SchemaSetError> {
    let entries = std::fs::read_dir(folder).map_err(SchemaSetError::file("cannot read the folder", folder))?;
    for entry in entries {
        let path = entry.map_err(SchemaSetError::file("cannot read the folder", folder))?.path();
        if path.is_dir() {
            find_schemas(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "avsc") {
            files.push(path);
        }
    }
    Ok(())
}

/// The id of a file's name: digits alone, or `v<major>_<minor>` as a part between dots.
fn id_of(stem: &str) -> Option<u32> {
    let rubin = |part: &str| {
        let (major, minor) = part.strip_prefix('v')?.split_once('_')?;
        let minor: u32 = minor.parse().ok().filter(|minor| *minor < 100)?;
        major.parse::<u32>().ok()?.checked_mul(100)?.checked_add(minor)
    };
    stem.parse().ok().or_else(|| stem.split('.').find_map(rubin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_names_of_files() {
        assert_eq!(id_of("17"), Some(17));
        assert_eq!(id_of("lsst.v10_0.alert"), Some(1000));
        assert_eq!(id_of("lsst.v7_4.alert"), Some(704));
        assert_eq!((id_of("ztf"), id_of("v1_100"), id_of("1.0_2.1")), (None, None, None));
    }

    #[test]
    fn records_of_a_folder_may_name_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "x.v2_1.alert.avsc",
            r#"{"type":"record","name":"alert","namespace":"x","fields":[{"name":"a","type":"part"},{"name":"b","type":["null",{"type":"array","items":"x.part"}]}]}"#,
        );
        write("part.avsc", r#"{"type":"record","name":"x.part","fields":[{"name":"ra","type":"double"}]}"#);
        let mut set = SchemaSet::load(&[folder.path().to_owned()], None).expect("schemas");
        assert_eq!(set.all().count(), 1);
        let decoder = set.by_id(SchemaId::Number(201)).expect("no registry").expect("a file").expect("a schema");
        assert!(decoder.has_field("a.ra"));
        assert!(set.by_fingerprint(decoder.schema().fingerprint()).is_some() && set.by_name("x.v2_1.alert").is_some());
    }
}

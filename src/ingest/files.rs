//! The files to load.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::error::IngestError;
use super::loader::Sample;
use super::source::{SourceReader, is_alert_file};
use crate::avro::container::{Container, KnownSchemas};
use crate::avro::{NodeId, Schema};

/// Number of files to sample, and about the number of alerts in all samples.
const MAX_SAMPLES: usize = 256;

/// Files to load, ordered by path.
#[derive(Clone, Debug)]
pub struct AlertFiles(Vec<PathBuf>);

impl AlertFiles {
    /// The files among `paths`, and the Avro files and archives at any depth below the folders among them, by their names.
    ///
    /// # Errors
    /// A path does not exist or cannot be read, or there is no file.
    pub fn find(paths: &[PathBuf]) -> Result<Self, IngestError> {
        let mut files = Vec::new();
        for path in paths {
            find(path, true, &mut files).map_err(|(path, reason)| IngestError::Read { path, reason })?;
        }
        files.sort();
        files.dedup();
        match files.is_empty() {
            true => {
                let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                Err(IngestError::NoFiles(names.join(", ")))
            }
            false => Ok(Self(files)),
        }
    }

    /// The paths of the files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// The number of files.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Size of all files, bytes.
    pub fn size(&self) -> u64 {
        self.0.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
    }

    /// Alerts of evenly spaced files, of an archive its first ones. Files that cannot be read are left out.
    ///
    /// # Errors
    /// No file can be read.
    pub(super) fn samples(&self) -> Result<Vec<Sample>, IngestError> {
        let mut samples: Vec<(String, NodeId, Sample)> = Vec::new();
        let (mut first_error, mut any) = (None, false);
        let step = self.0.len().div_ceil(MAX_SAMPLES);
        let each = MAX_SAMPLES.div_ceil(self.0.len());
        let (bytes_read, mut known) = (AtomicU64::new(0), KnownSchemas::default());
        let mut reader = SourceReader::new(&bytes_read);
        for (number, path) in self.0.iter().enumerate() {
            // While no file could be read, every file is tried.
            if number % step != 0 && any {
                continue;
            }
            let mut left = each;
            let mut is_archive_empty = true;
            reader.read(path, &mut |part| {
                is_archive_empty = false;
                let name = Arc::clone(&part.name);
                let container = match part.read(&mut known) {
                    Ok(container) => container,
                    Err(reason) => {
                        first_error.get_or_insert((name, reason));
                        return true;
                    }
                };
                any = true;
                for (node, datum) in container.values().take(left) {
                    left -= 1;
                    let is_of = |(json, known, _): &&mut (String, NodeId, Sample)| {
                        (json.as_str(), *known) == (&container.schema_json, node)
                    };
                    match samples.iter_mut().find(is_of) {
                        Some((_, _, known)) => known.data.push(datum.to_vec()),
                        None => {
                            let (schema_json, schema) = schema_of(&container, node);
                            let sample = Sample { schema_json, schema, data: vec![datum.to_vec()] };
                            samples.push((container.schema_json.clone(), node, sample));
                        }
                    }
                }
                left > 0
            });
            any |= is_archive_empty;
        }
        match (samples.is_empty(), first_error) {
            (true, Some((file, reason))) => Err(IngestError::NoAlerts { file: file.to_string(), reason }),
            _ => Ok(samples.into_iter().map(|(_, _, sample)| sample).collect()),
        }
    }
}

/// The schema of the alerts at a node of a file's schema, as JSON for readers and as the data have it.
pub(super) fn schema_of(container: &Container, node: NodeId) -> (String, Schema) {
    if node == container.schema.root() && container.repairs.is_empty() {
        return (container.schema_json.clone(), container.schema.clone());
    }
    let schema = container.schema.subschema(node);
    let readable = schema.without_superseded();
    (readable.as_ref().unwrap_or(&schema).to_string(), schema)
}

fn find(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let failed = |reason| (path.to_owned(), reason);
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Links to folders are not followed: they may lead back to this one.
            let is_link = entry.file_type().map_err(failed)?.is_symlink();
            if !is_link || !entry.path().is_dir() {
                find(&entry.path(), false, files)?;
            }
        }
    } else if named || is_alert_file(path) {
        files.push(path.to_owned());
    }
    Ok(())
}

//! Avro files as a source of alerts.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::IngestError;
use super::loader::{Loader, Sample};
use super::options::IngestOptions;
use super::row_mapper::RowMapper;
use super::writer::{AlertWriter, WriteError};
use crate::avro::container::Container;
use crate::avro::{NodeId, Schema};
use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbSettings;

/// Number of files to sample, and about the number of alerts in all samples.
const MAX_SAMPLES: usize = 256;

/// Files to load, ordered by path.
#[derive(Clone, Debug)]
pub struct AlertFiles(Vec<PathBuf>);

impl AlertFiles {
    /// The files among `paths`, and the files `*.avro` at any depth below the folders among them.
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

    /// Alerts of evenly spaced files. Files that cannot be read are left out.
    ///
    /// # Errors
    /// No file can be read.
    fn samples(&self) -> Result<Vec<Sample>, IngestError> {
        let mut samples: Vec<(String, NodeId, Sample)> = Vec::new();
        let mut first_error = None;
        let step = self.0.len().div_ceil(MAX_SAMPLES);
        let each = MAX_SAMPLES.div_ceil(self.0.len());
        for (number, file) in self.0.iter().enumerate() {
            // While no file could be read, every file is tried.
            if number % step != 0 && !samples.is_empty() {
                continue;
            }
            match read(file) {
                Ok(container) => {
                    for (node, datum) in container.values().take(each) {
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
                }
                Err(reason) => {
                    first_error.get_or_insert((file, reason));
                }
            }
        }
        match (samples.is_empty(), first_error) {
            (true, Some((file, reason))) => Err(IngestError::NoAlerts { file: file.display().to_string(), reason }),
            _ => Ok(samples.into_iter().map(|(_, _, sample)| sample).collect()),
        }
    }
}

/// The schema of the alerts at a node of a file's schema, as JSON for readers and as the data have it.
fn schema_of(container: &Container, node: NodeId) -> (String, Schema) {
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
    } else if named || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("avro")) {
        files.push(path.to_owned());
    }
    Ok(())
}

fn read(file: &Path) -> Result<Container, String> {
    let bytes = std::fs::read(file).map_err(|reason| format!("cannot be read: {reason}"))?;
    Container::read(&bytes).map_err(|reason| reason.to_string())
}

/// The result of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestSummary {
    /// table, `namespace:name`; `None`: there was no alert to load
    pub table: Option<String>,
    /// alerts written
    pub alerts: u64,
    /// bytes of Avro data of the alerts written
    pub bytes: u64,
    /// files with something that could not be loaded
    pub broken: u64,
    /// whether it was cancelled before the last file
    pub stopped: bool,
}

/// Loads alert files. Calls `progress` after each file, and `failed` with the reason for each file with something that could not be loaded;
/// the rest is loaded.
///
/// # Errors
/// The store or the catalog failed, or no file can be read.
pub fn load_files(
    settings: &ScienceDbSettings,
    options: &IngestOptions,
    files: &AlertFiles,
    cancel: &CancellationToken,
    progress: &(impl Fn() + Sync),
    failed: &(impl Fn(&Path, &str) + Sync),
) -> Result<IngestSummary, IngestError> {
    let samples = files.samples()?;
    if samples.is_empty() {
        return Ok(IngestSummary::default());
    }
    let loader = Loader::open(settings, options, &samples, cancel)?;
    let (next, broken) = (AtomicUsize::new(0), AtomicU64::new(0));
    let repairs = Mutex::default();
    let counters = Counters::default();
    loader.run_writers(|writer| {
        let mut mappers = Mappers::new();
        while let Some(file) = files.0.get(next.fetch_add(1, Ordering::Relaxed)) {
            if loader.is_cancelled() {
                break;
            }
            if let Some(reason) = load_file(&loader, writer, &mut mappers, file, &repairs, &counters)? {
                broken.fetch_add(1, Ordering::Relaxed);
                failed(file, &reason);
            }
            progress();
        }
        Ok(())
    })?;
    Ok(IngestSummary {
        table: Some(loader.table().to_owned()),
        alerts: counters.alerts.into_inner(),
        bytes: counters.bytes.into_inner(),
        broken: broken.into_inner(),
        stopped: cancel.is_cancelled(),
    })
}

#[derive(Default)]
struct Counters {
    alerts: AtomicU64,
    bytes: AtomicU64,
}

/// The mappers of the schemas so far, by the JSON in the file and the node of the alerts' type; or why alerts of that type cannot be loaded.
type Mappers = HashMap<String, HashMap<NodeId, Result<RowMapper, String>>>;

/// Loads one file. Returns what could not be loaded, and why.
fn load_file(
    loader: &Loader<'_>,
    writer: &mut AlertWriter<'_>,
    mappers: &mut Mappers,
    file: &Path,
    repairs: &Mutex<HashSet<String>>,
    counters: &Counters,
) -> Result<Option<String>, IngestError> {
    let container = match read(file) {
        Ok(container) => container,
        Err(reason) => return Ok(Some(reason)),
    };
    if !mappers.contains_key(&container.schema_json) {
        mappers.insert(container.schema_json.clone(), HashMap::new());
        for repair in &container.repairs {
            if repairs.lock().unwrap_or_else(PoisonError::into_inner).insert(repair.clone()) {
                log::warn!("{}: the schema in the file: {repair}", file.display());
            }
        }
    }
    let of_schema = mappers.entry(container.schema_json.clone()).or_default();
    let (mut refused, mut first_reason) = (0, None);
    for (number, (node, datum)) in container.values().enumerate() {
        let mapper = match of_schema.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(row_mapper(loader, &container, node)?),
        };
        let added = match mapper {
            Ok(mapper) => writer.add(mapper, datum).map_err(|error| match error {
                WriteError::ScienceDb(error) => Err(error),
                error => Ok(error.to_string()),
            }),
            Err(reason) => Err(Ok(reason.clone())),
        };
        match added {
            Ok(()) => {
                counters.alerts.fetch_add(1, Ordering::Relaxed);
                counters.bytes.fetch_add(datum.len() as u64, Ordering::Relaxed);
            }
            Err(Err(error)) => return Err(error.into()),
            Err(Ok(reason)) => {
                refused += 1;
                first_reason.get_or_insert_with(|| format!("alert {}: {reason}", number + 1));
            }
        }
    }
    Ok(first_reason.map(|first| match refused {
        1 => first,
        count => format!("{count} alerts cannot be loaded; {first}"),
    }))
}

/// The mapper of a file's alerts, or why they cannot be loaded.
fn row_mapper(
    loader: &Loader<'_>,
    container: &Container,
    node: NodeId,
) -> Result<Result<RowMapper, String>, IngestError> {
    let (schema_json, schema) = schema_of(container, node);
    match loader.row_mapper(&schema_json, &schema) {
        Ok(mapper) => Ok(Ok(mapper)),
        Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

//! Avro files as a source of alerts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::error::IngestError;
use super::loader::{Loader, Sample};
use super::options::IngestOptions;
use super::row_mapper::RowMapper;
use super::writer::{AlertWriter, WriteError};
use crate::avro::container::Container;
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
        let mut samples: Vec<Sample> = Vec::new();
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
                    let data = container.data().take(each).map(<[u8]>::to_vec).collect();
                    match samples.iter_mut().find(|sample| sample.schema_json == container.schema_json) {
                        Some(known) => known.data.extend::<Vec<_>>(data),
                        None => {
                            samples.push(Sample { schema_json: container.schema_json, schema: container.schema, data })
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
            _ => Ok(samples),
        }
    }
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
    /// table, `namespace:name`
    pub table: String,
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
    let loader = Loader::open(settings, options, &files.samples()?, cancel)?;
    let (next, broken) = (AtomicUsize::new(0), AtomicU64::new(0));
    let counters = Counters::default();
    loader.run_writers(|writer| {
        let mut mappers = HashMap::new();
        while let Some(file) = files.0.get(next.fetch_add(1, Ordering::Relaxed)) {
            if loader.is_cancelled() {
                break;
            }
            if let Some(reason) = load_file(&loader, writer, &mut mappers, file, &counters)? {
                broken.fetch_add(1, Ordering::Relaxed);
                failed(file, &reason);
            }
            progress();
        }
        Ok(())
    })?;
    Ok(IngestSummary {
        table: loader.table().to_owned(),
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

/// Loads one file. Returns what could not be loaded, and why.
fn load_file(
    loader: &Loader<'_>,
    writer: &mut AlertWriter<'_>,
    mappers: &mut HashMap<String, RowMapper>,
    file: &Path,
    counters: &Counters,
) -> Result<Option<String>, IngestError> {
    let container = match read(file) {
        Ok(container) => container,
        Err(reason) => return Ok(Some(reason)),
    };
    let mapper = match mappers.get_mut(&container.schema_json) {
        Some(mapper) => mapper,
        None => match loader.row_mapper(&container.schema_json, &container.schema) {
            Ok(mapper) => mappers.entry(container.schema_json.clone()).or_insert(mapper),
            Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        },
    };
    let (mut refused, mut first_reason) = (0, None);
    for (number, datum) in container.data().enumerate() {
        match writer.add(mapper, datum) {
            Ok(()) => {
                counters.alerts.fetch_add(1, Ordering::Relaxed);
                counters.bytes.fetch_add(datum.len() as u64, Ordering::Relaxed);
            }
            Err(WriteError::ScienceDb(error)) => return Err(error.into()),
            Err(error) => {
                refused += 1;
                first_reason.get_or_insert_with(|| format!("alert {}: {error}", number + 1));
            }
        }
    }
    Ok(first_reason.map(|first| match refused {
        1 => first,
        count => format!("{count} alerts cannot be loaded; {first}"),
    }))
}

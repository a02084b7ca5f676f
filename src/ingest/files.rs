//! Avro files as a source of alerts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::loader::{Loader, Sample};
use super::writer::{AlertWriter, RowMapper};
use super::{IngestError, IngestOptions};
use crate::avro::container::Container;
use crate::config::ScienceDbSettings;
use crate::signals::Stop;

/// How many files, and how many alerts in all, are looked into before anything is loaded.
const MAX_SAMPLES: usize = 256;

/// The files to load, in order of their names.
#[derive(Clone, Debug)]
pub struct AlertFiles(Vec<PathBuf>);

impl AlertFiles {
    /// The files among `paths`, and those called `*.avro` in the folders among them, however deep.
    ///
    /// # Errors
    /// A path that is not there or cannot be read, or no file at all.
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

    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Alerts from files all over the list; those that cannot be read are left out, unless there is no other.
    fn samples(&self) -> Result<Vec<Sample>, IngestError> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut first_fault = None;
        let step = self.0.len().div_ceil(MAX_SAMPLES);
        let each = MAX_SAMPLES.div_ceil(self.0.len());
        for (number, file) in self.0.iter().enumerate() {
            // Where all those in their turn are broken, the others have theirs.
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
                    first_fault.get_or_insert((file, reason));
                }
            }
        }
        match (samples.is_empty(), first_fault) {
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
            // A link to a folder is not followed: it may lead back here.
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

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestSummary {
    /// the table, `namespace:name`
    pub table: String,
    /// alerts written
    pub alerts: u64,
    /// bytes of alerts written
    pub bytes: u64,
    /// files of which something could not be loaded
    pub broken: u64,
    /// whether it ended before the last file
    pub stopped: bool,
}

/// Loads alert files. `progress` is called after each file; `fault` for each file of which something could not be loaded, with the reason;
/// the other files are loaded all the same.
///
/// # Errors
/// What ends it all: the store, the catalog, or no file that can be read.
pub fn load_files(
    settings: &ScienceDbSettings,
    options: &IngestOptions,
    files: &AlertFiles,
    stop: &Stop,
    progress: &(impl Fn() + Sync),
    fault: &(impl Fn(&Path, &str) + Sync),
) -> Result<IngestSummary, IngestError> {
    let loader = Loader::open(settings, options, &files.samples()?, stop.clone())?;
    let (next, broken) = (AtomicUsize::new(0), AtomicU64::new(0));
    let counters = Counters::default();
    loader.run_writers(|writer| {
        let mut mapper = HashMap::new();
        while let Some(file) = files.0.get(next.fetch_add(1, Ordering::Relaxed)) {
            if loader.stopped() {
                break;
            }
            if let Some(reason) = load_file(&loader, writer, &mut mapper, file, &counters)? {
                broken.fetch_add(1, Ordering::Relaxed);
                fault(file, &reason);
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
        stopped: stop.requested(),
    })
}

#[derive(Default)]
struct Counters {
    alerts: AtomicU64,
    bytes: AtomicU64,
}

/// Loads one file; gives what is wrong with it or with one of its alerts.
fn load_file(
    loader: &Loader<'_>,
    writer: &mut AlertWriter<'_>,
    known: &mut HashMap<String, RowMapper>,
    file: &Path,
    counters: &Counters,
) -> Result<Option<String>, IngestError> {
    let container = match read(file) {
        Ok(container) => container,
        Err(reason) => return Ok(Some(reason)),
    };
    let mapper = match known.get_mut(&container.schema_json) {
        Some(mapper) => mapper,
        None => match loader.row_mapper(&container.schema_json, &container.schema) {
            Ok(mapper) => known.entry(container.schema_json.clone()).or_insert(mapper),
            Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        },
    };
    let mut refused = (0, None);
    for (number, datum) in container.data().enumerate() {
        match writer.add(mapper, datum)? {
            Ok(()) => {
                counters.alerts.fetch_add(1, Ordering::Relaxed);
                counters.bytes.fetch_add(datum.len() as u64, Ordering::Relaxed);
            }
            Err(reason) => {
                refused.0 += 1;
                refused.1.get_or_insert(format!("alert {}: {reason}", number + 1));
            }
        }
    }
    Ok(refused.1.map(|first| match refused.0 {
        1 => first,
        count => format!("{count} alerts cannot be loaded; {first}"),
    }))
}

//! Loads files: one thread reads them, several turn their alerts into rows and write these.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::error::IngestError;
use super::files::{AlertFiles, schema_of};
use super::loader::Loader;
use super::options::IngestOptions;
use super::row_mapper::RowMapper;
use super::source::{Part, SourceReader};
use super::writer::{AlertWriter, WriteError};
use crate::avro::NodeId;
use crate::avro::container::{Container, KnownSchemas};
use crate::cancel::CancellationToken;
use crate::science_db::ScienceDbSettings;

/// Maximum number and size of the parts that wait for a writer. The size may be exceeded by one part.
const MAX_PARTS: usize = 64;
const MAX_WAITING_BYTES: u64 = 32 << 20;
/// Time between two looks at whether loading was cancelled.
const WAIT: Duration = Duration::from_millis(50);

/// The result of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestSummary {
    /// table, `namespace:name`; `None`: there was no alert to load
    pub table: Option<String>,
    /// alerts written
    pub alerts: u64,
    /// alerts not written because their rows exist
    pub existing: u64,
    /// bytes of Avro data of the alerts written
    pub bytes: u64,
    /// Avro files read, those in archives included
    pub files: u64,
    /// files with something that could not be loaded
    pub broken: u64,
    /// whether it was cancelled before the last file
    pub stopped: bool,
}

/// Loads alert files. Calls `progress` with the number of bytes of the files that were read so far, and `failed` with the name and the reason
/// for each file with something that could not be loaded; the rest is loaded. With [`IngestOptions::skip_existing`] it waits for a science database
/// that goes away, until `cancel` is cancelled.
///
/// # Errors
/// The store or the catalog failed, or no file can be read.
pub fn load_files(
    settings: &ScienceDbSettings,
    options: &IngestOptions,
    files: &AlertFiles,
    cancel: &CancellationToken,
    progress: &(impl Fn(u64) + Sync),
    failed: &(impl Fn(&str, &str) + Sync),
) -> Result<IngestSummary, IngestError> {
    let samples = files.samples()?;
    if samples.is_empty() {
        return Ok(IngestSummary { files: files.count() as u64, ..IngestSummary::default() });
    }
    let mut loader = Loader::open(settings, options, &samples, cancel)?;
    drop(samples);
    // A write without an answer may have reached some rows, and a second one would make new versions of them: other alerts.
    if options.skip_existing {
        loader.wait_for_store();
    }
    let load =
        Load { loader: &loader, counters: Counters::default(), repairs: Mutex::default(), broken: Mutex::default() };
    let (sender, receiver) = bounded(MAX_PARTS);
    let is_read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| load.read(files, sender, progress));
        let written = loader.run_writers(|writer| load.write(&receiver, writer, failed));
        // Ends the reader if a writer failed.
        drop(receiver);
        let is_read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map(|()| is_read)
    })?;
    let broken = load.broken.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    Ok(IngestSummary {
        table: Some(loader.table().to_owned()),
        alerts: load.counters.alerts.into_inner(),
        existing: load.counters.existing.into_inner(),
        bytes: load.counters.bytes.into_inner(),
        files: load.counters.files.into_inner(),
        broken: broken as u64,
        stopped: !is_read || cancel.is_cancelled(),
    })
}

#[derive(Default)]
struct Counters {
    alerts: AtomicU64,
    existing: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
    /// size of the parts that wait for a writer
    waiting_bytes: AtomicU64,
}

/// The mappers of the schemas so far, by the JSON in the file and the node of the alerts' type; or why alerts of that type cannot be loaded.
type Mappers = HashMap<String, HashMap<NodeId, Result<RowMapper, String>>>;

struct Load<'a> {
    loader: &'a Loader<'a>,
    counters: Counters,
    /// what was told of the schemas
    repairs: Mutex<HashSet<String>>,
    /// the files with something that could not be loaded
    broken: Mutex<HashSet<Arc<str>>>,
}

impl Load<'_> {
    /// Reads the files into parts. Returns whether all were read.
    fn read(&self, files: &AlertFiles, sender: Sender<Part>, progress: &impl Fn(u64)) -> bool {
        let bytes_read = AtomicU64::new(0);
        let mut reader = SourceReader::new(&bytes_read);
        let waiting = &self.counters.waiting_bytes;
        let mut send = |part: Part| {
            while waiting.load(Ordering::Relaxed) >= MAX_WAITING_BYTES && !self.loader.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            waiting.fetch_add(part.size() as u64, Ordering::Relaxed);
            let mut part = part;
            loop {
                if self.loader.is_cancelled() {
                    return false;
                }
                match sender.send_timeout(part, WAIT) {
                    Ok(()) => break,
                    Err(SendTimeoutError::Timeout(back)) => part = back,
                    Err(SendTimeoutError::Disconnected(_)) => return false,
                }
            }
            progress(bytes_read.load(Ordering::Relaxed));
            true
        };
        files.paths().iter().all(|path| reader.read(path, &mut send))
    }

    /// Writes the alerts of parts, until there are no more.
    fn write(
        &self,
        parts: &Receiver<Part>,
        writer: &mut AlertWriter<'_>,
        failed: &impl Fn(&str, &str),
    ) -> Result<(), IngestError> {
        let (mut mappers, mut known) = (Mappers::new(), KnownSchemas::default());
        while !self.loader.is_cancelled() {
            let part = match parts.recv_timeout(WAIT) {
                Ok(part) => part,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (size, name) = (part.size() as u64, Arc::clone(&part.name));
            self.counters.files.fetch_add(u64::from(part.is_first), Ordering::Relaxed);
            let fault = match part.read(&mut known) {
                Ok(container) => self.write_alerts(writer, &mut mappers, &name, &container)?,
                Err(reason) => Some(reason),
            };
            self.counters.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            if let Some(reason) = fault {
                failed(&name, &reason);
                self.broken.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
            }
        }
        writer.flush()?;
        self.counters.existing.fetch_add(writer.existing(), Ordering::Relaxed);
        self.counters.alerts.fetch_sub(writer.existing(), Ordering::Relaxed);
        Ok(())
    }

    /// Writes the alerts of a file. Returns what could not be loaded, and why.
    fn write_alerts(
        &self,
        writer: &mut AlertWriter<'_>,
        mappers: &mut Mappers,
        name: &str,
        container: &Container,
    ) -> Result<Option<String>, IngestError> {
        if !mappers.contains_key(&container.schema_json) {
            mappers.insert(container.schema_json.clone(), HashMap::new());
            for repair in &container.repairs {
                if self.repairs.lock().unwrap_or_else(PoisonError::into_inner).insert(repair.clone()) {
                    log::warn!("{name}: the schema in the file: {repair}");
                }
            }
        }
        let Some(of_schema) = mappers.get_mut(&container.schema_json) else { return Ok(None) };
        let (mut refused, mut first_reason) = (0, None);
        for (number, (node, datum)) in container.values().enumerate() {
            let mapper = match of_schema.entry(node) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.row_mapper(container, node)?),
            };
            let reason = match mapper {
                Ok(mapper) => match writer.add(mapper, datum) {
                    Ok(()) => {
                        self.counters.alerts.fetch_add(1, Ordering::Relaxed);
                        self.counters.bytes.fetch_add(datum.len() as u64, Ordering::Relaxed);
                        continue;
                    }
                    Err(WriteError::ScienceDb(error)) => return Err(error.into()),
                    Err(error) => error.to_string(),
                },
                Err(reason) => reason.clone(),
            };
            refused += 1;
            first_reason.get_or_insert_with(|| format!("alert {}: {reason}", number + 1));
        }
        Ok(first_reason.map(|first| match refused {
            1 => first,
            count => format!("{count} alerts cannot be loaded; {first}"),
        }))
    }

    /// The mapper of a file's alerts, or why they cannot be loaded.
    fn row_mapper(&self, container: &Container, node: NodeId) -> Result<Result<RowMapper, String>, IngestError> {
        let (schema_json, schema) = schema_of(container, node);
        match self.loader.row_mapper(&schema_json, &schema) {
            Ok(mapper) => Ok(Ok(mapper)),
            Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

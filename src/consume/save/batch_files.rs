//! Files of many alerts, each of one partition, named by their offsets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::commands::{CommandNote, CommandNotes};
use super::folder::{Pending, SaveFolder};
use super::names;
use super::parquet_file::ParquetFile;
use super::ranges::{SavedRanges, file_name};
use super::stamps::StampRemover;
use super::{BatchFormat, SaveOptions};
use crate::alert::decoder::Decoder;
use crate::avro::Schema;
use crate::consume::error::ConsumeError;
use crate::consume::observation::ObservationReader;
use crate::consume::outcome::{Added, Due, Flushed};
use crate::kafka::Message;
use crate::messages::Alert;
use crate::messages::Place;
use crate::units::MAX_CLOCK_SKEW_MS;

/// Most bytes that the files under way may hold in memory, and least that are worth a row group of their own.
const MAX_MEMORY: usize = 32 << 20;
const MIN_ROW_GROUP: usize = 2 << 20;
/// What a file under way takes before it has an alert: a buffer, and for Parquet the settings of some hundred columns. It bounds how many files
/// are open.
const FILE_MEMORY: usize = 1 << 18;

/// A file under way.
struct BatchFile {
    temporary: PathBuf,
    first: i64,
    last: i64,
    content: Content,
}

/// A file that is whole and has no name yet.
struct EndedFile {
    folder: PathBuf,
    temporary: PathBuf,
    first: i64,
    last: i64,
}

enum Content {
    Avro(BufWriter<File>),
    Parquet(Box<ParquetFile>),
}

/// The files under way of one partition: several where alerts have folders of their own.
struct Batch {
    schema: Arc<Schema>,
    /// where it is read again if nothing of it is kept
    first: i64,
    rows: u64,
    began: Instant,
    files: BTreeMap<PathBuf, BatchFile>,
}

/// Saves alerts in files of many.
pub struct BatchFiles {
    options: SaveOptions,
    format: BatchFormat,
    folder: SaveFolder,
    /// `None`: there is no command
    commands: Option<CommandNotes>,
    ranges: SavedRanges,
    observations: ObservationReader,
    stamps: StampRemover,
    open: BTreeMap<Place, Batch>,
    /// what was done since the last flush, where a file was full or a schema changed
    done: Flushed,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for BatchFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchFiles").field("options", &self.options).finish_non_exhaustive()
    }
}

impl BatchFiles {
    /// Opens the folder for alerts of `topics`, and runs the commands that are left for its files.
    ///
    /// # Errors
    /// It cannot be made or written to, or holds what was saved in another way; or there are several topics, and no folder for each; or a
    /// command fails.
    pub fn open(options: SaveOptions, format: BatchFormat, topics: &[String]) -> Result<Self, ConsumeError> {
        let of = match (options.by_topic, topics) {
            (true, _) => "by topic".to_owned(),
            (false, [topic]) => format!("topic {topic}"),
            (false, _) => {
                let reason = "files of many alerts are named by partition and offset, which several topics share: say --by topic";
                return Err(ConsumeError::Usage(reason.to_owned()));
            }
        };
        let folder = SaveFolder::open(&options.folder)?;
        let partition_by = options.partition_by.map_or(String::new(), |by| format!(", by {by:?}").to_lowercase());
        let choice = match options.choice.as_str() {
            "" => "all alerts".to_owned(),
            choice => format!("alerts with {}", choice.replace('\n', " ")),
        };
        folder.require_settings(&format!("{}, {of}{partition_by}, {choice}", format.ending()))?;
        let commands = match options.exec {
            Some(_) => Some(CommandNotes::open(folder.hidden("commands"))?),
            None => None,
        };
        let files = Self {
            ranges: SavedRanges::new(folder.path(), format.ending()),
            options,
            format,
            folder,
            commands,
            observations: ObservationReader::default(),
            stamps: StampRemover::default(),
            open: BTreeMap::new(),
            done: Flushed::default(),
            buffer: Vec::new(),
        };
        if let Some(commands) = &files.commands {
            let lock = files.folder.lock()?;
            let left = commands.left()?;
            drop(lock);
            files.run_commands(left)?;
        }
        Ok(files)
    }

    /// These partitions are read from now on; others may have saved some of their alerts.
    pub fn assign(&mut self) {
        self.ranges.forget();
    }

    /// Drops what is under way of these partitions.
    pub fn revoke(&mut self, places: &[Place]) {
        places.iter().for_each(|place| drop(self.open.remove(place)));
    }

    /// Takes an alert; it is in a file after a [`flush`](Self::flush).
    ///
    /// # Errors
    /// The alerts have what Parquet has no column for, or the disk refuses.
    pub fn add(&mut self, message: &Message, alert: &Alert<'_>) -> Result<Added, ConsumeError> {
        let damaged = |error: crate::avro::Malformed| ConsumeError::Format(error.to_string());
        let observation = self.observations.read(&alert.decoder, &alert.datum).map_err(damaged)?;
        let folder = names::folder(self.options.by_topic, self.options.partition_by, &observation, message);
        if let Some(saved) = self.ranges.find(&folder, message.partition, message.offset, message.offset)? {
            if message.timestamp.is_some_and(|sent| sent > saved.written.saturating_add(MAX_CLOCK_SKEW_MS)) {
                return Err(ConsumeError::Usage(format!(
                    "{} holds a file with offset {} of {}[{}] that is older than this message: the topic was recreated; use another folder",
                    self.folder.path().join(&folder).display(),
                    message.offset,
                    message.topic,
                    message.partition
                )));
            }
            return Ok(Added::Known);
        }
        let pruned = if self.options.stamps { None } else { Some(self.stamps.remove(alert).map_err(damaged)?) };
        let alert = pruned.as_ref().unwrap_or(alert);
        let place = (message.topic.clone(), message.partition);
        let schema = alert.decoder.schema();
        if self.open.get(&place).is_some_and(|batch| !is_same(&batch.schema, schema)) {
            self.publish(std::slice::from_ref(&place))?;
        }
        let batch = self.open.entry(place.clone()).or_insert_with(|| Batch {
            schema: Arc::clone(schema),
            first: message.offset,
            rows: 0,
            began: Instant::now(),
            files: BTreeMap::new(),
        });
        let file = match batch.files.entry(folder) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let temporary = self.folder.temporary_path();
                entry.insert(BatchFile::create(temporary, self.format, &alert.decoder, message.offset)?)
            }
        };
        file.push(alert, message.offset, &mut self.buffer)?;
        batch.rows += 1;
        match batch.rows >= self.options.rows {
            true => self.publish(&[place])?,
            false => self.bound_memory()?,
        }
        Ok(Added::New)
    }

    /// What has to be done now.
    pub fn due(&self) -> Option<Due> {
        if self.open.values().any(|batch| batch.began.elapsed() >= self.options.flush) {
            return Some(Due::Flush);
        }
        (self.done.files > 0 || !self.done.rewind.is_empty()).then_some(Due::Commit)
    }

    /// The first offset of a partition that is in no file with a name.
    pub fn unsaved(&self, place: &Place) -> Option<i64> {
        self.open.get(place).map(|batch| batch.first)
    }

    /// Ends files and gives them their names, unless another process has saved some of their alerts meanwhile.
    ///
    /// # Errors
    /// The disk refuses, or a command fails.
    pub fn flush(&mut self, due: Due) -> Result<Flushed, ConsumeError> {
        if due == Due::Flush {
            let places: Vec<Place> = self.open.keys().cloned().collect();
            self.publish(&places)?;
        }
        Ok(std::mem::take(&mut self.done))
    }

    fn publish(&mut self, places: &[Place]) -> Result<(), ConsumeError> {
        let mut ended: Vec<(Place, i64, Vec<EndedFile>)> = Vec::new();
        for place in places {
            let Some(batch) = self.open.remove(place) else { continue };
            let mut files = Vec::with_capacity(batch.files.len());
            for (folder, file) in batch.files {
                let BatchFile { temporary, first, last, content } = file;
                content.finish().map_err(ConsumeError::Format)?;
                files.push(EndedFile { folder, temporary, first, last });
            }
            ended.push((place.clone(), batch.first, files));
        }
        if ended.is_empty() {
            return Ok(());
        }
        let lock = self.folder.lock()?;
        self.ranges.forget();
        let mut pending = Vec::new();
        for (place, first_offset, files) in ended {
            let mut is_taken = false;
            for file in &files {
                is_taken |= self.ranges.find(&file.folder, place.1, file.first, file.last)?.is_some();
            }
            if is_taken {
                files.iter().for_each(|file| drop(std::fs::remove_file(&file.temporary)));
                self.done.rewind.push((place, first_offset));
                continue;
            }
            pending.extend(files.into_iter().map(|file| Pending {
                name: file.folder.join(file_name(place.1, file.first, file.last, self.format.ending())),
                temporary: file.temporary,
            }));
        }
        let bytes = pending
            .iter()
            .filter_map(|file| std::fs::metadata(&file.temporary).ok())
            .map(|file| file.len())
            .sum::<u64>();
        let notes = match &self.commands {
            Some(commands) => commands.write(pending.iter().map(|file| file.name.as_path()))?,
            None => Vec::new(),
        };
        self.folder.publish(&pending)?;
        self.ranges.forget();
        drop(lock);
        self.done.files += pending.len() as u64;
        self.done.bytes += bytes;
        self.run_commands(notes)
    }

    /// Runs the command for each of these files.
    fn run_commands(&self, notes: Vec<CommandNote>) -> Result<(), ConsumeError> {
        let Some(exec) = &self.options.exec else { return Ok(()) };
        for note in notes {
            let file = self.folder.path().join(&note.file);
            // A process that ended between its note and its file left nothing to do.
            if file.exists() {
                exec.run(&file)?;
            }
            note.remove()?;
        }
        Ok(())
    }

    /// Frees memory where the files under way hold too much: writes the largest row group or, where all are small, the files of the partition
    /// that hold the most.
    fn bound_memory(&mut self) -> Result<(), ConsumeError> {
        if self.open.values().map(Batch::memory).sum::<usize>() < MAX_MEMORY {
            return Ok(());
        }
        let files = self.open.values_mut().flat_map(|batch| batch.files.values_mut());
        let largest = files.max_by_key(|file| file.memory());
        match largest.filter(|file| file.memory() >= MIN_ROW_GROUP).map(|file| &mut file.content) {
            Some(Content::Parquet(file)) => file.write_row_group().map_err(ConsumeError::Format),
            _ => {
                let fullest = self.open.iter().max_by_key(|(_, batch)| batch.memory());
                let fullest: Vec<Place> = fullest.map(|(place, _)| place.clone()).into_iter().collect();
                self.publish(&fullest)
            }
        }
    }
}

impl Batch {
    fn memory(&self) -> usize {
        self.files.values().map(BatchFile::memory).sum()
    }
}

/// The same schema, in two messages or in two keys.
fn is_same(one: &Arc<Schema>, other: &Arc<Schema>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

impl BatchFile {
    fn create(temporary: PathBuf, format: BatchFormat, decoder: &Decoder, offset: i64) -> Result<Self, ConsumeError> {
        let file = File::create_new(&temporary).map_err(ConsumeError::file("cannot write", &temporary))?;
        let content = match format {
            BatchFormat::Parquet => {
                let parquet = ParquetFile::create(file, decoder.schema()).map_err(ConsumeError::Format)?;
                Content::Parquet(Box::new(parquet))
            }
            BatchFormat::Avro => {
                let mut header = Vec::new();
                decoder.container_header(&mut header);
                let mut file = BufWriter::with_capacity(FILE_MEMORY, file);
                file.write_all(&header).map_err(ConsumeError::file("cannot write", &temporary))?;
                Content::Avro(file)
            }
        };
        Ok(Self { temporary, first: offset, last: offset, content })
    }

    fn push(&mut self, alert: &Alert<'_>, offset: i64, buffer: &mut Vec<u8>) -> Result<(), ConsumeError> {
        self.last = offset;
        match &mut self.content {
            Content::Parquet(file) => {
                file.push(alert);
                Ok(())
            }
            Content::Avro(file) => {
                buffer.clear();
                alert.decoder.container_block(&alert.datum, buffer);
                file.write_all(buffer).map_err(ConsumeError::file("cannot write", &self.temporary))
            }
        }
    }

    fn memory(&self) -> usize {
        match &self.content {
            Content::Parquet(file) => FILE_MEMORY + file.memory(),
            Content::Avro(_) => FILE_MEMORY,
        }
    }
}

impl Content {
    fn finish(self) -> Result<(), String> {
        match self {
            Self::Parquet(file) => file.finish(),
            Self::Avro(file) => file.into_inner().map(drop).map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_under_way_are_bounded_and_all_get_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SaveOptions {
            folder: folder.path().to_owned(),
            by_topic: false,
            partition_by: None,
            stamps: true,
            rows: 1000,
            flush: Duration::from_secs(3600),
            exec: None,
            choice: String::new(),
        };
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"n","type":"long"}]}"#;
        let decoder = Arc::new(Decoder::new(Schema::parse(schema).expect("a schema")));
        for format in [BatchFormat::Avro, BatchFormat::Parquet] {
            let options = SaveOptions { folder: options.folder.join(format.ending()), ..options.clone() };
            let mut files = BatchFiles::open(options, format, &["t".to_owned()]).expect("a folder");
            let mut most = 0;
            for partition in 0..200 {
                let (topic, timestamp, key, value, headers) = ("t".to_owned(), None, None, None, Vec::new());
                let message = Message { topic, partition, offset: 7, timestamp, key, value, headers };
                let alert = Alert { decoder: Arc::clone(&decoder), datum: Cow::Borrowed(&[2]) };
                assert_eq!(files.add(&message, &alert).expect("a disk"), Added::New);
                most = most.max(files.open.values().map(|batch| batch.files.len()).sum());
            }
            assert!((64..=MAX_MEMORY / FILE_MEMORY).contains(&most), "{most} files were open");
            files.flush(Due::Flush).expect("a disk");
            let named = std::fs::read_dir(files.folder.path()).expect("a folder").flatten();
            assert_eq!(named.filter(|entry| entry.file_name() != ".fink").count(), 200);
        }
    }
}

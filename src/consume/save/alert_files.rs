//! One file for each alert.

use std::time::{Duration, Instant};

use super::SaveOptions;
use super::folder::{Pending, SaveFolder};
use super::names;
use super::stamps::StampRemover;
use crate::consume::error::ConsumeError;
use crate::consume::observation::ObservationReader;
use crate::consume::outcome::Flushed;
use crate::kafka::Message;
use crate::messages::Alert;

/// How many files, or bytes of them, or for how long, may wait for their names. Syncing many at a time is what makes saving fast.
const MAX_FILES: usize = 1000;
const MAX_BYTES: u64 = 128 << 20;
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Saves each alert as an Avro file of its own.
#[derive(Debug)]
pub struct AlertFiles {
    options: SaveOptions,
    folder: SaveFolder,
    observations: ObservationReader,
    stamps: StampRemover,
    waiting: Vec<Pending>,
    bytes: u64,
    since: Instant,
    buffer: Vec<u8>,
    /// topic, partition and offset of the last message, and how many of its alerts were taken
    last: (String, i32, i64, usize),
}

impl AlertFiles {
    /// Opens the folder.
    ///
    /// # Errors
    /// It cannot be made or written to.
    pub fn open(options: SaveOptions) -> Result<Self, ConsumeError> {
        Ok(Self {
            folder: SaveFolder::open(&options.folder)?,
            options,
            observations: ObservationReader::default(),
            stamps: StampRemover::default(),
            waiting: Vec::new(),
            bytes: 0,
            since: Instant::now(),
            buffer: Vec::new(),
            last: (String::new(), -1, -1, 0),
        })
    }

    /// Writes an alert; it has its name after the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub fn add(&mut self, message: &Message, alert: &Alert<'_>) -> Result<(), ConsumeError> {
        let damaged = |error: crate::avro::Malformed| ConsumeError::Format(error.to_string());
        let observation = self.observations.read(&alert.decoder, &alert.datum).map_err(damaged)?;
        let is_same = self.last.0 == message.topic && (self.last.1, self.last.2) == (message.partition, message.offset);
        let number = if is_same { self.last.3 + 1 } else { 0 };
        self.last = (message.topic.clone(), message.partition, message.offset, number);
        let file = names::alert_file(&alert.decoder, &observation, message, number);
        let name = names::folder(self.options.by_topic, self.options.partition_by, &observation, message).join(file);
        let pruned = if self.options.stamps { None } else { Some(self.stamps.remove(alert).map_err(damaged)?) };
        let alert = pruned.as_ref().unwrap_or(alert);
        self.buffer.clear();
        alert.decoder.container(&alert.datum, &mut self.buffer).map_err(damaged)?;
        let temporary = self.folder.temporary_path();
        std::fs::write(&temporary, &self.buffer).map_err(ConsumeError::file("cannot write", &temporary))?;
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += self.buffer.len() as u64;
        self.waiting.push(Pending { temporary, name });
        Ok(())
    }

    /// Whether files wait for their names, and should no longer.
    pub fn is_due(&self) -> bool {
        !self.waiting.is_empty()
            && (self.waiting.len() >= MAX_FILES || self.bytes >= MAX_BYTES || self.since.elapsed() >= MAX_WAIT)
    }

    /// Gives the files their names, and runs the command for each.
    ///
    /// # Errors
    /// The disk refuses, or a command fails.
    pub fn flush(&mut self) -> Result<Flushed, ConsumeError> {
        self.folder.publish(&self.waiting)?;
        if let Some(exec) = &self.options.exec {
            for file in &self.waiting {
                exec.run(&self.folder.path().join(&file.name))?;
            }
        }
        let flushed = Flushed { files: self.waiting.len() as u64, bytes: self.bytes, rewind: Vec::new() };
        self.waiting.clear();
        self.bytes = 0;
        Ok(flushed)
    }
}

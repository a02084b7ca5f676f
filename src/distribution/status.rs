//! The status column: `distributed`, written after the commit at the alert's own trigger timestamp, so that it makes no new alert.
//!
//! A thread of its own writes it while the next alerts are read. The rows of the last transaction stand in the checkpoint until the next
//! one, so that what a crash kept from being written is written on the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

use super::patience::{Halt, Open, Session};
use super::readers::Found;
use crate::science_db::{Put, PutCell, ScienceDbError};

/// What the column says of an alert that was sent.
pub const DISTRIBUTED: &[u8] = b"distributed";

/// Rows written by one request.
const ROWS_AT_ONCE: usize = 500;

/// Writes the status of rows, one batch at a time, in the background.
pub struct StatusWriter {
    batches: Option<Sender<Vec<Found>>>,
    outcomes: Receiver<Result<(), ScienceDbError>>,
    busy: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StatusWriter {
    /// Starts the writer for the column `family:qualifier`.
    pub fn start(open: &Arc<Open>, family: &str, qualifier: &str) -> Self {
        let (batches, todo) = crossbeam_channel::bounded::<Vec<Found>>(1);
        let (done, outcomes) = crossbeam_channel::bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        let cell = PutCell { family: family.into(), qualifier: qualifier.into(), value: DISTRIBUTED.to_vec() };
        let stopped = Arc::clone(&stop);
        let mut session = Session::new(open, Arc::new(move || stopped.load(Ordering::Relaxed)));
        let thread = std::thread::spawn(move || {
            for rows in todo {
                let written = rows.chunks(ROWS_AT_ONCE).try_for_each(|rows| {
                    let put =
                        |(key, at): &Found| Put { key: key.clone(), timestamp: Some(*at), cells: vec![cell.clone()] };
                    let puts: Vec<Put> = rows.iter().map(put).collect();
                    session.ask(|db| db.put(&puts))
                });
                let outcome = match written {
                    Err(Halt::Failed(error)) => Err(error),
                    Ok(()) | Err(Halt::Cancelled) => Ok(()),
                };
                if done.send(outcome).is_err() {
                    return;
                }
            }
        });
        Self { batches: Some(batches), outcomes, busy: false, stop, thread: Some(thread) }
    }

    /// Hands over the rows of a committed transaction, after the previous ones are written.
    ///
    /// # Errors
    /// The science database refused the previous rows.
    pub fn write(&mut self, rows: Vec<Found>) -> Result<(), ScienceDbError> {
        self.settle()?;
        if let Some(batches) = self.batches.as_ref().filter(|_| !rows.is_empty()) {
            self.busy = batches.send(rows).is_ok();
        }
        Ok(())
    }

    /// Waits until everything handed over is written.
    ///
    /// # Errors
    /// The science database refused.
    pub fn settle(&mut self) -> Result<(), ScienceDbError> {
        match std::mem::take(&mut self.busy) {
            true => self.outcomes.recv().unwrap_or(Ok(())),
            false => Ok(()),
        }
    }

    /// Gives up what is not written yet; the checkpoint still names it.
    pub fn give_up(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for StatusWriter {
    fn drop(&mut self) {
        self.give_up();
        self.batches = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the status writer panicked");
        }
    }
}

/// Rows as they stand in the checkpoint: for each the timestamp, the key's length (both big-endian, 8 and 4 bytes) and the key.
pub fn to_bytes(rows: &[Found]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, timestamp) in rows {
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(key);
    }
    bytes
}

/// Reads what [`to_bytes`] wrote, or `None` where the bytes are damaged.
pub fn from_bytes(mut bytes: &[u8]) -> Option<Vec<Found>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (timestamp, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rows.push((key.to_vec(), i64::from_be_bytes(*timestamp)));
        bytes = rest;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_their_bytes() {
        let rows = vec![(b"a".to_vec(), 5), (Vec::new(), -1), (vec![0, 255], i64::MAX)];
        assert_eq!(from_bytes(&to_bytes(&rows)), Some(rows));
    }

    #[test]
    fn torn_rows_are_noticed() {
        let bytes = to_bytes(&[(b"key".to_vec(), 5)]);
        assert!((1..bytes.len()).all(|length| from_bytes(&bytes[..length]).is_none()));
    }
}

//! Records on disk, split by a hash into parts that fit into memory.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::record::{RECORD_BYTES, Record};

/// Parts of a spill. 10^8 records make parts of 45 MB.
const PARTS: usize = 128;
/// Bytes buffered for each part.
const BUFFER: usize = 16 << 10;

/// A temporary file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} a temporary file in {}: {source}; choose another folder with --temp-dir", folder.display())]
pub struct SpillError {
    /// what was tried
    pub(super) action: &'static str,
    /// the folder
    pub(super) folder: PathBuf,
    /// why
    pub(super) source: std::io::Error,
}

/// Records, split by the hash that each was pushed with. The files have no name, so nothing of them is left however the process ends.
pub(super) struct Spill {
    folder: PathBuf,
    parts: Vec<Option<BufWriter<File>>>,
}

impl Spill {
    /// An empty spill with its files in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), parts: (0..PARTS).map(|_| None).collect() }
    }

    /// Adds a record. Records that are to meet in one part must have the same `hash`.
    ///
    /// # Errors
    /// The folder takes no more.
    pub fn push(&mut self, hash: u64, record: Record) -> Result<(), SpillError> {
        let folder = &self.folder;
        let fault = |action| move |source| SpillError { action, folder: folder.clone(), source };
        let part = &mut self.parts[(hash % PARTS as u64) as usize];
        let file = match part {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(folder).map_err(fault("create"))?;
                part.insert(BufWriter::with_capacity(BUFFER, file))
            }
        };
        file.write_all(&record.to_bytes()).map_err(fault("write"))
    }

    /// Gives back the records part by part; each part's file is gone when the next is read.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what was written; what `each` fails with.
    pub fn drain<E: From<AuditError>>(&mut self, mut each: impl FnMut(Vec<Record>) -> Result<(), E>) -> Result<(), E> {
        for part in &mut self.parts {
            let Some(file) = part.take() else { continue };
            let folder = &self.folder;
            let records = read(file).map_err(|source| SpillError { action: "read", folder: folder.clone(), source });
            let records = records.map_err(AuditError::from)?;
            each(records)?;
        }
        Ok(())
    }
}

fn read(file: BufWriter<File>) -> std::io::Result<Vec<Record>> {
    let mut file = file.into_inner()?;
    let bytes = file.stream_position()?;
    file.rewind()?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    let count = usize::try_from(bytes).unwrap_or(usize::MAX) / RECORD_BYTES;
    let mut records = Vec::with_capacity(count);
    let mut bytes = [0; RECORD_BYTES];
    for _ in 0..count {
        file.read_exact(&mut bytes)?;
        let damaged =
            || std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds something else than was written");
        records.push(Record::from_bytes(&bytes).ok_or_else(damaged)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::record::RecordKind;

    fn record(number: u64) -> Record {
        Record {
            id: u128::from(number),
            timestamp: number as i64,
            value: number,
            identity: 0,
            offset: 0,
            partition: 0,
            stream: 0,
            kind: RecordKind::Message,
        }
    }

    proptest! {
        // Each case makes a hundred files.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_record_comes_back_once_and_equal_hashes_meet(hashes in prop::collection::vec(0_u64..300, 0..600)) {
            let mut spill = Spill::new(&std::env::temp_dir());
            for (number, hash) in hashes.iter().enumerate() {
                spill.push(*hash, record(number as u64)).unwrap();
            }
            let mut seen = vec![0; hashes.len()];
            let mut part_of = std::collections::HashMap::new();
            let mut part = 0;
            spill.drain(|records| {
                for record in records {
                    let number = record.value as usize;
                    seen[number] += 1;
                    assert_eq!(*part_of.entry(hashes[number]).or_insert(part), part);
                }
                part += 1;
                Ok::<(), AuditError>(())
            }).unwrap();
            prop_assert!(seen.iter().all(|count| *count == 1));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Spill::new(Path::new("/nowhere/at/all")).push(1, record(1)).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all") && error.contains("--temp-dir"), "{error}");
    }
}

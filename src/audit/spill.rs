//! Records on disk, split by a hash into parts that fit into memory.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::{AuditError, SpillError};
use super::record::{RECORD_BYTES, Record};

/// Number of parts. With 10^8 records a part has 45 MB.
const PARTS: usize = 128;
/// Bytes buffered for each part.
const BUFFER_BYTES: usize = 16 << 10;

/// Records, split by the hash that each was pushed with. The files have no name: they disappear with the process, however it ends.
pub(super) struct Spill {
    folder: PathBuf,
    parts: Vec<Option<BufWriter<File>>>,
}

impl Spill {
    /// An empty spill with its files in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), parts: (0..PARTS).map(|_| None).collect() }
    }

    /// Adds a record. Records that must be in one part need the same `hash`.
    ///
    /// # Errors
    /// A file cannot be created or written.
    pub fn push(&mut self, hash: u64, record: Record) -> Result<(), SpillError> {
        let folder = &self.folder;
        let error = |action| move |source| SpillError { action, folder: folder.clone(), source };
        let part = &mut self.parts[(hash % PARTS as u64) as usize];
        let file = match part {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(folder).map_err(error("create"))?;
                part.insert(BufWriter::with_capacity(BUFFER_BYTES, file))
            }
        };
        file.write_all(&record.to_bytes()).map_err(error("write"))
    }

    /// Calls `each` with the records of each part. The file of a part is deleted before the next part is read.
    ///
    /// # Errors
    /// A file cannot be read or is damaged, or `each` failed.
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
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let count = usize::try_from(bytes).unwrap_or(usize::MAX) / RECORD_BYTES;
    let mut records = Vec::with_capacity(count);
    let mut bytes = [0; RECORD_BYTES];
    for _ in 0..count {
        file.read_exact(&mut bytes)?;
        let damaged = || std::io::Error::new(std::io::ErrorKind::InvalidData, "the file is damaged");
        records.push(Record::from_bytes(&bytes).ok_or_else(damaged)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU128;

    use proptest::prelude::*;

    use super::*;
    use crate::audit::record::RecordKind;
    use crate::timestamp::Timestamp;

    fn record(number: u64) -> Record {
        Record {
            id: NonZeroU128::new(u128::from(number) + 1),
            timestamp: Timestamp::from_millis(number as i64),
            value: number,
            identity: 0,
            offset: 0,
            partition: 0,
            stream: Some(0),
            kind: RecordKind::Message,
        }
    }

    proptest! {
        // Each case makes a hundred files.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn each_record_is_returned_once_and_equal_hashes_are_in_one_part(hashes in prop::collection::vec(0_u64..300, 0..600)) {
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
    fn missing_folder_is_named() {
        let error = Spill::new(Path::new("/nowhere/at/all")).push(1, record(1)).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }
}

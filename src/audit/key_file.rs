//! The row keys of all alerts, in a temporary file. Records refer to a key by its offset.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::SpillError;

/// Bytes before a key: its length.
const LENGTH_BYTES: usize = 4;

/// An append-only file of row keys.
pub(super) struct KeyFile {
    folder: PathBuf,
    file: BufWriter<File>,
    end: u64,
}

impl KeyFile {
    /// An empty file in `folder`. It has no name: it disappears with the process, however it ends.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn new(folder: &Path) -> Result<Self, SpillError> {
        let file = tempfile::tempfile_in(folder).map_err(|source| error("create", folder, source))?;
        Ok(Self { folder: folder.to_owned(), file: BufWriter::new(file), end: 0 })
    }

    /// Appends a key and returns its offset.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, key: &[u8]) -> Result<i64, SpillError> {
        let offset = self.end;
        // HBase's limit for a row key is 32 kB.
        let length = u32::try_from(key.len()).map_err(std::io::Error::other);
        let written = length.and_then(|length| {
            self.file.write_all(&length.to_be_bytes())?;
            self.file.write_all(key)
        });
        written.map_err(|source| error("write", &self.folder, source))?;
        self.end += (LENGTH_BYTES + key.len()) as u64;
        Ok(offset.cast_signed())
    }

    /// The key at `offset`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&mut self, offset: i64) -> Result<Vec<u8>, SpillError> {
        let mut read = || {
            self.file.flush()?;
            let (file, offset) = (self.file.get_ref(), offset.cast_unsigned());
            let mut length = [0; LENGTH_BYTES];
            file.read_exact_at(&mut length, offset)?;
            let mut key = vec![0; u32::from_be_bytes(length) as usize];
            file.read_exact_at(&mut key, offset + LENGTH_BYTES as u64)?;
            Ok(key)
        };
        read().map_err(|source| error("read", &self.folder, source))
    }
}

fn error(action: &'static str, folder: &Path, source: std::io::Error) -> SpillError {
    SpillError { action, folder: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_place() {
        let mut keys = KeyFile::new(&std::env::temp_dir()).unwrap();
        let wanted = [b"row1".to_vec(), Vec::new(), vec![0xff; 70_000]];
        let offsets: Vec<i64> = wanted.iter().map(|key| keys.push(key).unwrap()).collect();
        for (key, offset) in wanted.iter().zip(offsets) {
            assert_eq!(&keys.get(offset).unwrap(), key);
        }
    }
}

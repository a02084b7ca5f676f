//! Which offsets the files of a folder have, by their names: `p3-000000000100-000000000199.parquet`.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::consume::error::ConsumeError;

/// The offsets of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedRange {
    /// the partition
    pub partition: i32,
    /// its first alert's offset
    pub first: i64,
    /// its last alert's
    pub last: i64,
    /// when it was written, ms since 1970
    pub written: i64,
}

/// The name of a file with these alerts.
pub fn file_name(partition: i32, first: i64, last: i64, ending: &str) -> String {
    format!("p{partition}-{first:012}-{last:012}.{ending}")
}

fn parse(name: &str, ending: &str) -> Option<(i32, i64, i64)> {
    let rest = name.strip_prefix('p')?.strip_suffix(ending)?.strip_suffix('.')?;
    let (partition, rest) = rest.split_once('-')?;
    let (first, last) = rest.split_once('-')?;
    Some((partition.parse().ok()?, first.parse().ok()?, last.parse().ok()?))
}

/// The ranges of folders, read when they are first asked for.
#[derive(Debug)]
pub struct SavedRanges {
    root: PathBuf,
    ending: &'static str,
    folders: HashMap<PathBuf, Vec<SavedRange>>,
}

impl SavedRanges {
    /// Of the files with this ending in folders under `root`.
    pub fn new(root: &Path, ending: &'static str) -> Self {
        Self { root: root.to_owned(), ending, folders: HashMap::new() }
    }

    /// Forgets what was read: others may have added files.
    pub fn forget(&mut self) {
        self.folders.clear();
    }

    /// The file of `folder` that has offsets from `first` to `last` of a partition, or some of them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn find(
        &mut self,
        folder: &Path,
        partition: i32,
        first: i64,
        last: i64,
    ) -> Result<Option<SavedRange>, ConsumeError> {
        if !self.folders.contains_key(folder) {
            let found = read(&self.root.join(folder), self.ending)?;
            self.folders.insert(folder.to_owned(), found);
        }
        let ranges = self.folders.get(folder).map_or(&[][..], Vec::as_slice);
        let overlaps = |range: &&SavedRange| range.partition == partition && range.first <= last && first <= range.last;
        Ok(ranges.iter().find(overlaps).copied())
    }
}

fn read(folder: &Path, ending: &str) -> Result<Vec<SavedRange>, ConsumeError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ConsumeError::file("cannot read the folder", folder)(error)),
    };
    let mut ranges = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ConsumeError::file("cannot read the folder", folder))?;
        let name = entry.file_name();
        if let Some((partition, first, last)) = name.to_str().and_then(|name| parse(name, ending)) {
            let written = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let written = written.map_or(i64::MAX, |time| time.as_millis() as i64);
            ranges.push(SavedRange { partition, first, last, written });
        }
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = file_name(3, 100, 199, "parquet");
        assert_eq!(name, "p3-000000000100-000000000199.parquet");
        for name in [&name, "p3-x-199.parquet", "p3-100.parquet", "p3-000000000200-000000000299.avro", "other"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let mut ranges = SavedRanges::new(folder.path(), "parquet");
        let mut has =
            |partition, first, last| ranges.find(Path::new(""), partition, first, last).expect("a folder").is_some();
        assert!(has(3, 100, 100) && has(3, 199, 199) && has(3, 0, 1000));
        assert!(!has(3, 99, 99) && !has(3, 200, 250) && !has(2, 100, 199));
        assert!(ranges.find(Path::new("none"), 3, 100, 100).expect("no folder").is_none());
    }
}

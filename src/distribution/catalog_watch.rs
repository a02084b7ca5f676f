//! Notices that the catalog was replaced since it was read.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes with the content of a file that is replaced or written to.
type Version = (u64, u64, i64, i64);

/// The catalog's file, and its version when it was read.
pub(crate) struct CatalogWatch {
    path: PathBuf,
    read: Option<Version>,
}

impl CatalogWatch {
    /// To be called before the file is read: a change in between is then noticed.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: version(path) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is another one now. A file that is missing has not changed: it is about to be replaced, or was removed.
    pub fn has_changed(&self) -> bool {
        version(&self.path).is_some_and(|now| Some(now) != self.read)
    }
}

fn version(path: &Path) -> Option<Version> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_catalog_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.json");
        std::fs::write(&path, "{}").unwrap();
        let watch = CatalogWatch::new(&path);
        assert!(!watch.has_changed());
        crate::atomic_file::replace(&path, b"[]").unwrap();
        assert!(watch.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(!watch.has_changed());
    }
}

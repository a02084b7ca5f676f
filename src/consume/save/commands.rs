//! The commands that are left for files in place. A file of many alerts is never written again, so what is still to be done with it must be
//! known without its alerts: a note is on the disk before the file has its name, and is removed after the command.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::consume::error::ConsumeError;

/// The notes of a folder.
#[derive(Debug)]
pub struct CommandNotes {
    folder: PathBuf,
}

/// One note. Its process holds the lock, so that others know that the command is under way.
#[derive(Debug)]
pub struct CommandNote {
    path: PathBuf,
    /// the file of alerts, relative to the folder
    pub file: PathBuf,
    _lock: File,
}

impl CommandNotes {
    /// In a folder, which is made where there is none.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, ConsumeError> {
        fs::create_dir_all(&folder).map_err(ConsumeError::file("cannot make the folder", &folder))?;
        Ok(Self { folder })
    }

    /// Notes that a command is to be run for each of these files. The folder of the files must be locked.
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub fn write<'f>(&self, files: impl Iterator<Item = &'f Path>) -> Result<Vec<CommandNote>, ConsumeError> {
        let mut notes = Vec::new();
        for file in files {
            let hash = xxhash_rust::xxh3::xxh3_64(file.as_os_str().as_bytes());
            let path = self.folder.join(format!("{hash:016x}"));
            let written = File::create(&path).and_then(|mut note| {
                note.lock()?;
                note.write_all(file.as_os_str().as_bytes())?;
                note.sync_all()?;
                Ok(note)
            });
            let lock = written.map_err(ConsumeError::file("cannot write", &path))?;
            notes.push(CommandNote { path, file: file.to_owned(), _lock: lock });
        }
        if !notes.is_empty() {
            let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
            synced.map_err(ConsumeError::file("cannot sync", &self.folder))?;
        }
        Ok(notes)
    }

    /// The notes that processes have left which ended before their commands succeeded. The folder of the files must be locked.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn left(&self) -> Result<Vec<CommandNote>, ConsumeError> {
        let mut notes = Vec::new();
        let entries = fs::read_dir(&self.folder).map_err(ConsumeError::file("cannot read", &self.folder))?;
        for entry in entries {
            let path = entry.map_err(ConsumeError::file("cannot read", &self.folder))?.path();
            let read = File::open(&path).and_then(|lock| match lock.try_lock() {
                Ok(()) => Ok(Some((fs::read(&path)?, lock))),
                Err(_) => Ok(None),
            });
            match read {
                Ok(Some((file, lock))) => {
                    let file = PathBuf::from(std::ffi::OsString::from_vec(file));
                    notes.push(CommandNote { path, file, _lock: lock });
                }
                // Another process is at it, or has just done it.
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(ConsumeError::file("cannot read", &path)(error)),
            }
        }
        notes.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(notes)
    }
}

impl CommandNote {
    /// Removes the note: there is nothing left to be done.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(self) -> Result<(), ConsumeError> {
        fs::remove_file(&self.path).map_err(ConsumeError::file("cannot remove", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_nobody_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let notes = CommandNotes::open(folder.path().join("commands")).expect("a folder");
        let files = [Path::new("b/p0-1-2.avro"), Path::new("a.avro")];
        let written = notes.write(files.into_iter()).expect("a disk");
        assert!(notes.left().expect("a folder").is_empty());
        drop(written);
        let left = notes.left().expect("a folder");
        assert_eq!(left.iter().map(|note| note.file.as_path()).collect::<Vec<_>>(), [files[1], files[0]]);
        left.into_iter().for_each(|note| note.remove().expect("a disk"));
        assert!(notes.left().expect("a folder").is_empty());
    }
}

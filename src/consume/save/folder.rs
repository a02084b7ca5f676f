//! A folder in which files appear whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::consume::error::ConsumeError;

/// What is not for readers stands here; readers of datasets pass such names over.
const HIDDEN: &str = ".fink";
/// With more files than this, the whole file system is synced in one call, which takes less time than one call for each.
const MAX_SYNCS: usize = 8;

/// A folder, and in it one for files under way that goes with this process.
#[derive(Debug)]
pub struct SaveFolder {
    path: PathBuf,
    temporary: tempfile::TempDir,
    /// held as long as this process lives
    _owner: File,
    next: u64,
}

/// A file under way.
#[derive(Debug)]
pub struct Pending {
    /// where it is
    pub temporary: PathBuf,
    /// what it will be called, relative to the folder
    pub name: PathBuf,
}

impl SaveFolder {
    /// Opens a folder, which is made where there is none, and removes what processes that have ended left under way.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn open(path: &Path) -> Result<Self, ConsumeError> {
        let hidden = path.join(HIDDEN);
        fs::create_dir_all(&hidden).map_err(ConsumeError::file("cannot make the folder", &hidden))?;
        remove_leftovers(&hidden)?;
        let made = tempfile::Builder::new().prefix("tmp-").tempdir_in(&hidden);
        let temporary = made.map_err(ConsumeError::file("cannot write in", &hidden))?;
        let lock = temporary.path().join("lock");
        let owner = File::create(&lock).map_err(ConsumeError::file("cannot write", &lock))?;
        owner.lock().map_err(ConsumeError::file("cannot lock", &lock))?;
        Ok(Self { path: path.to_owned(), temporary, _owner: owner, next: 0 })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder that goes with this one and is not for readers.
    pub fn hidden(&self, name: &str) -> PathBuf {
        self.path.join(HIDDEN).join(name)
    }

    /// Where the next file is written before it has its name.
    pub fn temporary_path(&mut self) -> PathBuf {
        self.next += 1;
        self.temporary.path().join(format!("{}.tmp", self.next))
    }

    /// Keeps other processes from giving files their names until it is dropped.
    ///
    /// # Errors
    /// The file system knows no locks, or refuses.
    pub fn lock(&self) -> Result<File, ConsumeError> {
        let path = self.path.join(HIDDEN).join("lock");
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(ConsumeError::file("cannot open", &path))?;
        file.lock().map_err(ConsumeError::file("cannot lock", &path))?;
        Ok(file)
    }

    /// That this folder holds nothing that was saved in another way; `settings` says in words how it is done.
    ///
    /// # Errors
    /// It holds something else, or cannot be read.
    pub fn require_settings(&self, settings: &str) -> Result<(), ConsumeError> {
        let _lock = self.lock()?;
        let path = self.path.join(HIDDEN).join("saved-as");
        match fs::read_to_string(&path) {
            Ok(known) if known.trim_end() == settings => Ok(()),
            Ok(known) => Err(ConsumeError::Usage(format!(
                "{} holds what was saved in another way, and what it has already could not be told: take another folder (it was: {}; now: {settings})",
                self.path.display(),
                known.trim_end()
            ))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::write(&path, format!("{settings}\n")).map_err(ConsumeError::file("cannot write", &path))
            }
            Err(error) => Err(ConsumeError::file("cannot read", &path)(error)),
        }
    }

    /// Gives files their names, in their order, after their contents are on the disk; and waits until the names are too.
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub fn publish(&self, files: &[Pending]) -> Result<(), ConsumeError> {
        if files.is_empty() {
            return Ok(());
        }
        if files.len() > MAX_SYNCS {
            let folder = File::open(&self.path).map_err(ConsumeError::file("cannot open", &self.path))?;
            let synced = rustix::fs::syncfs(&folder);
            synced.map_err(|error| ConsumeError::file("cannot sync", &self.path)(error.into()))?;
        } else {
            for file in files {
                let synced = File::open(&file.temporary).and_then(|file| file.sync_all());
                synced.map_err(ConsumeError::file("cannot sync", &file.temporary))?;
            }
        }
        let mut folders = BTreeSet::new();
        for file in files {
            let target = self.path.join(&file.name);
            let folder = target.parent().unwrap_or(&self.path);
            if folders.insert(folder.to_owned()) {
                fs::create_dir_all(folder).map_err(ConsumeError::file("cannot make the folder", folder))?;
            }
            fs::rename(&file.temporary, &target).map_err(ConsumeError::file("cannot write", &target))?;
        }
        // A new folder stands in the one above it.
        let within = |folder: &&Path| folder.starts_with(&self.path);
        let all: BTreeSet<&Path> =
            folders.iter().flat_map(|folder| folder.ancestors()).filter(within).chain([self.path.as_path()]).collect();
        for folder in all {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(ConsumeError::file("cannot sync", folder))?;
        }
        Ok(())
    }
}

/// Removes the folders of processes that hold their lock no more.
fn remove_leftovers(hidden: &Path) -> Result<(), ConsumeError> {
    let entries = fs::read_dir(hidden).map_err(ConsumeError::file("cannot read", hidden))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let is_temporary = entry.file_name().to_str().is_some_and(|name| name.starts_with("tmp-"));
        // Without its lock a folder is just being made, or has just been.
        let Some(lock) = is_temporary.then(|| File::open(path.join("lock")).ok()).flatten() else { continue };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(&path).map_err(ConsumeError::file("cannot remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_and_leftovers_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alerts");
        let mut save = SaveFolder::open(&path).expect("a folder");
        let temporary = save.temporary_path();
        fs::write(&temporary, "x").expect("a file");
        save.publish(&[Pending { temporary, name: "a=1/b.avro".into() }]).expect("a disk");
        assert_eq!(fs::read_to_string(path.join("a=1/b.avro")).expect("a file"), "x");

        // As a process leaves it that was killed.
        let left = path.join(HIDDEN).join("tmp-left");
        fs::create_dir(&left).expect("a folder");
        fs::write(left.join("lock"), "").expect("a file");
        fs::write(left.join("1.tmp"), "half").expect("a file");
        let other = SaveFolder::open(&path).expect("a folder");
        assert!(!left.exists() && save.temporary.path().exists() && other.temporary.path().exists());
    }

    #[test]
    fn a_folder_is_filled_in_one_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let save = SaveFolder::open(folder.path()).expect("a folder");
        save.require_settings("parquet of t").expect("an empty folder");
        save.require_settings("parquet of t").expect("the same");
        let error = save.require_settings("parquet of u").expect_err("another topic").to_string();
        assert!(error.contains("it was: parquet of t; now: parquet of u"), "{error}");
    }
}

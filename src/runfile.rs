//! What runs on this machine: each running service keeps a file, locked for as long as its process lives.
//!
//! The files stand in `$FINK_RUN_DIR`; without that variable, in the first of `$RUNTIME_DIRECTORY` (set by systemd),
//! `$XDG_RUNTIME_DIR/fink`, `/run/fink` (root) and `$TMPDIR/fink-<uid>`. The lock says whether a file is alive; the time at which its process started says whether the number in it is
//! still that process.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use serde::{Deserialize, Serialize};

/// How long a look at a file may hold its lock: a new owner waits this long for it.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A service that runs, as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// what runs, such as `distribution`
    pub service: String,
    /// its name: `distribution.name`, for a service
    pub name: String,
    /// process number
    pub pid: u32,
    /// when the process started, clock ticks since the machine did; `None` where the system does not say
    pub process_start: Option<u64>,
    /// the machine
    pub host: String,
    /// its configuration file
    pub config: Option<PathBuf>,
    /// when it started, ms since 1970
    pub started: i64,
}

/// What can go wrong with run files.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// the same service runs already
    #[error(
        "{service} `{name}` runs already as process {pid}: end it with `fink stop {service} --name {name}`, or give this one another name"
    )]
    AlreadyRunning {
        /// what runs
        service: String,
        /// its name
        name: String,
        /// its process
        pid: u32,
    },
    /// a file or folder cannot be used
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// the file or folder
        path: PathBuf,
        /// why
        reason: String,
    },
    /// the process did not take the signal
    #[error("cannot end process {pid}: {reason}")]
    Kill {
        /// the process
        pid: u32,
        /// the system's words
        reason: String,
    },
}

fn unusable(path: &Path, reason: impl ToString) -> RunFileError {
    RunFileError::Unusable { path: path.to_owned(), reason: reason.to_string() }
}

/// The file of this process; it goes away with this value.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    /// keeps the lock
    _file: File,
}

impl RunFile {
    /// Says that `service` runs in this process under `name`, with the configuration file `config`.
    ///
    /// # Errors
    /// Where the same one runs already, or the folder cannot be used.
    pub fn create(service: &str, name: &str, config: Option<&Path>) -> Result<Self, RunFileError> {
        Self::create_in(&own_folder()?, service, name, config)
    }

    fn create_in(folder: &Path, service: &str, name: &str, config: Option<&Path>) -> Result<Self, RunFileError> {
        let path = folder.join(format!("{service}-{name}.json"));
        let end = Instant::now() + LOCK_TIMEOUT;
        let mut file = loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(|error| unusable(&path, error))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => break file,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(POLL_INTERVAL),
                Err(TryLockError::WouldBlock) => {
                    let pid = read(&file).map_or(0, |run| run.pid);
                    return Err(RunFileError::AlreadyRunning {
                        service: service.to_owned(),
                        name: name.to_owned(),
                        pid,
                    });
                }
                Err(TryLockError::Error(error)) => return Err(unusable(&path, error)),
            }
        };
        let pid = std::process::id();
        let run = RunInfo {
            service: service.to_owned(),
            name: name.to_owned(),
            pid,
            process_start: process_start(pid),
            host: host(),
            config: config.map(|config| fs::canonicalize(config).unwrap_or_else(|_| config.to_owned())),
            started: jiff::Timestamp::now().as_millisecond(),
        };
        let text = serde_json::to_vec(&run).map_err(|error| unusable(&path, error))?;
        file.set_len(0).and_then(|()| file.write_all(&text)).map_err(|error| unusable(&path, error))?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// A service that was found running.
#[derive(Debug)]
pub struct RunningService {
    /// what its file says
    pub run: RunInfo,
    path: PathBuf,
}

impl RunningService {
    /// All that run on this machine and whose files this user may read, by service and name. Files left behind by processes that are
    /// gone are removed.
    ///
    /// # Errors
    /// Where a folder cannot be read.
    pub fn all() -> Result<Vec<Self>, RunFileError> {
        let mut found = Vec::new();
        for folder in folders() {
            found.extend(Self::all_in(&folder)?);
        }
        found.sort_by(|a, b| (&a.run.service, &a.run.name).cmp(&(&b.run.service, &b.run.name)));
        Ok(found)
    }

    fn all_in(folder: &Path) -> Result<Vec<Self>, RunFileError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(unusable(folder, error)),
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        Ok(files.filter_map(|path| alive(&path).map(|run| Self { run, path })).collect())
    }

    /// Asks the process to end (SIGTERM).
    ///
    /// # Errors
    /// Where it may not be asked; a process that is gone already is none.
    pub fn terminate(&self) -> Result<(), RunFileError> {
        let pid = self.run.pid;
        let error = |reason: String| RunFileError::Kill { pid, reason };
        if !self.is_alive() {
            return Ok(());
        }
        if self.run.host != host() {
            return Err(error(format!("it runs on {}", self.run.host)));
        }
        if self.run.process_start != process_start(pid) {
            return Err(error("its number belongs to another process here; does it run in a container?".to_owned()));
        }
        let number = i32::try_from(pid).ok().filter(|number| *number > 1).and_then(Pid::from_raw);
        let number = number.ok_or_else(|| error("its file holds no process number".to_owned()))?;
        match kill_process(number, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(reason) => Err(error(reason.to_string())),
        }
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        alive(&self.path).is_some_and(|run| run.pid == self.run.pid && run.process_start == self.run.process_start)
    }

    /// Waits until it has ended; `false`: after `timeout` it had not.
    pub fn wait(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        while self.is_alive() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }
}

/// What the file says, where its process lives. A file without one is removed.
fn alive(path: &Path) -> Option<RunInfo> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        let file = OpenOptions::new().read(true).open(path).ok()?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => match read(&file) {
                Some(run) => return Some(run),
                None if Instant::now() < end => std::thread::sleep(POLL_INTERVAL),
                None => return None,
            },
            Err(TryLockError::Error(_)) => return None,
            Ok(()) => {
                if is_at(&file, path) && fs::remove_file(path).is_err() {
                    log::debug!("cannot remove the stale {}", path.display());
                }
                return None;
            }
        }
    }
}

fn read(mut file: &File) -> Option<RunInfo> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether `path` still leads to `file`: between opening and locking it may have been removed.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The folders in which run files may stand, the one for this process first. Where FINK_RUN_DIR names one, there is no other.
fn folders() -> Vec<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(only) = set("FINK_RUN_DIR") {
        return vec![only];
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(set("RUNTIME_DIRECTORY").and_then(|folders| env::split_paths(&folders).next()));
    folders.extend(set("XDG_RUNTIME_DIR").map(|folder| folder.join("fink")));
    let (of_root, of_user) = (PathBuf::from("/run/fink"), env::temp_dir().join(format!("fink-{}", getuid().as_raw())));
    folders.extend(if getuid().is_root() { [of_root, of_user] } else { [of_user, of_root] });
    folders.dedup();
    folders
}

/// The folder for a file of this process: made where it is missing, and nobody else's.
fn own_folder() -> Result<PathBuf, RunFileError> {
    let folder = folders().into_iter().next().unwrap_or_else(env::temp_dir);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| unusable(&folder, error))?;
    let found = fs::symlink_metadata(&folder).map_err(|error| unusable(&folder, error))?;
    if !found.is_dir() || found.uid() != getuid().as_raw() {
        return Err(unusable(&folder, "it belongs to somebody else: remove it, or set FINK_RUN_DIR"));
    }
    Ok(folder)
}

/// When a process started, clock ticks since the machine did: field 22 of `/proc/PID/stat`, proc(5).
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_file_lives_as_long_as_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = RunFile::create_in(folder.path(), "distribution", "a", None).unwrap();
        let running = RunningService::all_in(folder.path()).unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].run.pid, std::process::id());
        assert!(running[0].is_alive() && !running[0].wait(Duration::ZERO));
        drop(file);
        assert!(running[0].wait(Duration::ZERO));
        assert!(RunningService::all_in(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_name_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let _file = RunFile::create_in(folder.path(), "distribution", "a", None).unwrap();
        let error = RunFile::create_in(folder.path(), "distribution", "a", None).unwrap_err().to_string();
        assert!(error.contains("fink stop distribution --name a"), "{error}");
        RunFile::create_in(folder.path(), "distribution", "b", None).unwrap();
    }

    #[test]
    fn a_file_left_behind_is_cleaned_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("distribution-a.json");
        fs::write(&path, "{}").unwrap();
        assert!(RunningService::all_in(folder.path()).unwrap().is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn a_process_with_another_start_is_not_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("distribution-a.json");
        let file = File::create(&path).unwrap();
        file.lock().unwrap();
        let run = RunInfo {
            service: "distribution".to_owned(),
            name: "a".to_owned(),
            pid: std::process::id(),
            process_start: Some(1),
            host: host(),
            config: None,
            started: 0,
        };
        fs::write(&path, serde_json::to_vec(&run).unwrap()).unwrap();
        let running = RunningService::all_in(folder.path()).unwrap();
        assert!(running[0].terminate().unwrap_err().to_string().contains("another process"));
    }
}

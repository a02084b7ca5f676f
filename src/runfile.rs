//! The run files of the services on this machine: each service holds a lock on its file while its process lives.
//!
//! The files are in `$FINK_RUN_DIR`; without that variable, in the first of `$RUNTIME_DIRECTORY` (set by systemd), `$XDG_RUNTIME_DIR/fink`,
//! `/run/fink` (root) and `$TMPDIR/fink-<uid>`. The lock shows that the process lives; its start time shows that the process id in the file has
//! not been reused.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use serde::{Deserialize, Serialize};

/// How long a new owner waits for the lock, which a reader of the file holds for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// The local socket of a service is beside its run file.
const SOCKET_EXTENSION: &str = "sock";

/// The content of a run file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// the service, such as `distribution`
    pub service: String,
    /// its name: `distribution.name`, for a service
    pub name: String,
    /// the process id
    pub pid: u32,
    /// the start time of the process, clock ticks since boot; `None` where the system does not tell
    pub process_start: Option<u64>,
    /// the host name
    pub host: String,
    /// its configuration file
    pub config: Option<PathBuf>,
    /// when the service started, ms since 1970
    pub started: i64,
}

/// Why a run file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// the same service is running already
    #[error(
        "{service} `{name}` is already running as process {pid}: stop it with `fink stop {service} --name {name}`, or use another name"
    )]
    AlreadyRunning {
        /// the service
        service: String,
        /// its name
        name: String,
        /// its process id
        pid: u32,
    },
    /// a file or directory cannot be used
    #[error("cannot use {}: {reason}", path.display())]
    Unusable {
        /// the file or directory
        path: PathBuf,
        /// the reason
        reason: String,
    },
    /// the process cannot be signalled
    #[error("cannot stop process {pid}: {reason}")]
    Kill {
        /// the process id
        pid: u32,
        /// the reason
        reason: String,
    },
}

fn unusable(path: &Path, reason: impl ToString) -> RunFileError {
    RunFileError::Unusable { path: path.to_owned(), reason: reason.to_string() }
}

/// The run file of this process, removed when dropped.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    /// holds the lock
    _file: File,
}

impl RunFile {
    /// Creates the run file of `service` with the name `name` and the configuration file `config`.
    ///
    /// # Errors
    /// The same service is running already, or the directory cannot be used.
    pub fn create(service: &str, name: &str, config: Option<&Path>) -> Result<Self, RunFileError> {
        Self::create_in(&own_directory()?, service, name, config)
    }

    /// The path of the service's local socket.
    pub fn socket(&self) -> PathBuf {
        self.path.with_extension(SOCKET_EXTENSION)
    }

    fn create_in(directory: &Path, service: &str, name: &str, config: Option<&Path>) -> Result<Self, RunFileError> {
        let path = directory.join(format!("{service}-{name}.json"));
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

/// A running service.
#[derive(Debug)]
pub struct RunningService {
    /// the content of its run file
    pub run: RunInfo,
    path: PathBuf,
}

impl RunningService {
    /// The services that run on this machine and whose files this user may read, by service and name. Removes the files of ended processes.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn all() -> Result<Vec<Self>, RunFileError> {
        let mut found = Vec::new();
        for directory in directories() {
            found.extend(Self::all_in(&directory)?);
        }
        found.sort_by(|a, b| (&a.run.service, &a.run.name).cmp(&(&b.run.service, &b.run.name)));
        Ok(found)
    }

    fn all_in(directory: &Path) -> Result<Vec<Self>, RunFileError> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(unusable(directory, error)),
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        Ok(files.filter_map(|path| alive(&path).map(|run| Self { run, path })).collect())
    }

    /// The path of the service's local socket.
    pub fn socket(&self) -> PathBuf {
        self.path.with_extension(SOCKET_EXTENSION)
    }

    /// Sends SIGTERM to the process. Does nothing where it has ended.
    ///
    /// # Errors
    /// Not permitted, or the process is on another host.
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
            return Err(error("its id belongs to another process here; it may run in a container".to_owned()));
        }
        let process = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
        let process = process.ok_or_else(|| error("its run file has no valid process id".to_owned()))?;
        match kill_process(process, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(reason) => Err(error(reason.to_string())),
        }
    }

    /// Whether it is still running.
    pub fn is_alive(&self) -> bool {
        alive(&self.path).is_some_and(|run| run.pid == self.run.pid && run.process_start == self.run.process_start)
    }

    /// Waits until it has ended. Returns false where it has not after `timeout`.
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

/// The content of a run file whose process lives. Removes the file of an ended process.
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
                // The directory may hold other files.
                let is_stale = read(&file).is_some() && is_at(&file, path);
                if is_stale && fs::remove_file(path).is_err() {
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

/// Whether `file` is still at `path`: it may have been removed between opening and locking.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// The directories of run files, the one of this process first. FINK_RUN_DIR replaces all others.
fn directories() -> Vec<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(only) = set("FINK_RUN_DIR") {
        return vec![only];
    }
    let mut directories: Vec<PathBuf> = Vec::new();
    directories.extend(set("RUNTIME_DIRECTORY").and_then(|directories| env::split_paths(&directories).next()));
    directories.extend(set("XDG_RUNTIME_DIR").map(|directory| directory.join("fink")));
    let (of_root, of_user) = (PathBuf::from("/run/fink"), env::temp_dir().join(format!("fink-{}", getuid().as_raw())));
    directories.extend(if getuid().is_root() { [of_root, of_user] } else { [of_user, of_root] });
    directories.dedup();
    directories
}

/// The directory for the file of this process. Created where it is missing; it must belong to this user.
fn own_directory() -> Result<PathBuf, RunFileError> {
    let directory = directories().into_iter().next().unwrap_or_else(env::temp_dir);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|error| unusable(&directory, error))?;
    let found = fs::symlink_metadata(&directory).map_err(|error| unusable(&directory, error))?;
    if !found.is_dir() || found.uid() != getuid().as_raw() {
        return Err(unusable(&directory, "it belongs to another user: remove it, or set FINK_RUN_DIR"));
    }
    Ok(directory)
}

/// The start time of a process, clock ticks since boot: field 22 of `/proc/PID/stat`, proc(5).
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

    /// Of this process, with another start time.
    fn run_info() -> RunInfo {
        RunInfo {
            service: "distribution".to_owned(),
            name: "a".to_owned(),
            pid: std::process::id(),
            process_start: Some(1),
            host: host(),
            config: None,
            started: 0,
        }
    }

    #[test]
    fn a_run_file_exists_while_its_owner_lives() {
        let directory = tempfile::tempdir().unwrap();
        let file = RunFile::create_in(directory.path(), "distribution", "a", None).unwrap();
        let running = RunningService::all_in(directory.path()).unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].run.pid, std::process::id());
        assert!(running[0].is_alive() && !running[0].wait(Duration::ZERO));
        drop(file);
        assert!(running[0].wait(Duration::ZERO));
        assert!(RunningService::all_in(directory.path()).unwrap().is_empty());
    }

    #[test]
    fn a_service_runs_once_with_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let _file = RunFile::create_in(directory.path(), "distribution", "a", None).unwrap();
        let error = RunFile::create_in(directory.path(), "distribution", "a", None).unwrap_err().to_string();
        assert!(error.contains("fink stop distribution --name a"), "{error}");
        RunFile::create_in(directory.path(), "distribution", "b", None).unwrap();
    }

    #[test]
    fn the_file_of_an_ended_process_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("distribution-a.json");
        fs::write(&path, serde_json::to_vec(&run_info()).unwrap()).unwrap();
        assert!(RunningService::all_in(directory.path()).unwrap().is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_run_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalog.json");
        fs::write(&path, "{}").unwrap();
        assert!(RunningService::all_in(directory.path()).unwrap().is_empty());
        assert!(path.exists());
    }

    #[test]
    fn a_process_with_another_start_time_is_not_signalled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("distribution-a.json");
        let file = File::create(&path).unwrap();
        file.lock().unwrap();
        fs::write(&path, serde_json::to_vec(&run_info()).unwrap()).unwrap();
        let running = RunningService::all_in(directory.path()).unwrap();
        assert!(running[0].terminate().unwrap_err().to_string().contains("another process"));
    }
}

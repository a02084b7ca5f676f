//! The offset file of 2019: one line, `distributed till, <ms>`, without a newline. It is read where there is no checkpoint yet, and updated after
//! each commit for scripts that read it.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::timestamp::Timestamp;
use crate::units::{MAX_CLOCK_SKEW_MS, future_timestamp_error};

/// An offset file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OffsetFileError {
    #[error("the offset file {path} should hold `distributed till, <ms>`, but holds `{text}`: correct or remove it", path = .path.display())]
    Unreadable { path: PathBuf, text: String },
    /// `fault`: how far ahead of now that is, and which unit was probably meant
    #[error(
        "the offset file {path} says {time} {fault}; rows written before that would be skipped: correct or remove the file (it holds milliseconds since 1970)",
        path = .path.display()
    )]
    Future { path: PathBuf, time: Timestamp, fault: String },
    #[error("the offset file {path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The time in the file; `None` where the file is missing or empty.
///
/// # Errors
/// The file holds something else, or a time more than a minute after `now`, or cannot be read.
pub(crate) fn read(path: &Path, now: Timestamp) -> Result<Option<Timestamp>, OffsetFileError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OffsetFileError::Io { path: path.into(), source }),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let time = text.rsplit(',').next().and_then(|time| time.trim().parse().ok()).filter(|time| *time >= 0);
    let Some(time) = time else {
        return Err(OffsetFileError::Unreadable { path: path.into(), text: text.chars().take(60).collect() });
    };
    let fault = future_timestamp_error(time, now.as_millis(), MAX_CLOCK_SKEW_MS);
    let time = Timestamp::from_millis(time);
    match fault {
        Some(fault) => Err(OffsetFileError::Future { path: path.into(), time, fault }),
        None => Ok(Some(time)),
    }
}

/// Replaces the file atomically.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &Path, time: Timestamp) -> Result<(), OffsetFileError> {
    let line = format!("distributed till, {time}");
    atomic_file::replace(path, line.as_bytes()).map_err(|source| OffsetFileError::Io { path: path.into(), source })
}

/// The offset file, and the watermark that it holds.
pub(crate) struct OffsetFile {
    path: PathBuf,
    written: Option<Timestamp>,
}

impl OffsetFile {
    /// A file to which nothing is written yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    /// Writes a watermark that is later than the last one that was written. A failure is logged: the checkpoint decides where the next start begins,
    /// so a full disk must not stop the alerts.
    pub fn update(&mut self, watermark: Timestamp) {
        if self.written.is_none_or(|written| written < watermark) {
            self.written = Some(watermark);
            if let Err(error) = write(&self.path, watermark) {
                log::warn!("{error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_2019_wrote_it() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("distribution.offset");
        let at = Timestamp::from_millis;
        let read = || read(&path, at(1_574_942_400_000));
        assert_eq!(read()?, None);
        std::fs::write(&path, "")?;
        assert_eq!(read()?, None);
        std::fs::write(&path, "distributed till, 1574937600123")?;
        assert_eq!(read()?, Some(at(1_574_937_600_123)));
        std::fs::write(&path, "distributed till, yesterday")?;
        assert!(read().is_err_and(|error| error.to_string().contains("yesterday")));
        std::fs::write(&path, "distributed till, 1574937600123000")?;
        let error = read().expect_err("the future").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains("microseconds: write 1574937600123 for 2019-11-28T10:40:00.123Z"), "{error}");
        Ok(())
    }

    #[test]
    fn what_is_written_is_2019s_line() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("offset");
        write(&path, Timestamp::from_millis(5))?;
        write(&path, Timestamp::from_millis(77))?;
        assert_eq!(std::fs::read_to_string(&path)?, "distributed till, 77");
        Ok(())
    }
}

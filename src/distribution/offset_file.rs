//! 2019's offset file: one line, `distributed till, <ms>`, without a newline. Read where there is no checkpoint yet, and kept up to date
//! for the scripts that look at it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// An offset file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OffsetFileError {
    /// it says something else
    #[error("the offset file {path} should say `distributed till, <ms>`, but says `{text}`: mend or remove it", path = .path.display())]
    Unreadable {
        /// which file
        path: PathBuf,
        /// what it says
        text: String,
    },
    /// the file system refused
    #[error("the offset file {path}: {source}", path = .path.display())]
    Io {
        /// which file
        path: PathBuf,
        /// why
        source: io::Error,
    },
}

/// The time in the file, ms since 1970; `None` where the file is missing or empty.
///
/// # Errors
/// The file says something else, or cannot be read.
pub fn read(path: &Path) -> Result<Option<i64>, OffsetFileError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OffsetFileError::Io { path: path.into(), source }),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let time = text.rsplit(',').next().and_then(|time| time.trim().parse().ok()).filter(|time| *time >= 0);
    time.map(Some)
        .ok_or_else(|| OffsetFileError::Unreadable { path: path.into(), text: text.chars().take(60).collect() })
}

/// Puts `time` (ms since 1970) into the file, whole or not at all.
///
/// # Errors
/// The file system refused.
pub fn write(path: &Path, time: i64) -> Result<(), OffsetFileError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let replace = || {
        let mut file = std::fs::File::create(&new)?;
        write!(file, "distributed till, {time}")?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    replace().map_err(|source| OffsetFileError::Io { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_2019_wrote_it() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("distribution.offset");
        assert_eq!(read(&path)?, None);
        std::fs::write(&path, "")?;
        assert_eq!(read(&path)?, None);
        std::fs::write(&path, "distributed till, 1574937600123")?;
        assert_eq!(read(&path)?, Some(1_574_937_600_123));
        std::fs::write(&path, "distributed till, yesterday")?;
        assert!(read(&path).is_err_and(|error| error.to_string().contains("yesterday")));
        Ok(())
    }

    #[test]
    fn what_is_written_is_2019s_line() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("offset");
        write(&path, 5)?;
        write(&path, 77)?;
        assert_eq!(std::fs::read_to_string(&path)?, "distributed till, 77");
        Ok(())
    }
}

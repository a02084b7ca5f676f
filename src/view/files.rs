//! Alerts of files and folders.

use std::path::{Path, PathBuf};

use super::error::ViewError;
use super::store::{AlertReader, AlertStore, NewAlert, Origin};
use crate::consume::observation::Observation;
use crate::kafka::Message;
use crate::messages::MessageDecoder;
use crate::view::survey::Survey;

/// Reads the files, and the `.avro` files at any depth below the folders. Alerts are ordered by their time; of more than the store
/// holds the newest are kept.
///
/// A file that cannot be read among others is named in the log, counted and left out.
///
/// # Errors
/// A path that does not exist, or no alert in any file.
pub fn load(paths: &[PathBuf], decoder: &mut MessageDecoder, store: &AlertStore) -> Result<(), ViewError> {
    let mut files = Vec::new();
    for path in paths {
        find(path, true, &mut files)?;
    }
    files.sort();
    files.dedup();
    let (mut reader, mut found) = (AlertReader::default(), Vec::new());
    let mut first_fault = None;
    for file in &files {
        if let Err(reason) = read(file, decoder, &mut reader, &mut found) {
            log::warn!("{}: {reason}", file.display());
            store.count_broken();
            first_fault.get_or_insert_with(|| format!("{}: {reason}", file.display()));
        }
    }
    if found.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(ViewError::NoAlerts(first_fault.unwrap_or_else(|| format!("{}: no .avro file", names.join(", ")))));
    }
    found.sort_by_key(|(_, observation, _)| observation.time);
    for (alert, observation, survey) in found {
        store.push(alert, observation, survey);
    }
    Ok(())
}

fn find(path: &Path, is_named: bool, files: &mut Vec<PathBuf>) -> Result<(), ViewError> {
    let failed = |source| ViewError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Links to folders are not followed: they may lead back to this one.
            if !entry.file_type().map_err(failed)?.is_symlink() || !entry.path().is_dir() {
                find(&entry.path(), false, files)?;
            }
        }
    } else if is_named || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("avro")) {
        files.push(path.to_owned());
    }
    Ok(())
}

fn read(
    file: &Path,
    decoder: &mut MessageDecoder,
    reader: &mut AlertReader,
    found: &mut Vec<(NewAlert, Observation, Survey)>,
) -> Result<(), String> {
    let value = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    // A file is as the value of a message: a container, or a datum of a schema that `--schema` names.
    let (topic, key, timestamp, headers) = (String::new(), None, None, Vec::new());
    let message = Message { topic, partition: 0, offset: 0, timestamp, key, value: Some(value), headers };
    for alert in decoder.decode(&message).map_err(|error| error.to_string())? {
        let origin = Origin::File(file.to_owned());
        let alert = NewAlert { decoder: alert.decoder, datum: alert.datum.into_owned(), origin };
        let (observation, survey) = reader.read(&alert).map_err(|error| error.to_string())?;
        found.push((alert, observation, survey));
    }
    Ok(())
}

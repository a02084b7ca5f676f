//! A `*` that the shell has expanded to file names.
//!
//! In a directory with files `--host *` becomes `--host CHANGES README src`: the other names are unexpected arguments, and the name of a single file
//! would be taken as the value. Both are errors that explain it.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::outcome::UsageError;

/// Fails where `values` (the values of options) or `rest` (unexpected arguments) are file names of the working directory.
pub(super) fn check(values: &[&str], rest: &[String]) -> Result<(), UsageError> {
    let entries = visible_entries(Path::new("."));
    let is_entry = |name: &str| entries.iter().any(|entry| entry == name);
    let only = match entries.as_slice() {
        [only] => values.iter().find(|value| only.to_str() == Some(value)).map(|value| vec![(*value).to_owned()]),
        _ => None,
    };
    let names: Vec<String> = rest.iter().filter(|name| is_entry(name)).cloned().collect();
    if let Some(names) = only.or((!names.is_empty()).then_some(names)) {
        let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        return Err(UsageError(format!(
            "{}{more}: these are files of this directory; the shell may have expanded a `*`. \
             Use --any-host, --all-topics, --all-groups, or --topic PREFIX --prefix \
             (if a topic or group has this name, run fink in another directory)",
            shown.join(", ")
        )));
    }
    match rest {
        [] => Ok(()),
        [unexpected, ..] => {
            Err(UsageError(format!("unexpected argument `{unexpected}`: give one NAME, and quote it if it has spaces")))
        }
    }
}

/// What the shell expands `*` to: all files but hidden ones.
fn visible_entries(folder: &Path) -> Vec<OsString> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_expands_to_the_files_that_are_not_hidden() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", ".hidden", "b c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut found = visible_entries(folder.path());
        found.sort();
        assert_eq!(found, ["a", "b c"]);
    }

    #[test]
    fn only_names_of_files_are_taken_for_an_expanded_star() {
        // Tests run in the project's folder.
        let says = |rest: &[&str]| {
            let rest: Vec<String> = rest.iter().map(|name| (*name).to_owned()).collect();
            check(&["Cargo.lock"], &rest).map_err(|usage| usage.0)
        };
        assert_eq!(says(&[]), Ok(()));
        assert!(says(&["Cargo.toml", "src"]).unwrap_err().contains("`Cargo.toml`, `src`: these are files"));
        assert!(says(&["another"]).unwrap_err().contains("unexpected argument `another`"));
    }
}

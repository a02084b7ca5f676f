//! A command of the user's for each file.

use std::path::Path;
use std::process::Command;

use crate::consume::error::ConsumeError;

/// What stands for the file in a command.
const FILE: &str = "{file}";

/// A command, run by the shell.
#[derive(Clone, Debug)]
pub struct Exec {
    command: String,
    ignores_failures: bool,
}

impl Exec {
    /// `command` with `{file}` for the file; without it the file is its last argument.
    pub fn new(command: &str, ignores_failures: bool) -> Self {
        // The file's name is an argument of the shell, and never a part of its program.
        let command = match command.contains(FILE) {
            true => command.replace(FILE, "\"$1\""),
            false => format!("{command} \"$1\""),
        };
        Self { command, ignores_failures }
    }

    /// Runs the command for a file, and waits for it.
    ///
    /// # Errors
    /// It fails, and failures are not ignored.
    pub fn run(&self, file: &Path) -> Result<(), ConsumeError> {
        // What it prints is not to stand among the alerts.
        let status = Command::new("sh")
            .arg("-c")
            .arg(&self.command)
            .arg("sh")
            .arg(file)
            .stdin(std::process::Stdio::null())
            .status();
        let reason = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let reason = format!("the command for {} failed ({reason})", file.display());
        match self.ignores_failures {
            true => {
                log::warn!("{reason}");
                Ok(())
            }
            false => Err(ConsumeError::Failed(format!(
                "{reason}; its offsets are not committed, and the next call runs the command again. \
                 --exec-failures ignore goes on all the same"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_an_argument_and_no_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a '\"$(touch x)\n.avro");
        std::fs::write(&file, "1").expect("a file");
        Exec::new("cp {file} {file}.copy", false).run(&file).expect("cp");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
        Exec::new("test -f", false).run(&file).expect("test");
        assert!(Exec::new("exit 3; true", false).run(&file).is_err());
        Exec::new("exit 3; true", true).run(&file).expect("ignored");
    }
}

//! The sources of a new password. An argument is none: the process list and the shell history would show it.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueHint};

use crate::cli::outcome::UsageError;
use crate::cli::password_prompt::PasswordPrompt;
use crate::secret::{Secret, read_password_file};

/// The sources of a password; without any of them, a prompt.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from FILE, which only its owner may access
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Generate the password and print it once
    #[arg(long)]
    pub generate: bool,
    /// Hidden: accepted and rejected, since clap's error about an unexpected argument would print the password
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = unshown)]
    password: Option<Secret>,
}

fn unshown(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text.to_owned()))
}

/// The characters of a generated password: 5 bits each, and none looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The length of a generated password: 160 bits.
const GENERATED_CHARS: usize = 32;

/// A warning is logged for shorter passwords: with a stolen hash all of them can be tried.
const MIN_CHARS: usize = 12;

/// The limit of a password from stdin.
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;

impl PasswordArgs {
    /// Whether the source has one password, which only one user can have.
    pub fn is_single(&self) -> bool {
        self.password_stdin || self.password_file.is_some()
    }

    /// Fails where the password is an argument, or a prompt is needed and stdin is not a terminal.
    pub fn check(&self) -> Result<(), UsageError> {
        if self.password.is_some() {
            return Err(UsageError(
                "every user of this machine can read a password in an argument, and the shell history keeps it: \
                 omit it to be prompted, or use --password-stdin, --password-file or --generate"
                    .to_owned(),
            ));
        }
        if self.is_single() || self.generate || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(UsageError(
            "stdin is not a terminal, so there is no prompt for the password: use --password-stdin, --password-file or --generate"
                .to_owned(),
        ))
    }

    /// Reads, generates or prompts for the password of a user.
    pub fn fetch(&self, user: &str) -> anyhow::Result<Secret> {
        let password = match &self.password_file {
            Some(file) => read_password_file(file).map_err(UsageError)?,
            None if self.generate => return generate(),
            None if self.password_stdin => Secret::new(from_stdin()?),
            None => Secret::new(prompt(user)?),
        };
        if password.reveal().is_empty() {
            return Err(UsageError("the password is empty".to_owned()).into());
        }
        if password.reveal().chars().any(char::is_control) {
            return Err(UsageError("the password contains a line break or another control character".to_owned()).into());
        }
        if password.reveal().chars().count() < MIN_CHARS {
            log::warn!("the password of `{user}` is shorter than {MIN_CHARS} characters: it can be guessed");
        }
        Ok(password)
    }
}

/// A random password of 160 bits.
pub(super) fn generate() -> anyhow::Result<Secret> {
    let mut bytes = [0; GENERATED_CHARS];
    let random = "/dev/urandom";
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .with_context(|| format!("cannot read {random}"))?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(Secret::new(bytes.iter().filter_map(letter).collect()))
}

/// Writes a password to a new file that only its owner can access.
pub(super) fn save(password: &Secret, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the password file {}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
    writeln!(file, "{}", password.reveal()).and_then(|()| file.sync_all()).with_context(cannot)
}

fn from_stdin() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        return Err(UsageError("stdin is a terminal: omit --password-stdin to be prompted".to_owned()).into());
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_PASSWORD_BYTES + 1)
        .read_to_end(&mut bytes)
        .context("cannot read the password from stdin")?;
    if bytes.len() as u64 > MAX_PASSWORD_BYTES {
        bail!("the password on stdin is longer than {MAX_PASSWORD_BYTES} bytes");
    }
    let Ok(mut text) = String::from_utf8(bytes) else { bail!("the password on stdin is not UTF-8 text") };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn prompt(user: &str) -> anyhow::Result<String> {
    let prompt = PasswordPrompt::open()?;
    let first = prompt.ask(&format!("New password of {user}: "))?;
    match first.is_empty() || prompt.ask("The same again: ")? == first {
        true => Ok(first),
        false => bail!("the two passwords differ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn generated_passwords_are_long_and_unique() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.reveal().len(), GENERATED_CHARS);
        assert!(one.reveal().bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(one.reveal(), other.reveal());
    }

    #[test]
    fn only_the_owner_can_read_a_saved_password_and_no_file_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = Secret::new("hush".to_owned());
        save(&password, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_password_file(&path).unwrap(), password);
        assert!(save(&password, &path).is_err());
    }
}

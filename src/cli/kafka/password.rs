//! Where a new password comes from. Never from an argument: the list of processes and the shell's history would show it.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueHint};

use crate::cli::outcome::{Interrupted, UsageError};
use crate::config::{Secret, read_password_file};
use crate::signals::Stop;

/// The ways to give a password; without any, it is asked for.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from FILE, which only its owner may read
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Make a password up, and show it once
    #[arg(long)]
    pub generate: bool,
    /// Not offered: taken and refused, since clap would say a value that it does not expect
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", value_parser = unshown)]
    password: Option<Secret>,
}

fn unshown(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text.to_owned()))
}

/// Letters of a generated password: 32, 5 bits each, none that looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How many of them: 160 bits.
const GENERATED: usize = 32;

/// A password shorter than this is warned of: whoever has its hash can try all of them.
const SHORT: usize = 12;

/// The longest password that is read.
const LONGEST: u64 = 64 * 1024;

impl PasswordArgs {
    /// Whether the password can be given to one user only.
    pub fn is_one(&self) -> bool {
        self.password_stdin || self.password_file.is_some()
    }

    /// Fails where the password was given as an argument, or would have to be asked for and nobody can be asked.
    pub fn check(&self) -> Result<(), UsageError> {
        if self.password.is_some() {
            return Err(UsageError(
                "a password given as an argument can be read by everybody on this machine, and stays in the shell's history: \
                 leave it out to be asked, or use --password-stdin, --password-file or --generate"
                    .to_owned(),
            ));
        }
        if self.is_one() || self.generate || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(UsageError(
            "there is no terminal to ask for the password: use --password-stdin, --password-file or --generate"
                .to_owned(),
        ))
    }

    /// The password of a user.
    pub fn fetch(&self, user: &str) -> anyhow::Result<Secret> {
        let password = match &self.password_file {
            Some(file) => read_password_file(file).map_err(UsageError)?,
            None if self.generate => return generate(),
            None if self.password_stdin => Secret::new(from_stdin()?),
            None => Secret::new(ask(user)?),
        };
        if password.reveal().is_empty() {
            return Err(UsageError("the password is empty".to_owned()).into());
        }
        if password.reveal().chars().any(char::is_control) {
            return Err(
                UsageError("the password has a line break or another control character in it".to_owned()).into()
            );
        }
        if password.reveal().chars().count() < SHORT {
            log::warn!("the password of `{user}` is shorter than {SHORT} characters: it could be guessed");
        }
        Ok(password)
    }
}

/// A password that nobody can guess.
pub(super) fn generate() -> anyhow::Result<Secret> {
    let mut bytes = [0; GENERATED];
    let random = "/dev/urandom";
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .with_context(|| format!("cannot read {random}"))?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(Secret::new(bytes.iter().filter_map(letter).collect()))
}

/// Writes a password to a new file that only its owner may read.
pub(super) fn save(password: &Secret, path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the password file {}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
    writeln!(file, "{}", password.reveal()).and_then(|()| file.sync_all()).with_context(cannot)
}

fn from_stdin() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        return Err(UsageError("stdin is the terminal: leave --password-stdin out to be asked".to_owned()).into());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes).context("cannot read the password from stdin")?;
    if bytes.len() as u64 > LONGEST {
        bail!("what comes from stdin is too long for a password");
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

fn ask(user: &str) -> anyhow::Result<String> {
    // Else Ctrl-C would end the process before the terminal shows again what is typed.
    let _signals = Stop::on_signals()?;
    let prompt = |text: String| {
        rpassword::prompt_password(text).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Interrupted.into(),
            io::ErrorKind::UnexpectedEof => anyhow::anyhow!("no password was given"),
            _ => anyhow::Error::new(error).context("cannot ask for the password"),
        })
    };
    let first = prompt(format!("New password of {user}: "))?;
    match first.is_empty() || prompt("The same again: ".to_owned())? == first {
        true => Ok(first),
        false => bail!("the two passwords differ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.reveal().len(), GENERATED);
        assert!(one.reveal().bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(one.reveal(), other.reveal());
    }

    #[test]
    fn a_saved_password_can_be_read_by_its_owner_alone_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = Secret::new("hush".to_owned());
        save(&password, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_password_file(&path).unwrap(), password);
        assert!(save(&password, &path).is_err());
    }
}

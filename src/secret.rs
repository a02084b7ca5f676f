//! Passwords and tokens: never printed, and read from files that only their owner can access.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const MAX_PASSWORD_FILE_BYTES: u64 = 64 * 1024;

/// A value that must not be printed: its `Debug` is `***`, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for the code that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Reads a password file: its text without the line break at the end.
///
/// # Errors
/// A message, if the file cannot be read, is empty, or gives access to other users.
pub fn read_password_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("cannot read the password file {shown}: {error}");
    let file = File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "other users have access to the password file {shown} (mode {:03o}): run `chmod 600 {shown}`",
            mode & 0o777
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_PASSWORD_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_PASSWORD_FILE_BYTES {
        return Err(format!("the password file {shown} is larger than 64 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the password file {shown} is not UTF-8 text"))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match password.is_empty() {
        true => Err(format!("the password file {shown} is empty")),
        false => Ok(Secret::new(password.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password_file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn the_line_break_at_the_end_is_not_part_of_the_password() {
        for text in ["pass word", "pass word\n", "pass word\r\n"] {
            let (_folder, path) = password_file(text, 0o600);
            assert_eq!(read_password_file(&path).unwrap().reveal(), "pass word");
        }
    }

    #[test]
    fn a_file_that_other_users_can_access_is_rejected() {
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let (_folder, path) = password_file("hunter2", mode);
            let error = read_password_file(&path).unwrap_err();
            assert!(error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_empty_file_is_rejected() {
        let (_folder, path) = password_file("\n", 0o600);
        assert!(read_password_file(&path).unwrap_err().contains("is empty"));
    }
}

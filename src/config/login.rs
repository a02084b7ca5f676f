//! Logins. The user name is read with the other keys, the password only by a command that needs it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::definition::Key;
use super::environment::variable_of;
use super::error::ConfigError;
use super::origin::Origin;
use super::reader::Reader;
use crate::kafka::{Login, SecurityProtocol};
use crate::secret::{Secret, read_password_file};

/// The login that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredLogin {
    /// none
    None,
    /// that of `[kafka]`, who produces and consumes
    User,
    /// that of `[consumer]`, else that of `[kafka]`
    Consumer,
    /// that of `[kafka.admin]`, else that of `[kafka]`
    Admin,
}

/// The keys of a login.
pub(super) struct LoginKeys {
    pub username: Key,
    pub password_file: Key,
}

/// A user name and the source of its password.
#[derive(Clone)]
pub(super) struct LoginSource {
    section: &'static str,
    /// whether the security protocol requires a login
    is_required: bool,
    username: Option<String>,
    password: Option<PasswordSource>,
}

/// The source of a password.
#[derive(Clone)]
pub(super) struct PasswordSource {
    key: String,
    origin: PasswordOrigin,
}

#[derive(Clone)]
enum PasswordOrigin {
    Variable(String, Result<Secret, String>),
    File(PathBuf, Origin),
}

impl PasswordSource {
    /// Looks for the password `name` of the present section in its variable, then in the file that the key `file_key` names.
    pub fn read(reader: &mut Reader<'_>, file_key: Key, name: &str) -> Option<Self> {
        let file = reader.optional_with_origin::<PathBuf>(file_key);
        let key = reader.full_key(name);
        let variable = variable_of(&key);
        let (source, origin) = match (reader.secret(&variable), file) {
            (Some(secret), _) => {
                let origin = Origin::Variable(variable.clone());
                (PasswordOrigin::Variable(variable, secret), origin)
            }
            (None, Some((path, origin))) => (PasswordOrigin::File(path, origin.clone()), origin),
            (None, None) => {
                reader.record(name, Value::Null, Origin::Default);
                return None;
            }
        };
        reader.record(name, Value::from("***"), origin);
        Some(Self { key, origin: source })
    }

    /// Reads the password.
    pub fn fetch(&self) -> Result<Secret, ConfigError> {
        match &self.origin {
            PasswordOrigin::Variable(variable, secret) => secret.clone().map_err(|reason| ConfigError::Value {
                key: self.key.clone(),
                origin: Origin::Variable(variable.clone()),
                reason,
            }),
            PasswordOrigin::File(path, origin) => read_password_file(path).map_err(|reason| ConfigError::Value {
                key: format!("{}_file", self.key),
                origin: origin.clone(),
                reason,
            }),
        }
    }
}

impl LoginSource {
    /// Reads the login of `section`, the present section of the reader.
    pub fn read(reader: &mut Reader<'_>, keys: &LoginKeys, section: &'static str, protocol: SecurityProtocol) -> Self {
        let username = reader.optional(keys.username);
        let password = PasswordSource::read(reader, keys.password_file, "password");
        let is_required = protocol.uses_login();
        Self { section, is_required, username, password }
    }

    /// Whether a user name is set.
    pub fn has_user(&self) -> bool {
        self.username.is_some()
    }

    /// The password file, if the password is to be read from it and it does not exist.
    pub fn missing_password_file(&self) -> Option<&Path> {
        match &self.password.as_ref()?.origin {
            PasswordOrigin::File(path, _) if !path.exists() => Some(path),
            PasswordOrigin::File(..) | PasswordOrigin::Variable(..) => None,
        }
    }

    /// Reads the password. `None` if the security protocol has no login.
    pub fn fetch(&self) -> Result<Option<Login>, ConfigError> {
        if !self.is_required {
            return Ok(None);
        }
        let missing = |name: &str, reason: String| ConfigError::Missing {
            key: format!("{}.{name}", self.section),
            place: None,
            reason,
        };
        let username = self.username.clone().ok_or_else(|| {
            let reason = "kafka.security_protocol requires a login; for brokers without logins set it to \"plaintext\" or \"ssl\"";
            missing("username", reason.to_owned())
        })?;
        let source = self.password.as_ref().ok_or_else(|| {
            let variable = variable_of(&format!("{}.password", self.section));
            missing(
                "password_file",
                format!("user `{username}` needs a password: set this key or the variable {variable}"),
            )
        })?;
        Ok(Some(Login { username, password: source.fetch()? }))
    }
}

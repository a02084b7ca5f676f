//! RequiredLogin: the user is a setting like others, the password is fetched only by the commands that need it.

use std::path::PathBuf;

use serde_json::Value;

use super::environment::variable_of;
use super::error::ConfigError;
use super::origin::Origin;
use super::password::read_password_file;
use super::reader::Reader;
use super::settings::{Login, Secret, SecurityProtocol};

/// The logins that a command needs. The passwords of others are not read, so that nobody needs more rights than his work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredLogin {
    /// none
    None,
    /// `[kafka]`: who produces and consumes
    User,
    /// `[consumer]`; where that names nobody, `[kafka]`
    Consumer,
    /// `[kafka.admin]`; where that names nobody, `[kafka]`
    Admin,
}

/// Where a login is to be had.
#[derive(Clone)]
pub(super) struct LoginSource {
    section: &'static str,
    /// whether the security protocol asks for a login
    needed: bool,
    username: Option<String>,
    password: Option<PasswordSource>,
}

/// Where a password is to be had.
#[derive(Clone)]
pub(super) struct PasswordSource {
    key: String,
    place: PasswordOrigin,
}

#[derive(Clone)]
enum PasswordOrigin {
    Variable(String, Result<Secret, String>),
    File(PathBuf, Origin),
}

impl PasswordSource {
    /// Looks for the password `key`: in its variable, else in the file that `<key>_file` names.
    pub fn read(reader: &mut Reader<'_>, key: &str) -> Option<Self> {
        let file = reader.optional_with_origin::<PathBuf>(&format!("{key}_file"));
        let variable = variable_of(key);
        let (place, origin) = match (reader.secret(&variable), file) {
            (Some(secret), _) => {
                let origin = Origin::Variable(variable.clone());
                (PasswordOrigin::Variable(variable, secret), origin)
            }
            (None, Some((path, origin))) => (PasswordOrigin::File(path, origin.clone()), origin),
            (None, None) => {
                reader.record(key, Value::Null, Origin::Default);
                return None;
            }
        };
        reader.record(key, Value::from("***"), origin);
        Some(Self { key: key.to_owned(), place })
    }

    /// Fetches the password.
    pub fn fetch(&self) -> Result<Secret, ConfigError> {
        match &self.place {
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
    /// Reads the login of `section`.
    pub fn read(reader: &mut Reader<'_>, section: &'static str, protocol: SecurityProtocol) -> Self {
        let username = reader.optional(&format!("{section}.username"));
        let password = PasswordSource::read(reader, &format!("{section}.password"));
        let needed = matches!(protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
        Self { section, needed, username, password }
    }

    /// Whether a user is named.
    pub fn has_user(&self) -> bool {
        self.username.is_some()
    }

    /// Fetches the password; `None` where the security protocol asks for no login.
    pub fn fetch(&self) -> Result<Option<Login>, ConfigError> {
        if !self.needed {
            return Ok(None);
        }
        let missing = |key: &str, reason: String| ConfigError::Missing {
            key: format!("{}.{key}", self.section),
            place: None,
            reason,
        };
        let username = self.username.clone().ok_or_else(|| {
            missing("username", "kafka.security_protocol asks for a login; where the cluster takes anybody, set it to \"plaintext\" or \"ssl\"".to_owned())
        })?;
        let source = self.password.as_ref().ok_or_else(|| {
            let variable = variable_of(&format!("{}.password", self.section));
            missing(
                "password_file",
                format!("`{username}` has no password: name its file, or set the variable {variable}"),
            )
        })?;
        Ok(Some(Login { username, password: source.fetch()? }))
    }
}

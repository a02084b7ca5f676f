//! Settings from flags, environment and file, each with its source.
//!
//! Precedence: flag, environment variable, file, default. The file is TOML: the one that `-c` or `FINK_CONFIG` names, else the first of
//! `./fink.toml`, `$XDG_CONFIG_HOME/fink/fink.toml` (`~/.config` if that is not set) and `/etc/fink/fink.toml`, if any. Relative paths in
//! the file are relative to its directory; those in flags, variables and defaults to the working directory.
//!
//! Each key has an environment variable, see [`variable_of`]; lists are separated by commas. The variables of Fink's shell configuration of
//! 2019 (`DISTRIBUTION_TOPIC`, `SCIENCE_DB_CATALOG`, …) are read after it. An empty variable counts as unset.
//!
//! A key is defined where it is read: see [`definition`].

mod address;
mod definition;
mod environment;
mod error;
mod file;
mod keys;
mod login;
mod origin;
mod reader;
mod unknown_keys;
mod value;

use std::path::{Path, PathBuf};

pub use address::parse_addresses;
pub use definition::{Default as KeyDefault, KeyDefinition, SectionDefinition};
pub use environment::{Environment, variable_of};
pub use error::{ConfigError, ConfigErrors};
pub use login::RequiredLogin;
pub use origin::{Entry, FileLine, Origin};
pub use reader::FlagValue;

// The settings that are read here, for programs and tests that only read a configuration.
pub use crate::alert::{Encoding, MessageKey};
pub use crate::distribution::settings::{ConsumerSettings, DistributionSettings, Settings, Start, StreamSettings};
pub use crate::filters::{FilterSettings, OnError};
pub use crate::kafka::{KafkaSettings, Login, SaslMechanism, SecurityProtocol};
pub use crate::notify::{Endpoint, SlackSettings};
pub use crate::science_db::{
    CompleteRows, HBaseProtocol, HBaseTlsSettings, ReplicationSettings, RowPrefixes, ScienceDbSettings, StoreKind,
};
pub use crate::secret::Secret;

use file::ConfigFile;
use keys::Keys;
use login::{LoginSource, PasswordSource};
use reader::Reader;

/// A configuration that was read and checked.
#[derive(Clone)]
pub struct Configuration {
    /// the file it was read from
    pub file: Option<PathBuf>,
    /// every value and its source
    pub entries: Vec<Entry>,
    /// probable mistakes that are no errors, one a line
    pub warnings: Vec<String>,
    settings: Settings,
    login: LoginSource,
    consumer: LoginSource,
    admin: LoginSource,
    key_password: Option<PasswordSource>,
}

impl Configuration {
    /// Reads the file that `flag` (`-c`), the environment or the default locations name, then applies the environment and `flags`.
    ///
    /// # Errors
    /// All errors of the configuration.
    pub fn load(flag: Option<&Path>, flags: &[FlagValue], environment: &Environment) -> Result<Self, ConfigErrors> {
        let path = flag.map(Path::to_owned).or_else(|| find_file(environment));
        let file = path.as_deref().map(ConfigFile::read).transpose()?;
        Self::build(file.as_ref(), flags, environment)
    }

    /// Like [`load`](Self::load), with `text` as the content of the file `path`.
    ///
    /// # Errors
    /// All errors of the configuration.
    pub fn parse(
        path: &Path,
        text: &str,
        flags: &[FlagValue],
        environment: &Environment,
    ) -> Result<Self, ConfigErrors> {
        Self::build(Some(&ConfigFile::parse(path, text)?), flags, environment)
    }

    fn build(file: Option<&ConfigFile>, flags: &[FlagValue], environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(flags, environment, file);
        let Keys { settings, login, consumer, admin, key_password } = keys::read(&mut reader, file);
        let Reader { sections, entries, mut errors, .. } = reader;
        let has_only_stream = file.is_none_or(|file| file.streams.len() <= 1);
        errors.extend(unknown_keys::unknown_in_file(file, &sections));
        errors.extend(unknown_keys::unknown_in_flags(flags, &entries, &sections, has_only_stream));
        if !errors.is_empty() {
            errors.sort_by_key(ConfigError::line);
            return Err(ConfigErrors(errors));
        }
        let warnings = unknown_keys::unknown_in_environment(environment, &entries);
        let file = file.map(|file| file.path.as_ref().clone());
        Ok(Self { file, entries, warnings, settings, login, consumer, admin, key_password })
    }

    /// The settings, with the login that the command needs.
    ///
    /// # Errors
    /// The login is not configured, or its password cannot be read.
    pub fn settings(&self, login: RequiredLogin) -> Result<Settings, ConfigErrors> {
        let mut settings = self.settings.clone();
        match login {
            RequiredLogin::None => {}
            RequiredLogin::User => settings.kafka.login = self.login.fetch()?,
            RequiredLogin::Consumer if self.consumer.has_user() => settings.kafka.login = self.consumer.fetch()?,
            RequiredLogin::Consumer => settings.kafka.login = self.login.fetch()?,
            RequiredLogin::Admin if self.admin.has_user() => settings.kafka.admin = self.admin.fetch()?,
            RequiredLogin::Admin => settings.kafka.login = self.login.fetch()?,
        }
        if login != RequiredLogin::None {
            settings.kafka.ssl_key_password = self.key_password.as_ref().map(PasswordSource::fetch).transpose()?;
        }
        Ok(settings)
    }

    /// The password file of the user of `[kafka]`, if it does not exist and `fink kafka bootstrap` would create it: the brokers store the password,
    /// and an administrator is configured.
    pub fn password_file_to_create(&self) -> Option<&Path> {
        let is_scram = matches!(self.settings.kafka.sasl_mechanism, SaslMechanism::Scram(_));
        let is_creatable = is_scram && self.settings.kafka.security_protocol.uses_login() && self.has_admin();
        self.login.missing_password_file().filter(|_| is_creatable && self.login.has_user())
    }

    /// Whether `[kafka.admin]` names a user.
    pub fn has_admin(&self) -> bool {
        self.admin.has_user()
    }
}

/// The sections and keys of the configuration, in the order of the generated file.
pub fn definitions() -> Vec<SectionDefinition> {
    let environment = Environment::default();
    let mut reader = Reader::new(&[], &environment, None);
    keys::read(&mut reader, None);
    reader.sections
}

/// The commented configuration file that `fink config init` writes. Its values are the defaults.
pub fn example_toml() -> String {
    definition::example_toml(&definitions())
}

/// The configuration file, if no flag names one.
fn find_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.text("FINK_CONFIG") {
        return Some(PathBuf::from(path));
    }
    let config_home = environment.text("XDG_CONFIG_HOME").map(PathBuf::from);
    let config_home = config_home.or_else(|| environment.text("HOME").map(|home| Path::new(home).join(".config")));
    [
        Some(PathBuf::from("fink.toml")),
        config_home.map(|directory| directory.join("fink/fink.toml")),
        Some(PathBuf::from("/etc/fink/fink.toml")),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_file())
}

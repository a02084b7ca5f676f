//! Settings from file, environment and flags, each knowing where it came from.
//!
//! A flag goes before an environment variable, that before the file, that before the default. The file is TOML: the one named by `-c`,
//! else by `FINK_CONFIG`, else the first of `./fink.toml`, `$XDG_CONFIG_HOME/fink/fink.toml` (`~/.config` where that is unset) and
//! `/etc/fink/fink.toml`; there need not be one. A relative path in the file starts from the file's own folder; one in a flag, a
//! variable or a default starts from the working directory.
//!
//! Each key has a variable: `FINK_` and the key in capitals, as in `FINK_SCIENCE_DB_ADDRESS` for `science_db.address` or
//! `FINK_STREAM_FULL_TOPIC` for the topic of the stream `full`; lists are separated by commas. The variables of Fink's shell
//! configuration (`DISTRIBUTION_TOPIC`, `SCIENCE_DB_CATALOG`, …) are read too, after those. An empty variable counts as unset.

mod address;
mod consumer;
mod duration;
mod endpoint;
mod environment;
mod error;
mod file;
mod keys;
mod librdkafka;
mod login;
mod origin;
mod password;
mod reader;
mod settings;
mod size;
mod timestamp;
mod unknown_keys;
mod value;

use std::path::{Path, PathBuf};

pub use address::parse_addresses;
pub use consumer::ConsumerSettings;
pub use duration::{format_duration, parse_duration};
pub use endpoint::Endpoint;
pub use environment::{Environment, variable_of};
pub use error::{ConfigError, ConfigErrors};
pub use keys::check_topic;
pub use librdkafka::key_that_sets;
pub use login::RequiredLogin;
pub use origin::{Entry, FileLine, Origin};
pub use password::read_password_file;
pub use reader::FlagValue;
pub use settings::*;
pub use size::{format_size, parse_size};
pub use timestamp::{
    MAX_CLOCK_SKEW_MS, format_timestamp, future_timestamp_error, parse_timestamp, timestamp_meant_in_seconds,
};

use file::ConfigFile;
use keys::Keys;
use login::{LoginSource, PasswordSource};
use reader::Reader;

/// The commented configuration file that `fink config init` writes: its values are the defaults.
pub const EXAMPLE: &str = include_str!("../../conf/fink.toml");

/// A configuration that was read and checked.
#[derive(Clone)]
pub struct Configuration {
    /// the file it was read from
    pub file: Option<PathBuf>,
    /// every setting, to be shown
    pub entries: Vec<Entry>,
    /// what looks like a mistake and does no harm, each a line
    pub warnings: Vec<String>,
    settings: Settings,
    login: LoginSource,
    consumer: LoginSource,
    admin: LoginSource,
    key_password: Option<PasswordSource>,
}

impl Configuration {
    /// Reads the file that `flag` (`-c`), the environment or the usual places name, and lays the environment and `flags` over it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(flag: Option<&Path>, flags: &[FlagValue], environment: &Environment) -> Result<Self, ConfigErrors> {
        let path = flag.map(Path::to_owned).or_else(|| find_file(environment));
        let file = path.as_deref().map(ConfigFile::read).transpose()?;
        Self::build(file.as_ref(), flags, environment)
    }

    /// Reads `text` as if it stood in the file `path`, and lays the environment and `flags` over it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
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
        let Reader { entries, mut errors, known_keys, .. } = reader;
        errors.extend(unknown_keys::unknown_in_file(file, &known_keys));
        errors.extend(unknown_keys::unknown_in_flags(flags, &entries, &known_keys));
        if !errors.is_empty() {
            errors.sort_by_key(ConfigError::line);
            return Err(ConfigErrors(errors));
        }
        let warnings = unknown_keys::unknown_in_environment(environment, &entries);
        let file = file.map(|file| file.path.as_ref().clone());
        Ok(Self { file, entries, warnings, settings, login, consumer, admin, key_password })
    }

    /// The settings, with the logins that the command needs.
    ///
    /// # Errors
    /// A login that is needed and not given, or whose password cannot be read.
    pub fn settings(&self, logins: RequiredLogin) -> Result<Settings, ConfigErrors> {
        let mut settings = self.settings.clone();
        match logins {
            RequiredLogin::None => {}
            RequiredLogin::User => settings.kafka.login = self.login.fetch()?,
            RequiredLogin::Consumer if self.consumer.has_user() => settings.kafka.login = self.consumer.fetch()?,
            RequiredLogin::Consumer => settings.kafka.login = self.login.fetch()?,
            RequiredLogin::Admin if self.admin.has_user() => settings.kafka.admin = self.admin.fetch()?,
            RequiredLogin::Admin => settings.kafka.login = self.login.fetch()?,
        }
        if logins != RequiredLogin::None {
            settings.kafka.ssl_key_password = self.key_password.as_ref().map(PasswordSource::fetch).transpose()?;
        }
        Ok(settings)
    }

    /// Whether `[kafka.admin]` names a user.
    pub fn has_admin(&self) -> bool {
        self.admin.has_user()
    }
}

/// The configuration file that is read where no flag names one.
fn find_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(named) = environment.text("FINK_CONFIG") {
        return Some(PathBuf::from(named));
    }
    let home = environment.text("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| environment.text("HOME").map(|home| Path::new(home).join(".config")));
    [
        Some(PathBuf::from("fink.toml")),
        home.map(|home| home.join("fink/fink.toml")),
        Some(PathBuf::from("/etc/fink/fink.toml")),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_file())
}

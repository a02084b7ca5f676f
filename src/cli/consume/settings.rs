//! Whose login is used, which group, which topics.

use std::path::{Path, PathBuf};

use clap::Args;

use super::login_files::{self, home};
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::config::{Configuration, Environment, RequiredLogin, variable_of};
use crate::consume::finkctl;
use crate::distribution::settings::Settings;
use crate::kafka::KafkaSettings;

/// Which login is used.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoginArgs {
    /// Use the login of this survey: what `fink consume login` or `finkctl auth` has written for it
    #[arg(long, value_name = "SURVEY")]
    survey: Option<String>,
}

/// A login with what belongs to it.
pub(crate) struct ConsumerLogin {
    /// all settings, with the consumer's login
    pub settings: Settings,
}

impl ConsumerLogin {
    /// The connection.
    pub fn kafka(&self) -> &KafkaSettings {
        &self.settings.kafka
    }

    /// The topics that were named, or those of the configuration.
    pub fn topics(&self, named: &[String]) -> Result<Vec<String>, UsageError> {
        let topics = match named.is_empty() {
            true => &self.settings.consumer.topics,
            false => named,
        };
        let mut unique: Vec<String> = Vec::new();
        for topic in topics {
            if !unique.contains(topic) {
                unique.push(topic.clone());
            }
        }
        match unique.is_empty() {
            true => Err(UsageError(
                "no topic is named: name one, or set consumer.topics; `fink consume topics` lists those that may be read"
                    .to_owned(),
            )),
            false => Ok(unique),
        }
    }

    /// The group that was named, or that of the configuration.
    pub fn group(&self, named: Option<&str>) -> Result<String, UsageError> {
        named.map(str::to_owned).or_else(|| self.settings.consumer.group.clone()).ok_or_else(|| {
            UsageError("no consumer group is configured: say --group NAME, or set consumer.group".to_owned())
        })
    }
}

impl LoginArgs {
    /// Finds the login: that of the file that `-c` or FINK_CONFIG names; that of `--survey`; the only one that there is in
    /// `~/.config/fink/consumer-*.toml`, else in `~/.finkclient`; else that of the usual configuration file.
    pub fn find(&self, context: &Context) -> anyhow::Result<ConsumerLogin> {
        let environment = Environment::from_process();
        let configuration = match self.file(context)? {
            Some(LoginFile::Toml(path)) => context.configuration_of_file(&path)?,
            Some(LoginFile::Finkctl(path)) => finkctl_configuration(context, &path, environment)?,
            None => context.configuration()?,
        };
        let settings = configuration.settings(RequiredLogin::Consumer).map_err(|error| {
            anyhow::Error::new(error).context("no login for reading: run `fink consume login`, or set [consumer]")
        })?;
        if let Some(file) = &configuration.file {
            let user = settings.kafka.login.as_ref().map_or(String::new(), |login| format!(" as {}", login.username));
            log::debug!("logging in{user} with {}", file.display());
        }
        Ok(ConsumerLogin { settings })
    }

    fn file(&self, context: &Context) -> anyhow::Result<Option<LoginFile>> {
        if let Some(survey) = &self.survey {
            let toml = login_files::login_file(survey)?;
            let yaml = home()?.join(".finkclient").join(format!("{survey}_credentials.yml"));
            return match (toml.is_file(), yaml.is_file()) {
                (true, _) => Ok(Some(LoginFile::Toml(toml))),
                (false, true) => Ok(Some(LoginFile::Finkctl(yaml))),
                (false, false) => Err(UsageError(format!(
                    "there is no login for the survey `{survey}`, neither {} nor {}: run `fink consume login --survey {survey}`",
                    toml.display(),
                    yaml.display()
                ))
                .into()),
            };
        }
        if context.names_a_file() {
            return Ok(None);
        }
        let Ok(home) = home() else { return Ok(None) };
        let toml =
            files_in(&login_files::login_folder()?, |name| name.starts_with("consumer-") && name.ends_with(".toml"));
        if !toml.is_empty() {
            return Ok(Some(LoginFile::Toml(only(toml)?)));
        }
        let yaml = files_in(&home.join(".finkclient"), |name| name.ends_with("_credentials.yml"));
        match yaml.is_empty() {
            true => Ok(None),
            false => Ok(Some(LoginFile::Finkctl(only(yaml)?))),
        }
    }
}

enum LoginFile {
    Toml(PathBuf),
    Finkctl(PathBuf),
}

fn files_in(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_wanted) && path.is_file())
        .collect();
    files.sort();
    files
}

fn only(files: Vec<PathBuf>) -> Result<PathBuf, UsageError> {
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            Err(UsageError(format!("there are several logins: say which with --survey ({})", names.join(", "))))
        }
    }
}

fn finkctl_configuration(
    context: &Context,
    path: &Path,
    mut environment: Environment,
) -> anyhow::Result<Configuration> {
    let credentials = finkctl::read(path).map_err(super::error::command_error)?;
    if let Some(password) = &credentials.password {
        if let Ok(metadata) = std::fs::metadata(path) {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                log::warn!("others can read the password in {}: chmod 600 {}", path.display(), path.display());
            }
        }
        environment.set_default(&variable_of("consumer.password"), password.reveal());
    }
    context.configuration_of_text(path, &credentials.toml, &environment)
}

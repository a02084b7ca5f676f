//! What every command has: the global flags, the configuration, the logger.

use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgAction, Args, ColorChoice, ValueEnum, ValueHint};
use env_logger::{Target, WriteStyle};
use indicatif::{MultiProgress, ProgressDrawTarget};
use log::{LevelFilter, Log, Metadata, Record};

use super::problems::Problems;
use super::stderr::PipedStderr;
use super::terminal::BarTerminal;
use crate::config::{ConfigError, ConfigErrors, Configuration, Environment, FlagValue, Origin, RequiredLogin};
use crate::distribution::settings::Settings;
use crate::kafka::raw_options::check_option;
use crate::timestamp::Timestamp;

/// How often bars are drawn at most, per second.
const BAR_HZ: u8 = 20;

/// The global flags.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file [default: the first of $FINK_CONFIG, ./fink.toml, ~/.config/fink/fink.toml, /etc/fink/fink.toml]
    #[arg(short, long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath, help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Set a configuration key, such as kafka.username=me; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, global = true, help_heading = "Global options")]
    set: Vec<(String, String)>,
    /// Log more; -vv logs every detail
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// Format of the log
    #[arg(long, value_enum, value_name = "FORMAT", env = "FINK_LOG_FORMAT", default_value_t = LogFormat::Text, hide_env = true, global = true, help_heading = "Global options")]
    log_format: LogFormat,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = "Global options")]
    color: ColorChoice,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// one line of text a message
    Text,
    /// one JSON object a line, with the fields `time`, `level`, `target` and `message`
    Json,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// What a command gets in addition to its own arguments. Clones share logger and progress bars.
#[derive(Clone)]
pub struct Context {
    global: Global,
    bars: MultiProgress,
    problems: Problems,
}

impl Context {
    /// Installs the logger. Called once.
    ///
    /// # Errors
    /// A logger was installed before.
    pub fn new(global: Global) -> anyhow::Result<Self> {
        let bars = MultiProgress::with_draw_target(match global.quiet || !io::stderr().is_terminal() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::term_like_with_hz(Box::<BarTerminal>::default(), BAR_HZ),
        });
        let problems = Problems::default();
        start_logger(&global, bars.clone(), problems.clone())?;
        Ok(Self { global, bars, problems })
    }

    /// The configuration, with the values of `--set`.
    ///
    /// # Errors
    /// All errors of the configuration.
    pub fn configuration(&self) -> anyhow::Result<Configuration> {
        self.configuration_with(Vec::new())
    }

    /// The configuration, with the values of `--set` and then of the command's own `flags`.
    ///
    /// # Errors
    /// All errors of the configuration.
    pub fn configuration_with(&self, flags: Vec<FlagValue>) -> anyhow::Result<Configuration> {
        let flags = self.flags(flags);
        let environment = Environment::from_process();
        checked(Configuration::load(self.global.config.as_deref(), &flags, &environment)?)
    }

    /// The configuration of this file, whatever the user names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn configuration_of_file(&self, file: &Path) -> anyhow::Result<Configuration> {
        checked(Configuration::load(Some(file), &self.flags(Vec::new()), &Environment::from_process())?)
    }

    /// The configuration of a text that stands for a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn configuration_of_text(
        &self,
        file: &Path,
        text: &str,
        environment: &Environment,
    ) -> anyhow::Result<Configuration> {
        checked(Configuration::parse(file, text, &self.flags(Vec::new()), environment)?)
    }

    /// Whether the user names a configuration file, by a flag or a variable.
    pub(super) fn names_a_file(&self) -> bool {
        self.global.config.is_some() || std::env::var_os("FINK_CONFIG").is_some_and(|file| !file.is_empty())
    }

    /// What `--set` says, and then a command's own flags.
    fn flags(&self, flags: Vec<FlagValue>) -> Vec<FlagValue> {
        let flag = |(key, value): &(String, String)| FlagValue {
            key: key.clone(),
            value: value.clone(),
            flag: format!("--set {key}"),
        };
        self.global.set.iter().map(flag).chain(flags).collect()
    }

    /// The settings, with the login that the command needs.
    ///
    /// # Errors
    /// All errors of the configuration, or a password that cannot be read.
    pub fn settings(&self, logins: RequiredLogin) -> anyhow::Result<Settings> {
        Ok(self.configuration()?.settings(logins)?)
    }

    /// The last warnings and errors that were logged.
    pub(super) fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Where progress bars are drawn.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Logs warnings and errors only, unless `-v` or FINK_LOG asks for more. For commands that print their own progress.
    pub(super) fn mute_log(&self) {
        if self.global.verbose == 0 && filter_variable().is_none() {
            log::set_max_level(log::max_level().min(LevelFilter::Warn));
        }
    }

    /// Whether to use colors on stdout.
    pub(super) fn has_colour(&self) -> bool {
        match self.global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// Whether stdout is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }
}

/// A configuration whose raw options librdkafka takes; what looks like a mistake in it is said.
fn checked(configuration: Configuration) -> anyhow::Result<Configuration> {
    check_raw_options(&configuration)?;
    for warning in &configuration.warnings {
        log::warn!("{warning}");
    }
    match &configuration.file {
        Some(file) => log::debug!("configuration read from {}", file.display()),
        None => log::debug!("no configuration file: environment and defaults"),
    }
    Ok(configuration)
}

/// Validates raw options, which only librdkafka knows, before any connection is opened.
fn check_raw_options(configuration: &Configuration) -> Result<(), ConfigErrors> {
    let settings = configuration.settings(RequiredLogin::None)?;
    let wrong = settings.kafka.librdkafka.iter().filter_map(|(option, value)| {
        let error = check_option(option, value).err()?;
        let key = format!("kafka.librdkafka.{option}");
        let entry = configuration.entries.iter().find(|entry| entry.key == key);
        let origin = entry.map_or(Origin::Default, |entry| entry.origin.clone());
        Some(ConfigError::Value { key, origin, reason: error.to_string() })
    });
    let wrong: Vec<ConfigError> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(ConfigErrors(wrong)) }
}

/// A logger that suspends the progress bars for each line.
struct Logger {
    inner: env_logger::Logger,
    bars: MultiProgress,
    problems: Problems,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.inner.matches(record) {
            self.problems.add(record);
            self.bars.suspend(|| self.inner.log(record));
        }
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

fn filter_variable() -> Option<String> {
    std::env::var("FINK_LOG").ok().filter(|filter| !filter.is_empty())
}

fn start_logger(global: &Global, bars: MultiProgress, problems: Problems) -> anyhow::Result<()> {
    let mut builder = env_logger::Builder::new();
    builder.format_timestamp_millis().format_target(global.verbose > 0);
    if !std::io::stderr().is_terminal() {
        builder.target(Target::Pipe(Box::new(PipedStderr::default())));
    }
    builder.write_style(match global.color {
        ColorChoice::Auto => WriteStyle::Auto,
        ColorChoice::Always => WriteStyle::Always,
        ColorChoice::Never => WriteStyle::Never,
    });
    if global.log_format == LogFormat::Json {
        builder.format(|out, record| {
            let line = serde_json::json!({
                "time": Timestamp::now().rfc3339(),
                "level": record.level().as_str(),
                "target": record.target(),
                "message": record.args().to_string(),
            });
            writeln!(out, "{line}")
        });
    }
    match (global.quiet, global.verbose, filter_variable()) {
        (true, _, _) => builder.filter_level(LevelFilter::Error),
        (false, 0, Some(filter)) => builder.parse_filters(&filter),
        (false, 0, None) => builder.filter_level(LevelFilter::Warn).filter_module("fink", LevelFilter::Info),
        (false, 1, _) => builder.filter_level(LevelFilter::Info).filter_module("fink", LevelFilter::Debug),
        // librdkafka logs what its option `debug` asks for.
        (false, _, _) => builder
            .filter_level(LevelFilter::Debug)
            .filter_module("fink", LevelFilter::Trace)
            .filter_module("librdkafka", LevelFilter::Trace),
    };
    let inner = builder.build();
    let level = inner.filter();
    log::set_boxed_logger(Box::new(Logger { inner, bars, problems })).context("cannot start the logger")?;
    log::set_max_level(level);
    Ok(())
}

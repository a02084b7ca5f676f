//! The users of a bootstrap: the producer, and a consumer for tests.

use std::path::{Path, PathBuf};

use super::args::Args;
use super::plan::{PlanItem, PlannedChange};
use crate::cli::kafka::client::KAFKA_TIMEOUT;
use crate::cli::kafka::password::generate;
use crate::cli::outcome::UsageError;
use crate::config::{Configuration, RequiredLogin};
use crate::distribution::settings::Settings;
use crate::kafka::scram::{ScramMechanism, ScramUser};
use crate::kafka::{self, Admin, Identity, KafkaSettings, Login, SaslMechanism};
use crate::secret::{Secret, read_password_file};

/// The producer, and the consumer unless it is not wanted.
pub(super) struct Users {
    settings: KafkaSettings,
    mechanism: ScramMechanism,
    all: Vec<ConfiguredUser>,
}

struct ConfiguredUser {
    login: Login,
    /// the file for a password that was just generated
    save_to: Option<PathBuf>,
}

impl Users {
    /// The users of the configuration; `None`: its login uses no passwords in Kafka.
    pub fn configured(args: &Args, configuration: &Configuration, settings: &Settings) -> anyhow::Result<Option<Self>> {
        let SaslMechanism::Scram(mechanism) = settings.kafka.sasl_mechanism else { return Ok(None) };
        if !settings.kafka.security_protocol.uses_login() {
            return Ok(None);
        }
        let text = |key: &str| {
            let entry = configuration.entries.iter().find(|entry| entry.key == key)?;
            entry.value.as_str().map(str::to_owned)
        };
        let file = text("kafka.password_file").map(PathBuf::from);
        let new_file = file.as_ref().filter(|file| !file.exists());
        let producer = match (configuration.settings(RequiredLogin::User), text("kafka.username"), new_file) {
            (Ok(settings), _, _) => settings.kafka.login.map(|login| ConfiguredUser { login, save_to: None }),
            (Err(_), Some(name), Some(file)) => Some(ConfiguredUser::with_new_password(name, file)?),
            (Err(errors), _, _) => return Err(errors.into()),
        };
        let Some(producer) = producer else { return Ok(None) };
        let mut all = vec![producer];
        if !args.no_consumer {
            if all.iter().any(|producer| producer.login.username == args.consumer) {
                let reason =
                    format!("`{}` is the user of [kafka]: use another --consumer, or --no-consumer", args.consumer);
                return Err(UsageError(reason).into());
            }
            all.push(consumer(args, file.as_deref())?);
        }
        Ok(Some(Self { settings: settings.kafka.clone(), mechanism, all }))
    }

    /// The name of the producer.
    pub fn producer(&self) -> &str {
        self.all.first().map(|user| user.login.username.as_str()).unwrap_or_default()
    }

    /// The name of the consumer.
    pub fn consumer(&self) -> Option<&str> {
        self.all.get(1).map(|user| user.login.username.as_str())
    }

    /// The plan items of the users.
    pub fn items(&self, admin: &Admin) -> kafka::Result<Vec<PlanItem>> {
        let known = admin.describe_users()?;
        self.all.iter().map(|user| self.item(user, &known)).collect()
    }

    fn item(&self, user: &ConfiguredUser, known: &[ScramUser]) -> kafka::Result<PlanItem> {
        let name = &user.login.username;
        let exists = known.iter().any(|other| {
            other.name == *name && other.credentials.iter().any(|credential| credential.mechanism == self.mechanism)
        });
        let file = user.save_to.as_deref().map(Path::display);
        let (what, conflict) = match (exists, file) {
            (true, None) if self.logs_in(user)? => (format!("password for {}", self.mechanism), None),
            (true, None) => (
                format!("password for {}", self.mechanism),
                Some(format!(
                    "its password is not the one that is configured: `fink kafka add-user {name} --replace` replaces it"
                )),
            ),
            // The password of the consumer is known elsewhere, so it stays.
            (true, Some(_)) if Some(name.as_str()) == self.consumer() => {
                (format!("password for {}", self.mechanism), None)
            }
            (true, Some(file)) => (
                format!("password for {}", self.mechanism),
                Some(format!(
                    "its password file {file} does not exist: copy it here, or replace the password with `fink kafka add-user {name} --replace`"
                )),
            ),
            (false, None) => (format!("password for {}", self.mechanism), None),
            (false, Some(file)) => (format!("password for {}, generated into {file}", self.mechanism), None),
        };
        let change = PlannedChange::User {
            name: name.clone(),
            mechanism: self.mechanism,
            password: user.login.password.clone(),
            save_to: user.save_to.clone(),
        };
        Ok(PlanItem { kind: "user", name: name.clone(), what, exists, conflict, change })
    }

    fn logs_in(&self, user: &ConfiguredUser) -> kafka::Result<bool> {
        let settings = KafkaSettings { login: Some(user.login.clone()), ..self.settings.clone() };
        match Admin::open(&settings, Identity::User, KAFKA_TIMEOUT)?.list_topics() {
            Ok(_) => Ok(true),
            Err(kafka::Error::AuthenticationRefused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether all users whose password is known can log in.
    pub fn all_log_in(&self) -> kafka::Result<bool> {
        for user in &self.all {
            let is_known = user.save_to.as_ref().is_none_or(|file| file.exists());
            if is_known && !self.logs_in(user)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl ConfiguredUser {
    fn with_new_password(username: String, file: &Path) -> anyhow::Result<Self> {
        let password: Secret = generate()?;
        Ok(Self { login: Login { username, password }, save_to: Some(file.to_owned()) })
    }
}

/// The consumer, with the password in its file, or a new password for it.
fn consumer(args: &Args, producer_file: Option<&Path>) -> anyhow::Result<ConfiguredUser> {
    let beside = || {
        let directory = producer_file.and_then(Path::parent).unwrap_or(Path::new(""));
        directory.join(format!("{}.password", args.consumer.replace(['/', '\0'], "_")))
    };
    let file = args.consumer_password_file.clone().unwrap_or_else(beside);
    match file.exists() {
        true => {
            let password = read_password_file(&file).map_err(UsageError)?;
            Ok(ConfiguredUser { login: Login { username: args.consumer.clone(), password }, save_to: None })
        }
        false => ConfiguredUser::with_new_password(args.consumer.clone(), &file),
    }
}

//! The users of a bootstrap: who produces, and who tests.

use std::path::{Path, PathBuf};

use super::super::KAFKA_TIMEOUT;
use super::super::password::generate;
use super::Args;
use super::plan::{PlanItem, PlannedChange};
use crate::cli::outcome::UsageError;
use crate::config::{
    Configuration, KafkaSettings, Login, RequiredLogin, Secret, SecurityProtocol, Settings, read_password_file,
};
use crate::kafka::client::Identity;
use crate::kafka::users::ScramMechanism;
use crate::kafka::{self, Admin};

/// The producer, and perhaps a consumer.
pub(super) struct Users {
    settings: KafkaSettings,
    mechanism: ScramMechanism,
    all: Vec<User>,
}

struct User {
    login: Login,
    /// the file of a password that was made up just now
    save_to: Option<PathBuf>,
}

impl Users {
    /// The users that the configuration names; `None`: it names none whose passwords Kafka keeps.
    pub fn configured(args: &Args, configuration: &Configuration, settings: &Settings) -> anyhow::Result<Option<Self>> {
        let is_sasl =
            matches!(settings.kafka.security_protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl);
        let Some(mechanism) = ScramMechanism::from_name(&settings.kafka.sasl_mechanism).filter(|_| is_sasl) else {
            return Ok(None);
        };
        let text = |key: &str| {
            let entry = configuration.entries.iter().find(|entry| entry.key == key)?;
            entry.value.as_str().map(str::to_owned)
        };
        let file = text("kafka.password_file").map(PathBuf::from);
        let new_file = file.as_ref().filter(|file| !file.exists());
        let producer = match (configuration.settings(RequiredLogin::User), text("kafka.username"), new_file) {
            (Ok(settings), _, _) => settings.kafka.login.map(|login| User { login, save_to: None }),
            (Err(_), Some(name), Some(file)) => Some(User::with_new_password(name, file)?),
            (Err(errors), _, _) => return Err(errors.into()),
        };
        let Some(producer) = producer else { return Ok(None) };
        let mut all = vec![producer];
        if !args.no_consumer {
            if all.iter().any(|producer| producer.login.username == args.consumer) {
                let reason = format!(
                    "`{}` is the user of [kafka]: name another --consumer, or say --no-consumer",
                    args.consumer
                );
                return Err(UsageError(reason).into());
            }
            all.push(consumer(args, file.as_deref())?);
        }
        Ok(Some(Self { settings: settings.kafka.clone(), mechanism, all }))
    }

    /// The producer's name.
    pub fn producer(&self) -> &str {
        self.all.first().map(|user| user.login.username.as_str()).unwrap_or_default()
    }

    /// The consumer's name.
    pub fn consumer(&self) -> Option<&str> {
        self.all.get(1).map(|user| user.login.username.as_str())
    }

    /// How they stand.
    pub fn items(&self, admin: &Admin) -> kafka::Result<Vec<PlanItem>> {
        let known = admin.describe_users()?;
        self.all.iter().map(|user| self.item(user, &known)).collect()
    }

    fn item(&self, user: &User, known: &[kafka::users::User]) -> kafka::Result<PlanItem> {
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
                    "its password is not the one that is configured: `fink kafka add-user {name} --replace` gives it another"
                )),
            ),
            // Its password is in somebody's hands, though not in this file: no reason to change it.
            (true, Some(_)) if Some(name.as_str()) == self.consumer() => {
                (format!("password for {}", self.mechanism), None)
            }
            (true, Some(file)) => (
                format!("password for {}", self.mechanism),
                Some(format!(
                    "its password file {file} does not exist: bring it, or give the user another password with `fink kafka add-user {name} --replace`"
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

    fn logs_in(&self, user: &User) -> kafka::Result<bool> {
        let settings = KafkaSettings { login: Some(user.login.clone()), ..self.settings.clone() };
        match Admin::open(&settings, Identity::User, KAFKA_TIMEOUT)?.list_topics() {
            Ok(_) => Ok(true),
            Err(kafka::Error::AuthenticationRefused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether every one whose password is known can log in.
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

impl User {
    fn with_new_password(username: String, file: &Path) -> anyhow::Result<Self> {
        let password: Secret = generate()?;
        Ok(Self { login: Login { username, password }, save_to: Some(file.to_owned()) })
    }
}

/// The consumer, with the password of its file, or a new one for it.
fn consumer(args: &Args, producers_file: Option<&Path>) -> anyhow::Result<User> {
    let beside = || {
        let folder = producers_file.and_then(Path::parent).unwrap_or(Path::new(""));
        folder.join(format!("{}.password", args.consumer.replace(['/', '\0'], "_")))
    };
    let file = args.consumer_password_file.clone().unwrap_or_else(beside);
    match file.exists() {
        true => {
            let password = read_password_file(&file).map_err(UsageError)?;
            Ok(User { login: Login { username: args.consumer.clone(), password }, save_to: None })
        }
        false => User::with_new_password(args.consumer.clone(), &file),
    }
}

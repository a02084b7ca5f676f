//! From the settings to librdkafka's options, and from its log and error events to ours.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::config::{KafkaSettings, Login, Secret, SecurityProtocol, key_that_sets};
use crate::kafka::connection_status::{ConnectionFault, ConnectionStatus, FaultKind};
use crate::kafka::diagnosis::{self, BrokerAddress, Diagnosis};
use crate::kafka::error::{Error, Refusal, Resource, Result, lower};
use crate::kafka::tls;

/// Checks one raw option: that it may be set, that librdkafka knows it and takes the value.
///
/// # Errors
/// [`Error::Settings`] with the option's name and the reason, without the value, which may be a secret.
pub fn check_option(name: &str, value: &str) -> Result<()> {
    if let Some(key) = key_that_sets(name) {
        return Err(Error::Settings(format!("the librdkafka option `{name}` is already set by {key}")));
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    config.create_native_config().map(|_| ()).map_err(|e| settings_error(&e))
}

/// The defaults of every client. Raw options may change them.
const COMMON: &[(&str, &str)] = &[
    ("client.id", "fink"),
    // Back within 2 s of a broker's return, instead of 10.
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.nagle.disable", "true"),
    // A connection that the broker closes for being idle is no event.
    ("log.connection.close", "false"),
];

/// Whose login a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `[kafka]`: the user who produces or consumes
    User,
    /// `[kafka.admin]`, or the user where no administrator is configured
    Admin,
}

/// librdkafka's options for a client: the connection and its login, `own` on top of the common defaults, then the raw options,
/// last those in `fixed`, which nothing may change.
///
/// # Errors
/// A login is needed but not configured, a file of TLS is not what it should be, or a path is not UTF-8.
pub(crate) fn config(
    settings: &KafkaSettings,
    identity: Identity,
    own: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> Result<ClientConfig> {
    tls::check_files(settings)?;
    let mut config = ClientConfig::new();
    for (name, value) in COMMON.iter().chain(own) {
        config.set(*name, *value);
    }
    for (name, value) in &settings.librdkafka {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    config.set(
        "security.protocol",
        match settings.security_protocol {
            SecurityProtocol::Plaintext => "plaintext",
            SecurityProtocol::Ssl => "ssl",
            SecurityProtocol::SaslPlaintext => "sasl_plaintext",
            SecurityProtocol::SaslSsl => "sasl_ssl",
        },
    );
    if uses_login(settings) {
        let login = login(settings, identity).ok_or_else(|| {
            Error::Settings("security_protocol asks for a login: set username and password_file".to_owned())
        })?;
        config.set("sasl.mechanism", &settings.sasl_mechanism);
        config.set("sasl.username", &login.username);
        config.set("sasl.password", login.password.reveal());
    }
    let files = [
        ("ssl.ca.location", &settings.ssl_ca),
        ("ssl.certificate.location", &settings.ssl_certificate),
        ("ssl.key.location", &settings.ssl_key),
    ];
    for (name, file) in files {
        if let Some(file) = file {
            config.set(name, utf8(file)?);
        }
    }
    if let Some(password) = &settings.ssl_key_password {
        config.set("ssl.key.password", password.reveal());
    }
    // Every topic is made on purpose, with the partitions and the policy it needs.
    config.set("allow.auto.create.topics", "false");
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    Ok(config)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::Settings(format!("the path {} is not UTF-8", path.display())))
}

fn uses_login(settings: &KafkaSettings) -> bool {
    matches!(settings.security_protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
}

fn login(settings: &KafkaSettings, identity: Identity) -> Option<&Login> {
    match identity {
        Identity::User => settings.login.as_ref(),
        Identity::Admin => settings.admin.as_ref().or(settings.login.as_ref()),
    }
}

/// An error of librdkafka about options, without their values.
pub(crate) fn settings_error(error: &KafkaError) -> Error {
    Error::Settings(match error {
        KafkaError::ClientConfig(_, words, name, value) => {
            let words = if value.is_empty() { words.clone() } else { words.replace(value.as_str(), "…") };
            format!("librdkafka option `{name}`: {}", lower(&words))
        }
        KafkaError::ClientCreation(words) => lower(words),
        other => lower(&other.to_string()),
    })
}

/// What librdkafka calls back: its log and its errors. One for each client, shared with whoever asks for the [`ConnectionStatus`].
#[derive(Clone, Debug)]
pub struct Context {
    status: Arc<ConnectionStatus>,
    settings: Arc<KafkaSettings>,
    opened: Instant,
    user: String,
    password: Option<Secret>,
}

impl Context {
    /// For a client of this login.
    pub(crate) fn new(settings: &KafkaSettings, identity: Identity) -> Self {
        let login = login(settings, identity).filter(|_| uses_login(settings));
        Self {
            status: Arc::default(),
            settings: Arc::new(settings.clone()),
            opened: Instant::now(),
            user: match (login, &settings.ssl_certificate) {
                (Some(login), _) => login.username.clone(),
                (None, Some(path)) if settings.security_protocol == SecurityProtocol::Ssl => {
                    format!("(of {})", path.display())
                }
                _ => "(none)".to_owned(),
            },
            password: login.map(|l| l.password.clone()),
        }
    }

    /// The connection's state.
    pub fn status(&self) -> &Arc<ConnectionStatus> {
        &self.status
    }

    /// The user that this client logs in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The error that says a trouble. May take some seconds: the broker is asked once more.
    pub(crate) fn error_of(&self, fault: &ConnectionFault) -> Error {
        let (servers, reason) = (self.settings.bootstrap_servers.clone(), fault.reason.clone());
        match (diagnosis::diagnose(&self.settings, fault), fault.kind) {
            (Some(Diagnosis::Permanent(reason)), _) => Error::ConfigurationMismatch { servers, reason },
            (_, FaultKind::AuthenticationRefused) => {
                Error::AuthenticationRefused { servers, user: self.user.clone(), reason }
            }
            (Some(Diagnosis::Transient(reason)), _) => Error::Unreachable { servers, reason },
            (None, FaultKind::Tls) => Error::ConfigurationMismatch { servers, reason },
            (None, FaultKind::Unresolved | FaultKind::Down) => Error::Unreachable { servers, reason },
        }
    }

    /// What stands against using a broker at this address.
    pub(crate) fn probe(&self, address: &BrokerAddress) -> Option<Diagnosis> {
        diagnosis::probe(&self.settings, address)
    }

    /// The error of a client that has not worked yet and that waiting does not help.
    pub(crate) fn refused(&self) -> Option<Error> {
        if let Some(fault) = self.status.permanent_fault() {
            return Some(self.error_of(&fault));
        }
        let error = self.error_of(&self.status.unexplained_fault(self.opened)?);
        (!error.is_transient()).then_some(error)
    }

    /// The error of something that got no answer in time: the connection's trouble, if there is any.
    pub(crate) fn timed_out(&self, timeout: Duration, doing: &str) -> Error {
        let silence = ConnectionFault::silence(self.opened);
        match self.status.fault() {
            Some(fault) => self.error_of(&fault),
            None if diagnosis::diagnose(&self.settings, &silence).is_some() => self.error_of(&silence),
            None => Error::TimedOut { timeout, doing: doing.to_owned() },
        }
    }

    /// The error that says an answer of Kafka.
    pub(crate) fn refusal(&self, code: Code, reason: &str, action: &str, resource: Resource<'_>) -> Error {
        Refusal { code, reason, action, resource, user: &self.user }.error()
    }

    /// The words without the password. librdkafka does not say it, but a server's answer might. A very short one is left alone: to cut out
    /// each of its letters would tell it.
    fn clean<'a>(&self, words: &'a str) -> std::borrow::Cow<'a, str> {
        match self.password.as_ref().map(Secret::reveal) {
            Some(password) if password.len() >= 6 && words.contains(password) => words.replace(password, "***").into(),
            _ => words.into(),
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.clean(message);
        if facility == "ADDPARTS"
            && let Some((_, rest)) = message.split_once("Failed to add partition \"")
            && let Some((topic, _)) = rest.split_once('"')
        {
            self.status.set_denied_topic(topic);
        }
        let level = match level {
            // A broker that is away for a moment is no error yet: whoever waits for it says so.
            _ if facility == "FAIL" || facility == "ERROR" => Level::Warn,
            // One set of raw options serves producers and consumers; each ignores the other's.
            _ if facility == "CONFWARN" => Level::Debug,
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                Level::Error
            }
            RDKafkaLogLevel::Warning => Level::Warn,
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => Level::Info,
            RDKafkaLogLevel::Debug => Level::Debug,
        };
        log::log!(target: "librdkafka", level, "{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let reason = lower(&self.clean(reason));
        log::debug!(target: "librdkafka", "{code:?}: {reason}");
        self.status.record(code, &reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        log::info!(target: "librdkafka", "statistics: {}", String::from_utf8_lossy(statistics));
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: "127.0.0.1:1".to_owned(),
            security_protocol: SecurityProtocol::SaslPlaintext,
            sasl_mechanism: "SCRAM-SHA-512".to_owned(),
            login: Some(Login { username: "bob".to_owned(), password: Secret::new("hush-hush".to_owned()) }),
            admin: None,
            ssl_ca: None,
            ssl_certificate: None,
            ssl_key: None,
            ssl_key_password: None,
            librdkafka: vec![("linger.ms".to_owned(), "7".to_owned())],
        }
    }

    #[test]
    fn raw_options_change_defaults_but_not_what_is_fixed() {
        let own = [("linger.ms", "50"), ("batch.size", "10")];
        let config = config(&settings(), Identity::User, &own, &[("acks", "all")]).unwrap();
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("batch.size"), Some("10"));
        assert_eq!(config.get("acks"), Some("all"));
        assert_eq!(config.get("sasl.username"), Some("bob"));
        assert!(!format!("{config:?}").contains("hush-hush"));
    }

    #[test]
    fn without_an_administrator_the_user_administers() {
        let mut settings = settings();
        let names = |s: &KafkaSettings| {
            config(s, Identity::Admin, &[], &[]).map(|c| c.get("sasl.username").unwrap_or_default().to_owned())
        };
        assert_eq!(names(&settings), Ok("bob".to_owned()));
        settings.admin = Some(Login { username: "admin".to_owned(), password: Secret::new("p".to_owned()) });
        assert_eq!(names(&settings), Ok("admin".to_owned()));
        settings.admin = None;
        settings.login = None;
        assert!(matches!(names(&settings), Err(Error::Settings(_))));
        settings.security_protocol = SecurityProtocol::Plaintext;
        assert_eq!(names(&settings), Ok(String::new()));
    }

    #[test]
    fn reserved_and_unknown_options_are_refused_without_their_values() {
        assert!(check_option("linger.ms", "50").is_ok());
        let text = check_option("sasl.password", "hush-hush").unwrap_err().to_string();
        assert_eq!(text, "kafka settings: the librdkafka option `sasl.password` is already set by kafka.password_file");
        let text = check_option("linger.mss", "50").unwrap_err().to_string();
        assert!(text.contains("linger.mss"), "{text}");
        let text = check_option("compression.codec", "hush-hush").unwrap_err().to_string();
        assert!(text.contains("compression.codec") && !text.contains("hush-hush"), "{text}");
    }

    #[test]
    fn the_password_is_cut_out_of_what_librdkafka_says() {
        let context = Context::new(&settings(), Identity::User);
        assert_eq!(context.clean("x hush-hush y"), "x *** y");
        assert!(!format!("{context:?}").contains("hush-hush"));
        context.error(KafkaError::Global(Code::Authentication), "b: SASL said hush-hush");
        assert_eq!(context.status().permanent_fault().map(|t| t.reason), Some("b: SASL said ***".to_owned()));
    }
}

//! A client's connection to the brokers: its user, its status, and why it does not work.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::kafka::client_config::Identity;
use crate::kafka::connection_status::{ConnectionFault, ConnectionStatus, FaultKind};
use crate::kafka::diagnosis::{self, BrokerAddress, Diagnosis};
use crate::kafka::error::{Error, Resource, Result, normalize_message, request_error};
use crate::kafka::settings::{KafkaSettings, SecurityProtocol};
use crate::secret::Secret;

/// The connection of one client. librdkafka reports its log lines and errors to it.
#[derive(Clone, Debug)]
pub struct Connection {
    status: Arc<ConnectionStatus>,
    settings: Arc<KafkaSettings>,
    opened: Instant,
    user: String,
    password: Option<Secret>,
}

impl Connection {
    pub(crate) fn new(settings: &KafkaSettings, identity: Identity) -> Self {
        let login = identity.login(settings);
        Self {
            status: Arc::default(),
            settings: Arc::new(settings.clone()),
            opened: Instant::now(),
            user: match (login, &settings.ssl_certificate) {
                (Some(login), _) => login.username.clone(),
                // The brokers derive the name from the certificate's subject, by rules that a client does not know.
                (None, Some(path)) if settings.security_protocol == SecurityProtocol::Ssl => {
                    format!("(of {})", path.display())
                }
                _ => "(none)".to_owned(),
            },
            password: login.map(|l| l.password.clone()),
        }
    }

    /// The faults that librdkafka has reported.
    pub fn status(&self) -> &ConnectionStatus {
        &self.status
    }

    /// The user that this client logs in as, `(none)` without a login.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Fails where a client that has never been connected waits in vain: librdkafka retries forever, whatever the fault.
    ///
    /// Where no broker has responded for a second, this probes them, once for each client, since librdkafka reports some permanent faults,
    /// such as a TLS port that is used without TLS, as unreachable brokers or not at all. A probe takes up to 3 s for each address.
    ///
    /// # Errors
    /// The permanent fault.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_fault()?;
        match self.status.undiagnosed_fault(self.opened).map(|fault| self.diagnose(&fault)) {
            Some(error) if !error.is_transient() => Err(error),
            _ => Ok(()),
        }
    }

    /// Fails where librdkafka has reported a permanent fault.
    ///
    /// # Errors
    /// The permanent fault.
    pub(crate) fn check_fault(&self) -> Result<()> {
        self.status.permanent_fault().map_or(Ok(()), |fault| Err(self.diagnose(&fault)))
    }

    /// As [`check_fault`](Self::check_fault), for a client that has been connected. One broker of several may refuse logins for a moment while it starts,
    /// so the fault must have persisted.
    ///
    /// # Errors
    /// The permanent fault.
    pub(crate) fn check_connected(&self) -> Result<()> {
        self.status.persistent_fault().map_or(Ok(()), |fault| Err(self.diagnose(&fault)))
    }

    /// The error of a request that got no response within `timeout`. Probes the brokers for the reason, which takes up to 3 s for each address.
    pub(crate) fn diagnose_timeout(&self, timeout: Duration, doing: &str) -> Error {
        let silence = ConnectionFault::silence(self.opened);
        match self.status.fault() {
            Some(fault) => self.diagnose(&fault),
            None => match diagnosis::diagnose(&self.settings, &silence) {
                Some(diagnosis) => self.error(&silence, Some(diagnosis)),
                None => Error::TimedOut { timeout, doing: doing.to_owned() },
            },
        }
    }

    /// The error of a fault. Probes the brokers for the reason, which takes up to 3 s for each address.
    fn diagnose(&self, fault: &ConnectionFault) -> Error {
        self.error(fault, diagnosis::diagnose(&self.settings, fault))
    }

    fn error(&self, fault: &ConnectionFault, diagnosis: Option<Diagnosis>) -> Error {
        let (servers, reason) = (self.settings.bootstrap_servers.clone(), fault.reason.clone());
        match (diagnosis, fault.kind) {
            (Some(Diagnosis::Permanent(reason)), _) => Error::ConfigurationMismatch { servers, reason },
            (_, FaultKind::AuthenticationRefused) => {
                Error::AuthenticationRefused { servers, user: self.user.clone(), reason }
            }
            (Some(Diagnosis::Transient(reason)), _) => self.unreachable(reason),
            (None, FaultKind::Tls) => Error::ConfigurationMismatch { servers, reason },
            (None, FaultKind::Unresolved | FaultKind::Down) => Error::Unreachable { servers, reason },
        }
    }

    pub(crate) fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable { servers: self.settings.bootstrap_servers.clone(), reason }
    }

    /// Connects to the broker at this address; `None`: it works as the settings expect.
    pub(crate) fn probe(&self, address: &BrokerAddress) -> Option<Diagnosis> {
        diagnosis::probe(&self.settings, address)
    }

    /// The error of a request that Kafka refused; see [`request_error`].
    pub(crate) fn request_error(&self, code: Code, reason: &str, action: &str, resource: Resource<'_>) -> Error {
        request_error(code, reason, action, resource, &self.user)
    }

    /// The message without the password, which a server may echo. A very short password stays: replacing each of its letters would reveal it.
    fn redact<'a>(&self, message: &'a str) -> Cow<'a, str> {
        match self.password.as_ref().map(Secret::reveal) {
            Some(password) if password.len() >= 6 && message.contains(password) => {
                message.replace(password, "***").into()
            }
            _ => message.into(),
        }
    }
}

impl ClientContext for Connection {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.redact(message);
        // A broker that denies one topic of a transaction does not attempt the others, which have lines of their own.
        if facility == "ADDPARTS"
            && let Some((_, rest)) = message.split_once("Failed to add partition \"")
            && let Some((topic, reason)) = rest.split_once('"')
            && reason.contains("Topic authorization failed")
        {
            self.status.set_denied_topic(topic);
        }
        // Callers report what fails, and what they wait for. These lines repeat it, many times, in librdkafka's terms.
        let level = match level {
            RDKafkaLogLevel::Debug => Level::Trace,
            _ => Level::Debug,
        };
        log::log!(target: "librdkafka", level, "{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let reason = normalize_message(&self.redact(reason));
        log::debug!(target: "librdkafka", "{code:?}: {reason}");
        self.status.record(code, &reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        log::info!(target: "librdkafka", "statistics: {}", String::from_utf8_lossy(statistics));
    }
}

impl ConsumerContext for Connection {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client_config::tests::settings;

    #[test]
    fn the_denied_topic_is_the_one_that_is_not_authorized() {
        let connection = Connection::new(&settings(), Identity::User);
        let line = |topic: &str, reason: &str| {
            let line = format!("[thrd:b]: b: Failed to add partition \"{topic}\" [0] to transaction: Broker: {reason}");
            ClientContext::log(&connection, RDKafkaLogLevel::Error, "ADDPARTS", &line);
        };
        line("checkpoint", "Operation not attempted");
        assert_eq!(connection.status().denied_topic(), None);
        line("alerts", "Topic authorization failed");
        line("checkpoint", "Operation not attempted");
        assert_eq!(connection.status().denied_topic().as_deref(), Some("alerts"));
    }

    #[test]
    fn the_password_is_redacted_in_librdkafkas_messages() {
        let connection = Connection::new(&settings(), Identity::User);
        assert_eq!(connection.redact("x hush-hush y"), "x *** y");
        assert!(!format!("{connection:?}").contains("hush-hush"));
        ClientContext::error(&connection, KafkaError::Global(Code::Authentication), "b: SASL said hush-hush");
        assert_eq!(
            connection.status().permanent_fault().map(|fault| fault.reason),
            Some("b: SASL said ***".to_owned())
        );
    }
}

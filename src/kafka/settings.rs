//! The settings of a Kafka client: `[kafka]` and `[kafka.admin]`.

use std::path::PathBuf;

use crate::kafka::raw_options::is_secret_option;
use crate::kafka::scram::ScramMechanism;
use crate::secret::Secret;

/// How a connection to Kafka is secured: `security.protocol` of librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// no TLS, no login
    Plaintext,
    /// TLS, no login
    Ssl,
    /// login without TLS
    SaslPlaintext,
    /// login over TLS
    SaslSsl,
}

impl SecurityProtocol {
    /// librdkafka's name, which is also the value of `kafka.security_protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// Whether connections are encrypted.
    pub fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether a client logs in with a user name and a password.
    pub fn uses_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// How a client proves that it knows the password: `sasl.mechanism` of librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// a challenge and a response; Kafka stores a salted hash of the password
    Scram(ScramMechanism),
    /// the password in clear text; the brokers' configuration names the users
    Plain,
}

impl SaslMechanism {
    /// librdkafka's name, which is also the value of `kafka.sasl_mechanism`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scram(mechanism) => mechanism.name(),
            Self::Plain => "PLAIN",
        }
    }
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// the user name
    pub username: String,
    /// its password
    pub password: Secret,
}

/// `[kafka]`
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// the brokers that a client connects to first, `host:port,…`
    pub bootstrap_servers: String,
    /// TLS and login
    pub security_protocol: SecurityProtocol,
    /// used where the security protocol has a login
    pub sasl_mechanism: SaslMechanism,
    /// the user of producers and consumers; `None`: not configured, or its password was not read
    pub login: Option<Login>,
    /// the administrator; `None`: not configured, or its password was not read
    pub admin: Option<Login>,
    /// PEM file of trusted CA certificates
    pub ssl_ca: Option<PathBuf>,
    /// PEM file of the client's certificate
    pub ssl_certificate: Option<PathBuf>,
    /// PEM file of the client's key; set exactly where the certificate is
    pub ssl_key: Option<PathBuf>,
    /// the password of an encrypted client key
    pub ssl_key_password: Option<Secret>,
    /// raw librdkafka options; no other key sets any of them
    pub librdkafka: Vec<(String, String)>,
}

impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let librdkafka: Vec<(&str, &str)> = self
            .librdkafka
            .iter()
            .map(|(option, value)| (option.as_str(), if is_secret_option(option) { "***" } else { value.as_str() }))
            .collect();
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("security_protocol", &self.security_protocol)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("login", &self.login)
            .field("admin", &self.admin)
            .field("ssl_ca", &self.ssl_ca)
            .field("ssl_certificate", &self.ssl_certificate)
            .field("ssl_key", &self.ssl_key)
            .field("ssl_key_password", &self.ssl_key_password)
            .field("librdkafka", &librdkafka)
            .finish()
    }
}

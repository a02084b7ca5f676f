//! librdkafka's options of a client.

use std::path::Path;

use rdkafka::ClientConfig;

use crate::kafka::error::{Error, Result};
use crate::kafka::settings::{KafkaSettings, Login};
use crate::kafka::tls;

/// The defaults of every client. Raw options may change them.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "fink"),
    // A client reconnects within 2 s of a broker's return, instead of 10.
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.nagle.disable", "true"),
    // Brokers close idle connections; that is not worth a log line.
    ("log.connection.close", "false"),
];

/// Whose login a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `[kafka]`: the user of producers and consumers
    User,
    /// `[kafka.admin]`, or the user of `[kafka]` where no administrator is configured
    Admin,
}

impl Identity {
    /// The login, where the security protocol has one and it is configured.
    pub(super) fn login(self, settings: &KafkaSettings) -> Option<&Login> {
        let login = match self {
            Self::User => settings.login.as_ref(),
            Self::Admin => settings.admin.as_ref().or(settings.login.as_ref()),
        };
        login.filter(|_| settings.security_protocol.uses_login())
    }
}

/// librdkafka's options for a client. Later ones replace earlier ones: the common defaults, the client's own `defaults`, the raw options, the
/// connection and its login, the client's `fixed` options.
///
/// # Errors
/// A login is needed but not configured, a TLS file is missing or wrong, or a path is not UTF-8.
pub(super) fn client_config(
    settings: &KafkaSettings,
    identity: Identity,
    defaults: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> Result<ClientConfig> {
    tls::check_files(settings)?;
    let mut config = ClientConfig::new();
    for (name, value) in DEFAULTS.iter().chain(defaults) {
        config.set(*name, *value);
    }
    for (name, value) in &settings.librdkafka {
        config.set(name, value);
    }
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    config.set("security.protocol", settings.security_protocol.name());
    if settings.security_protocol.uses_login() {
        let login = identity.login(settings).ok_or_else(|| {
            Error::Settings("security_protocol needs a login: set username and password_file".to_owned())
        })?;
        config.set("sasl.mechanism", settings.sasl_mechanism.name());
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
    // A topic that is created as a side effect would have the cluster's default partitions and cleanup policy.
    config.set("allow.auto.create.topics", "false");
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    Ok(config)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::Settings(format!("the path {} is not UTF-8", path.display())))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::kafka::scram::ScramMechanism;
    use crate::kafka::settings::{SaslMechanism, SecurityProtocol};
    use crate::secret::Secret;

    pub(in crate::kafka) fn settings() -> KafkaSettings {
        KafkaSettings {
            bootstrap_servers: "127.0.0.1:1".to_owned(),
            security_protocol: SecurityProtocol::SaslPlaintext,
            sasl_mechanism: SaslMechanism::Scram(ScramMechanism::ScramSha512),
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
        let config = client_config(&settings(), Identity::User, &own, &[("acks", "all")]).unwrap();
        assert_eq!(config.get("linger.ms"), Some("7"));
        assert_eq!(config.get("batch.size"), Some("10"));
        assert_eq!(config.get("acks"), Some("all"));
        assert_eq!(config.get("sasl.username"), Some("bob"));
        assert!(!format!("{config:?}").contains("hush-hush"));
    }

    #[test]
    fn without_an_administrator_the_user_logs_in() {
        let mut settings = settings();
        let names = |s: &KafkaSettings| {
            client_config(s, Identity::Admin, &[], &[]).map(|c| c.get("sasl.username").unwrap_or_default().to_owned())
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
}

use serde_json::Value;

use crate::config::definition::{Key, key};
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, RawValue};
use crate::config::login::{LoginKeys, LoginSource, PasswordSource};
use crate::config::origin::Origin;
use crate::config::reader::Reader;
use crate::config::value::Addresses;
use crate::kafka::raw_options::{is_secret_option, key_that_sets};
use crate::kafka::scram::ScramMechanism;
use crate::kafka::{KafkaSettings, SaslMechanism, SecurityProtocol};

/// The settings without passwords, and the sources of the passwords.
pub(super) struct KafkaKeys {
    pub settings: KafkaSettings,
    pub login: LoginSource,
    pub admin: LoginSource,
    pub key_password: Option<PasswordSource>,
}

const LOGIN: LoginKeys = LoginKeys {
    username: key("username", "The user that produces and consumes.").example("\"finkProducer\""),
    password_file: key(
        "password_file",
        "A file with the user's password, accessible by its owner only (chmod 600). The variable FINK_KAFKA_PASSWORD, if set, takes \
         precedence.",
    )
    .example("\"conf/producer.password\""),
};

const ADMIN_LOGIN: LoginKeys = LoginKeys {
    username: key("username", "The administrator. If unset: the user of [kafka].").example("\"admin\""),
    password_file: key(
        "password_file",
        "A file with the administrator's password. The variable FINK_KAFKA_ADMIN_PASSWORD, if set, takes precedence.",
    )
    .example("\"conf/admin.password\""),
};

const KEY_PASSWORD_FILE: Key = key(
    "ssl_key_password_file",
    "A file with the password of the private key, accessible by its owner only. The variable FINK_KAFKA_SSL_KEY_PASSWORD, if set, takes \
     precedence.",
)
.example("\"conf/client.key.password\"");

pub(super) fn read(reader: &mut Reader<'_>, file: Option<&ConfigFile>) -> KafkaKeys {
    reader.section("kafka", "");
    let servers = reader.read(
        key("bootstrap_servers", "The brokers for the first connection, host:port, separated by commas."),
        Addresses(vec!["127.0.0.1:9093".to_owned()]),
    );
    let security_protocol = reader.read(
        key(
            "security_protocol",
            "The protocol of the brokers' listener: plaintext, ssl (TLS), sasl_plaintext (login) or sasl_ssl (login over TLS).",
        ),
        SecurityProtocol::SaslPlaintext,
    );
    let sasl_mechanism = reader.read(
        key("sasl_mechanism", "The mechanism of the login: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN."),
        SaslMechanism::Scram(ScramMechanism::ScramSha512),
    );
    let login = LoginSource::read(reader, &LOGIN, "kafka", security_protocol);
    let ssl_ca = reader.optional(
        key("ssl_ca", "Trusted CA certificates, PEM. If unset: those of the system.").example("\"conf/ca.pem\""),
    );
    let ssl_certificate = reader.optional(
        key("ssl_certificate", "The client certificate, PEM, for brokers that require one.")
            .example("\"conf/client.pem\""),
    );
    let ssl_key = reader
        .optional(key("ssl_key", "The private key of the client certificate, PEM.").example("\"conf/client.key\""));
    let key_password = PasswordSource::read(reader, KEY_PASSWORD_FILE, "ssl_key_password");
    reader.require_certificate_with_key(ssl_certificate.as_deref(), ssl_key.as_deref());
    let librdkafka = read_raw_options(reader, file);
    reader.section(
        "kafka.admin",
        "The administrator, who may create users, ACLs and topics. Used by `fink kafka`; by `fink doctor` to read ACLs; and by the \
         service to create topics that its own user may not create.",
    );
    let admin = LoginSource::read(reader, &ADMIN_LOGIN, "kafka.admin", security_protocol);
    let settings = KafkaSettings {
        bootstrap_servers: servers.0.join(","),
        security_protocol,
        sasl_mechanism,
        login: None,
        admin: None,
        ssl_ca,
        ssl_certificate,
        ssl_key,
        ssl_key_password: None,
        librdkafka,
    };
    KafkaKeys { settings, login, admin, key_password }
}

fn read_raw_options(reader: &mut Reader<'_>, file: Option<&ConfigFile>) -> Vec<(String, String)> {
    reader.section(
        "kafka.librdkafka",
        "Options of librdkafka, which are passed on. An option that another key sets is an error.",
    );
    reader.example("\"linger.ms\" = \"50\"");
    let mut options = Vec::new();
    for value in file.map_or(&[][..], |file| &file.values) {
        let Some(option) = value.key.strip_prefix("kafka.librdkafka.") else { continue };
        let origin = Origin::File(value.place.clone());
        let text = match &value.given {
            RawValue::Text(text) | RawValue::Float(text) => text.clone(),
            RawValue::Integer(integer) => integer.to_string(),
            RawValue::Boolean(boolean) => boolean.to_string(),
            other => {
                let reason = format!("expected a string, a number, true or false, found {}", other.kind());
                reader.errors.push(ConfigError::Value { key: value.key.clone(), origin, reason });
                continue;
            }
        };
        if let Some(by) = key_that_sets(option) {
            let reason = format!("this option is set by {by}: remove it");
            reader.errors.push(ConfigError::Value { key: value.key.clone(), origin, reason });
            continue;
        }
        let shown = if is_secret_option(option) { "***" } else { text.as_str() };
        reader.record(option, Value::from(shown), origin);
        options.push((option.to_owned(), text));
    }
    options
}

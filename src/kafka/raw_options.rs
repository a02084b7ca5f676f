//! Raw librdkafka options, from `[kafka.librdkafka]`: which ones may be set, and which must not be printed.

use rdkafka::ClientConfig;

use crate::kafka::error::{Error, Result, settings_error};

/// Options that another key or the program itself sets, each with what sets it.
const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "kafka.bootstrap_servers"),
    ("metadata.broker.list", "kafka.bootstrap_servers"),
    ("security.protocol", "kafka.security_protocol"),
    ("sasl.mechanism", "kafka.sasl_mechanism"),
    ("sasl.mechanisms", "kafka.sasl_mechanism"),
    ("sasl.username", "kafka.username"),
    ("sasl.password", "kafka.password_file"),
    ("ssl.ca.location", "kafka.ssl_ca"),
    ("ssl.ca.pem", "kafka.ssl_ca"),
    ("ssl.certificate.location", "kafka.ssl_certificate"),
    ("ssl.certificate.pem", "kafka.ssl_certificate"),
    ("ssl.key.location", "kafka.ssl_key"),
    ("ssl.key.pem", "kafka.ssl_key"),
    ("ssl.key.password", "kafka.ssl_key_password_file"),
    ("queue.buffering.max.kbytes", "distribution.memory"),
    ("queue.buffering.max.messages", "distribution.memory"),
    ("transactional.id", "distribution.name"),
    ("enable.idempotence", "the guarantee that each alert is sent once"),
    ("acks", "the guarantee that each alert is sent once"),
    ("request.required.acks", "the guarantee that each alert is sent once"),
    ("isolation.level", "the guarantee that each alert is read once"),
    ("delivery.report.only.error", "the memory limit"),
    ("group.id", "the command that consumes"),
    ("enable.auto.commit", "the command that consumes"),
    ("enable.auto.offset.store", "the command that consumes"),
    ("auto.offset.reset", "the command that consumes"),
    ("enable.partition.eof", "the command that consumes"),
    ("allow.auto.create.topics", "stream.partitions"),
    ("log.queue", "the log of fink"),
];

/// The key or the part of the program that sets this librdkafka option; `None`: a raw option may set it.
pub fn key_that_sets(option: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(name, _)| *name == option).map(|(_, by)| *by)
}

/// Whether the value of `option` is a secret.
pub(crate) fn is_secret_option(option: &str) -> bool {
    ["password", "secret", "token", ".pem", "jaas", "sasl.oauthbearer.config"].iter().any(|part| option.contains(part))
}

/// Checks one raw option: that no other key sets it, that librdkafka knows it and accepts the value.
///
/// # Errors
/// [`Error::Settings`] with the option's name and the reason, without the value, which may be a secret.
pub(crate) fn check_option(name: &str, value: &str) -> Result<()> {
    if let Some(key) = key_that_sets(name) {
        return Err(Error::Settings(format!("the librdkafka option `{name}` is already set by {key}")));
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    config.create_native_config().map(|_| ()).map_err(|e| settings_error(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn options_that_hold_a_password_or_token_are_secret() {
        assert!(is_secret_option("ssl.keystore.password"));
        assert!(is_secret_option("sasl.oauthbearer.client.secret"));
        assert!(is_secret_option("ssl.key.pem"));
        assert!(!is_secret_option("linger.ms"));
    }

    #[test]
    fn options_that_another_key_sets_are_reserved() {
        assert_eq!(key_that_sets("bootstrap.servers"), Some("kafka.bootstrap_servers"));
        assert_eq!(key_that_sets("linger.ms"), None);
    }
}

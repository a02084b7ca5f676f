//! Raw options of librdkafka: those that other keys set, and those that are secret.

/// Options that are reserved, with the key or the reason.
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

/// The key or the reason that reserves an option; `None`: it can be set as a raw option.
pub fn key_that_sets(option: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(name, _)| *name == option).map(|(_, by)| *by)
}

/// Whether the value of `option` is a secret.
pub(super) fn is_secret_option(option: &str) -> bool {
    ["password", "secret", "token", ".pem", "jaas", "sasl.oauthbearer.config"].iter().any(|part| option.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_secret() {
        assert!(is_secret_option("ssl.keystore.password"));
        assert!(is_secret_option("sasl.oauthbearer.client.secret"));
        assert!(is_secret_option("ssl.key.pem"));
        assert!(!is_secret_option("linger.ms"));
    }

    #[test]
    fn options_of_other_keys_are_reserved() {
        assert_eq!(key_that_sets("bootstrap.servers"), Some("kafka.bootstrap_servers"));
        assert_eq!(key_that_sets("linger.ms"), None);
    }
}

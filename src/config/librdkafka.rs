//! Raw librdkafka options: which of them are ours to set, and which must not be shown.

/// Options that other keys or rules set, each with what sets it.
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
    ("enable.idempotence", "the promise that each alert is sent once"),
    ("acks", "the promise that each alert is sent once"),
    ("request.required.acks", "the promise that each alert is sent once"),
    ("isolation.level", "the promise that each alert is read once"),
    ("delivery.report.only.error", "the bound of the memory"),
    ("group.id", "the command that consumes"),
    ("enable.auto.commit", "the command that consumes"),
    ("enable.auto.offset.store", "the command that consumes"),
    ("auto.offset.reset", "the command that consumes"),
    ("enable.partition.eof", "the command that consumes"),
    ("allow.auto.create.topics", "stream.partitions"),
    ("log.queue", "the program's own log"),
];

/// Which key or rule of the program sets this option of librdkafka; `None`: a raw option may set it.
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
    fn options_behind_a_login_are_secret() {
        assert!(is_secret_option("ssl.keystore.password"));
        assert!(is_secret_option("sasl.oauthbearer.client.secret"));
        assert!(is_secret_option("ssl.key.pem"));
        assert!(!is_secret_option("linger.ms"));
    }

    #[test]
    fn options_of_our_own_keys_are_reserved() {
        assert_eq!(key_that_sets("bootstrap.servers"), Some("kafka.bootstrap_servers"));
        assert_eq!(key_that_sets("linger.ms"), None);
    }
}

//! Raw librdkafka options: which of them are ours to set, and which must not be shown.

/// Options that other keys or `fink` itself set, each with what sets it.
const RESERVED: [(&str, &str); 17] = [
    ("bootstrap.servers", "kafka.bootstrap_servers"),
    ("metadata.broker.list", "kafka.bootstrap_servers"),
    ("security.protocol", "kafka.security_protocol"),
    ("sasl.mechanism", "kafka.sasl_mechanism"),
    ("sasl.mechanisms", "kafka.sasl_mechanism"),
    ("sasl.username", "kafka.username"),
    ("sasl.password", "kafka.password_file"),
    ("ssl.ca.location", "kafka.ssl_ca"),
    ("ssl.certificate.location", "kafka.ssl_certificate"),
    ("ssl.key.location", "kafka.ssl_key"),
    ("transactional.id", "distribution.name"),
    ("enable.idempotence", "fink, to send each alert once"),
    ("acks", "fink, to send each alert once"),
    ("request.required.acks", "fink, to send each alert once"),
    ("isolation.level", "fink, to read each alert once"),
    ("group.id", "the command that reads"),
    ("enable.auto.commit", "fink, to read each alert once"),
];

/// What sets `option` already, where it is not for the user to set as a raw option.
pub(super) fn set_by(option: &str) -> Option<&'static str> {
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
        assert!(is_secret_option("ssl.key.password"));
        assert!(is_secret_option("sasl.oauthbearer.client.secret"));
        assert!(is_secret_option("ssl.key.pem"));
        assert!(!is_secret_option("linger.ms"));
    }

    #[test]
    fn options_of_our_own_keys_are_reserved() {
        assert_eq!(set_by("bootstrap.servers"), Some("kafka.bootstrap_servers"));
        assert_eq!(set_by("linger.ms"), None);
    }
}

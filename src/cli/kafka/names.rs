//! Names as they are typed, before Kafka sees them.

use std::net::IpAddr;

use crate::topic::Topic;

/// The names in order, each once.
pub(super) fn distinct(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}

/// Reads a user's name.
pub(super) fn user(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a user has a name".to_owned()),
        "*" => Err("`*` is not one user: rights and passwords are given to each by name".to_owned()),
        _ if text.chars().any(char::is_control) => Err("a user's name has no control characters".to_owned()),
        _ => match text.strip_prefix("User:") {
            Some(name) => Err(format!("write `{name}`, without `User:`")),
            None => Ok(text.to_owned()),
        },
    }
}

/// Reads the name of a user who is to log in with a password. Brokers know a SCRAM message only in ASCII (`ScramMessages` of Kafka): a user of
/// another name would be added, and could never log in.
pub(super) fn new_user(text: &str) -> Result<String, String> {
    match user(text)? {
        name if name.is_ascii() => Ok(name),
        _ => {
            Err("Kafka lets nobody log in by password whose name is not ASCII; the password may be anything".to_owned())
        }
    }
}

/// Reads a topic's name.
pub(super) fn topic(text: &str) -> Result<String, String> {
    check_topic(text).map(|()| text.to_owned())
}

fn check_topic(text: &str) -> Result<(), String> {
    text.parse::<Topic>().map(|_| ()).map_err(|error| error.to_string())
}

/// Checks the name of a topic, or the beginning of such names, in an ACL.
pub(super) fn check_topic_of_rule(text: &str) -> Result<(), String> {
    match (text, text.strip_suffix('*')) {
        ("*", _) => Err("for every topic say --all-topics".to_owned()),
        (_, Some(beginning)) => Err(format!("for the topics that begin so say --topic {beginning} --prefix")),
        (_, None) => check_topic(text),
    }
}

/// Checks the name of a consumer group, or the beginning of such names, in an ACL.
pub(super) fn check_group_of_rule(text: &str) -> Result<(), String> {
    match (text, text.strip_suffix('*')) {
        ("*", _) => Err("for every group say --all-groups".to_owned()),
        ("", _) => Err("a group has a name".to_owned()),
        (_, Some(beginning)) => Err(format!("for the groups that begin so say --group-prefix {beginning}")),
        (_, None) if text.chars().any(char::is_control) => Err("a group's name has no control characters".to_owned()),
        (_, None) => Ok(()),
    }
}

/// Checks the name of a distribution in an ACL.
pub(super) fn check_distribution(text: &str) -> Result<(), String> {
    match text.strip_suffix(['*', '-']) {
        Some(name) => Err(format!("write only the beginning of the ids, `{name}`: `{name}-…` is meant")),
        None => check_topic(text),
    }
}

/// Checks an address in an ACL. Brokers compare it with the one that a connection comes from, letter by letter; names are not looked up.
pub(super) fn check_host(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        _ if text == "*" => Err("for every address say --any-host".to_owned()),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not an IP address; Kafka compares addresses and does not look up names")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_answered_with_their_words() {
        assert!(check_host("*").unwrap_err().contains("--any-host"));
        assert!(check_topic_of_rule("*").unwrap_err().contains("--all-topics"));
        assert!(check_topic_of_rule("fink_*").unwrap_err().contains("--topic fink_ --prefix"));
        assert!(check_group_of_rule("*").unwrap_err().contains("--all-groups"));
        assert!(check_group_of_rule("bob*").unwrap_err().contains("--group-prefix bob"));
        assert!(check_distribution("fink-").unwrap_err().contains("`fink`"));
        assert!(user("*").is_err());
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["bob", "Zoë O'Brien", "a,b=c", "\"", "星"] {
            assert_eq!(user(name), Ok(name.to_owned()));
        }
        assert!(new_user("a,b=c \"'").is_ok() && new_user("Zoë").is_err());
        assert!(user("User:bob").is_err() && user("").is_err() && user("a\nb").is_err());
        assert_eq!(topic("fink_a"), Ok("fink_a".to_owned()));
        assert!(topic("fink a").is_err());
        assert!(check_host("127.0.0.1").is_ok() && check_host("::1").is_ok() && check_host("localhost").is_err());
        assert!(check_topic_of_rule("fink_").is_ok() && check_group_of_rule("my group").is_ok());
        assert!(check_distribution("fink").is_ok());
    }
}

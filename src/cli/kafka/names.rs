//! Checks of names and addresses from the command line.

use std::net::IpAddr;

use crate::topic::Topic;

/// The names, sorted and without duplicates.
pub(super) fn distinct(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}

/// Parses a user name.
pub(super) fn user(text: &str) -> Result<String, String> {
    match text {
        "" => Err("the user name is empty".to_owned()),
        "*" => Err("`*` is not a user: give a user name".to_owned()),
        _ if text.chars().any(char::is_control) => Err("a user name cannot contain control characters".to_owned()),
        _ => match text.strip_prefix("User:") {
            Some(name) => Err(format!("use `{name}`, without `User:`")),
            None => Ok(text.to_owned()),
        },
    }
}

/// Parses the name of a new user. Brokers accept only ASCII names in SCRAM messages (`ScramMessages` of Kafka): a user with another name could be
/// added, but not log in.
pub(super) fn new_user(text: &str) -> Result<String, String> {
    match user(text)? {
        name if name.is_ascii() => Ok(name),
        _ => Err("Kafka accepts only ASCII user names for password logins; the password need not be ASCII".to_owned()),
    }
}

/// Parses a topic name.
pub(super) fn topic(text: &str) -> Result<String, String> {
    check_topic(text).map(|()| text.to_owned())
}

fn check_topic(text: &str) -> Result<(), String> {
    text.parse::<Topic>().map(|_| ()).map_err(|error| error.to_string())
}

/// Checks the topic name or prefix of an ACL.
pub(super) fn check_topic_pattern(text: &str) -> Result<(), String> {
    match (text, text.strip_suffix('*')) {
        ("*", _) => Err("for every topic use --all-topics".to_owned()),
        (_, Some(prefix)) => Err(format!("for the topics with this prefix use --topic {prefix} --prefix")),
        (_, None) => check_topic(text),
    }
}

/// Checks the group name or prefix of an ACL.
pub(super) fn check_group_pattern(text: &str) -> Result<(), String> {
    match (text, text.strip_suffix('*')) {
        ("*", _) => Err("for every group use --all-groups".to_owned()),
        ("", _) => Err("the group name is empty".to_owned()),
        (_, Some(prefix)) => Err(format!("for the groups with this prefix use --group-prefix {prefix}")),
        (_, None) if text.chars().any(char::is_control) => {
            Err("a group name cannot contain control characters".to_owned())
        }
        (_, None) => Ok(()),
    }
}

/// Parses the name of a consumer group.
pub(super) fn group(text: &str) -> Result<String, String> {
    match text {
        "" => Err("the group name is empty".to_owned()),
        _ if text.chars().any(char::is_control) => Err("a group name cannot contain control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Checks the distribution name of an ACL.
pub(super) fn check_distribution(text: &str) -> Result<(), String> {
    match text.strip_suffix(['*', '-']) {
        Some(name) => Err(format!("use `{name}`, which stands for the ids `{name}-…`")),
        None => check_topic(text),
    }
}

/// Checks the address of an ACL. Brokers compare it as text with the address of the connection, and do not resolve names.
pub(super) fn check_host(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        _ if text == "*" => Err("for every address use --any-host".to_owned()),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not an IP address; Kafka compares addresses and does not resolve names")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_an_error_that_names_the_option() {
        assert!(check_host("*").unwrap_err().contains("--any-host"));
        assert!(check_topic_pattern("*").unwrap_err().contains("--all-topics"));
        assert!(check_topic_pattern("fink_*").unwrap_err().contains("--topic fink_ --prefix"));
        assert!(check_group_pattern("*").unwrap_err().contains("--all-groups"));
        assert!(check_group_pattern("bob*").unwrap_err().contains("--group-prefix bob"));
        assert!(check_distribution("fink-").unwrap_err().contains("`fink`"));
        assert!(user("*").is_err());
    }

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["bob", "Zoë O'Brien", "a,b=c", "\"", "星"] {
            assert_eq!(user(name), Ok(name.to_owned()));
        }
        assert!(new_user("a,b=c \"'").is_ok() && new_user("Zoë").is_err());
        assert!(user("User:bob").is_err() && user("").is_err() && user("a\nb").is_err());
        assert_eq!(topic("fink_a"), Ok("fink_a".to_owned()));
        assert!(topic("fink a").is_err());
        assert!(check_host("127.0.0.1").is_ok() && check_host("::1").is_ok() && check_host("localhost").is_err());
        assert!(check_topic_pattern("fink_").is_ok() && check_group_pattern("my group").is_ok());
        assert!(check_distribution("fink").is_ok());
    }
}

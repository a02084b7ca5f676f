//! The credentials file of fink-client: `~/.finkclient/ztf_credentials.yml`, as `finkctl auth` writes it.
//!
//! It becomes a configuration file with the same lines, so that errors name the right file and line. finkctl never hands `username` to
//! librdkafka; here it is used.

use std::fmt::Write as _;
use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use super::error::ConsumeError;
use crate::secret::Secret;

/// The largest file that is read, bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What a credentials file says.
#[derive(Debug)]
pub struct Credentials {
    /// the same as a configuration file
    pub toml: String,
    /// the password, which no configuration file holds
    pub password: Option<Secret>,
}

/// Reads a credentials file.
///
/// # Errors
/// The file cannot be read, is not YAML, or lacks `servers`.
pub fn read(path: &Path) -> Result<Credentials, ConsumeError> {
    let size = std::fs::metadata(path).map_err(ConsumeError::file("cannot read", path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(ConsumeError::Usage(format!("{} is too long for a file of credentials", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(ConsumeError::file("cannot read", path))?;
    parse(&text).map_err(|reason| ConsumeError::Usage(format!("{}: {reason}", path.display())))
}

fn parse(text: &str) -> Result<Credentials, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| format!("it is not YAML: {error}"))?;
    let Some(document @ Yaml::Hash(_)) = documents.first() else {
        return Err("it is no mapping of keys to values; write it anew with `fink consume login`".to_owned());
    };
    let scalar = |key: &str| match &document[key] {
        Yaml::String(text) => Ok(Some(text.clone())),
        Yaml::Integer(number) => Ok(Some(number.to_string())),
        Yaml::Real(number) => Ok(Some(number.clone())),
        Yaml::Boolean(value) => Ok(Some(value.to_string())),
        Yaml::Null | Yaml::BadValue => Ok(None),
        _ => Err(format!("`{key}` is not a single value")),
    };
    let servers = scalar("servers")?.ok_or("`servers` is missing")?;
    let password = scalar("password")?.filter(|password| !password.is_empty());
    let (username, group) = (scalar("username")?, scalar("groupid")?);
    let topics = topics(document)?;
    // Without a password finkctl uses no login, and clusters that take anybody are set up so.
    let protocol = if password.is_some() { "sasl_plaintext" } else { "plaintext" };

    let mut lines = vec![String::new(); text.lines().count() + 1];
    let mut put = |key: &str, setting: &str, value: String| {
        let line = text.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
        // TOML takes one setting a line; those whose line is not found, or taken, stand after the others.
        match line.filter(|line| lines[*line].is_empty()) {
            Some(line) => lines[line] = format!("{setting} = {value}"),
            None => lines.push(format!("{setting} = {value}")),
        }
    };
    put("servers", "kafka.bootstrap_servers", quoted(&servers));
    put("password", "kafka.security_protocol", quoted(protocol));
    if let (Some(username), true) = (&username, password.is_some()) {
        put("username", "consumer.username", quoted(username));
    }
    if let Some(group) = &group {
        put("groupid", "consumer.group", quoted(group));
    }
    if !topics.is_empty() {
        let list: Vec<String> = topics.iter().map(|topic| quoted(topic)).collect();
        put("topics", "consumer.topics", format!("[{}]", list.join(", ")));
    }
    Ok(Credentials { toml: lines.join("\n"), password: password.map(Secret::new) })
}

/// The topics: the keys of a mapping (fink-client 11 and later), or a list (`mytopics` before).
fn topics(document: &Yaml) -> Result<Vec<String>, String> {
    for key in ["topics", "mytopics"] {
        let names: Vec<Option<&str>> = match &document[key] {
            Yaml::Null | Yaml::BadValue => continue,
            Yaml::Hash(topics) => topics.keys().map(Yaml::as_str).collect(),
            Yaml::Array(topics) => topics.iter().map(Yaml::as_str).collect(),
            _ => return Err(format!("`{key}` is neither a list nor a mapping of topics")),
        };
        let names: Option<Vec<String>> = names.into_iter().map(|name| name.map(str::to_owned)).collect();
        return names.ok_or_else(|| format!("`{key}` holds something else than names"));
    }
    Ok(Vec::new())
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let written = write!(quoted, "\\u{:04X}", u32::from(c));
                debug_assert!(written.is_ok(), "writing to memory does not fail");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Environment, RequiredLogin};
    use crate::kafka::SecurityProtocol;

    /// As `yaml.dump` of fink-client 12.3 writes it.
    const WRITTEN: &str = "groupid: alice_group\nmaxtimeout: 10\npassword: hush'\"hush\nservers: kafka.example.org:24498,other:1\nsurvey: ztf\ntopics:\n  fink_a_ztf: {}\n  fink_b_ztf:\n    slack:\n      channel: '#a'\n      token: t\nusername: alice\n";

    fn configuration(text: &str) -> Configuration {
        let credentials = parse(text).expect("credentials");
        let mut environment = Environment::default();
        if let Some(password) = &credentials.password {
            environment.set_default("FINK_CONSUMER_PASSWORD", password.reveal());
        }
        let read = Configuration::parse(Path::new("x/ztf_credentials.yml"), &credentials.toml, &[], &environment);
        read.unwrap_or_else(|error| panic!("{error}\n{}", credentials.toml))
    }

    #[test]
    fn what_finkctl_writes_is_a_configuration() {
        let configuration = configuration(WRITTEN);
        let settings = configuration.settings(RequiredLogin::Consumer).expect("settings");
        assert_eq!(settings.kafka.bootstrap_servers, "kafka.example.org:24498,other:1");
        assert_eq!(settings.kafka.security_protocol, SecurityProtocol::SaslPlaintext);
        let login = settings.kafka.login.expect("a login");
        assert_eq!((login.username.as_str(), login.password.reveal()), ("alice", "hush'\"hush"));
        assert_eq!(settings.consumer.group.as_deref(), Some("alice_group"));
        assert_eq!(settings.consumer.topics, ["fink_a_ztf", "fink_b_ztf"]);
        let entry = configuration.entries.iter().find(|entry| entry.key == "consumer.group").expect("an entry");
        assert_eq!(entry.origin.to_string(), "x/ztf_credentials.yml:1");
    }

    #[test]
    fn no_password_is_no_login() {
        let settings =
            configuration("servers: localhost:9093\nusername: test\npassword: null\ngroupid: g\nmytopics: [a, b]\n");
        let settings = settings.settings(RequiredLogin::Consumer).expect("settings");
        assert_eq!(settings.kafka.security_protocol, SecurityProtocol::Plaintext);
        assert_eq!((settings.kafka.login, settings.consumer.topics), (None, vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn what_is_no_credentials_file_says_why() {
        for (text, reason) in [
            ("username: a\n", "`servers` is missing"),
            ("- a\n", "no mapping"),
            ("a: [\n", "not YAML"),
            ("servers: {a: 1}\n", "`servers` is not a single value"),
            ("servers: a:1\ntopics: 3\n", "`topics` is neither"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

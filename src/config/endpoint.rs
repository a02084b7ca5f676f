//! The address of a web service that is sent a secret.

use std::path::Path;

use serde_json::Value;

use super::file::RawValue;
use super::value::Setting;

/// The URL of a web service to which a secret may be sent: with TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Slack's method that posts a message.
    pub fn slack() -> Self {
        Self("https://slack.com/api/chat.postMessage".to_owned())
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with `url`, in words.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host,
            _ => authority,
        };
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if authority.contains('@') {
            return Err("a user or a password has no place in it: leave out what stands before the `@`".to_owned());
        }
        let is_address = host != name && name.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_printable = rest.bytes().all(|b| b.is_ascii_graphic());
        let is_here = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|host| host.is_loopback());
        match scheme {
            "https" | "http" if !(is_address || is_name) || !is_printable => {
                Err(format!("`{url}` is no URL: write `https://host/path`"))
            }
            "https" => Ok(Self(url.to_owned())),
            "http" if is_here => Ok(Self(url.to_owned())),
            "http" => {
                Err(format!("the token would travel to {host} for everybody to read: write `https://` for `http://`"))
            }
            _ => Err(format!("`{url}` is no URL: write `https://host/path`")),
        }
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::slack()
    }
}

impl Setting for Endpoint {
    fn parse(given: &RawValue, folder: &Path) -> Result<Self, String> {
        Self::parse(&String::parse(given, folder)?)
    }

    fn show(&self) -> Value {
        Value::from(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_tls_or_on_this_machine_is_taken() {
        for url in [
            "https://slack.com/api/chat.postMessage",
            "https://slack.example.org:8443/x?y=z",
            "http://127.0.0.1:8080/",
            "http://localhost/api",
            "http://[::1]:1/",
        ] {
            assert_eq!(Endpoint::parse(url).map(|endpoint| endpoint.as_str().to_owned()), Ok(url.to_owned()));
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in
            ["", "slack.com", "ftp://slack.com/", "http://slack.com/api", "https://", "https://a b/", "https:///x"]
        {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
        assert!(Endpoint::parse("https://me:secret@slack.com/").is_err_and(|reason| !reason.contains("secret")));
    }
}

//! The URL of a web service that receives a secret.

use ureq::http::Uri;

/// The URL of a web service to which a secret may be sent: with TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Slack's method that posts a message.
    pub fn slack() -> Self {
        Self("https://slack.com/api/chat.postMessage".to_owned())
    }

    /// Parses a URL.
    ///
    /// # Errors
    /// A message. It never contains a user or password of the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next();
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err("the URL must not contain a user or a password: remove the part before the `@`".to_owned());
        }
        let invalid = || format!("`{url}` is not a URL: use `https://host/path`");
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(invalid)?;
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => Ok(Self(url.to_owned())),
            Some("http") if is_loopback => Ok(Self(url.to_owned())),
            Some("http") => {
                Err(format!("the token would be sent to {host} unencrypted: use `https://` instead of `http://`"))
            }
            _ => Err(invalid()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_tls_or_on_this_machine_is_accepted() {
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
    fn other_urls_are_rejected() {
        for url in
            ["", "slack.com", "ftp://slack.com/", "http://slack.com/api", "https://", "https://a b/", "https:///x"]
        {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
        assert!(Endpoint::parse("https://me:secret@slack.com/").is_err_and(|reason| !reason.contains("secret")));
    }
}

//! What a client asks for.

use std::net::SocketAddr;

/// A request. The parts are as the client has sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// the path, without the query
    pub path: String,
    /// what follows `?`, percent-encoded; empty: nothing
    pub query: String,
    /// the header `Host`
    pub host: String,
}

impl Request {
    /// The parts of a parsed request.
    pub(super) fn from_parsed(parsed: &httparse::Request<'_, '_>) -> Self {
        let (path, query) = match parsed.path.unwrap_or("/").split_once('?') {
            Some((path, query)) => (path, query),
            None => (parsed.path.unwrap_or("/"), ""),
        };
        let host = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
        let host = host.map_or(String::new(), |host| String::from_utf8_lossy(host.value).into_owned());
        Self { path: path.to_owned(), query: query.to_owned(), host }
    }

    /// The decoded value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decode(value)).next()
    }
}

/// The text without percent-encoding; what is not UTF-8 is replaced.
fn percent_decode(text: &str) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.first_chunk::<2>()).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Whether a request's `Host` is this address, as a browser writes it after a visit to `http://ADDRESS/`. A page of another site that has its
/// name resolved to this address (DNS rebinding) sends its own name.
pub fn is_host(host: &str, address: SocketAddr) -> bool {
    let port = address.port();
    let name = match host.rsplit_once(':') {
        Some((name, digits)) if digits.parse() == Ok(port) => name,
        _ if port == 80 => host,
        _ => return false,
    };
    name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse() == Ok(address.ip())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_parameter_of_the_query_is_decoded() {
        let request = Request { query: "where=a%20%3C+1%zz&n=2".to_owned(), ..Request::default() };
        assert_eq!(request.parameter("where").as_deref(), Some("a < 1%zz"));
        assert_eq!((request.parameter("n").as_deref(), request.parameter("m")), (Some("2"), None));
    }

    #[test]
    fn only_this_machine_is_the_host() {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080);
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            assert!(is_host(host, address), "{host}");
        }
        for host in
            ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8080", "127.0.0.1.evil.example:8080", "127.0.0.2:8080"]
        {
            assert!(!is_host(host, address), "{host}");
        }
        assert!(is_host("127.0.0.1", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 80)));
        assert!(is_host("[::1]:8080", SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 8080)));
    }
}

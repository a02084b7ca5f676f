//! Lists of addresses: `host:port`, separated by commas.

/// Parses `host:port,…`, at least one address. Blanks around an address are ignored. An IPv6 address is in brackets.
///
/// # Errors
/// A message that quotes the address.
pub fn parse_addresses(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|address| parse_address(address.trim())).collect()
}

fn parse_address(address: &str) -> Result<String, String> {
    let reason = |what: &str| format!("`{address}` is not an address: {what}; use `host:port`, separated by commas");
    let (host, port) = address.rsplit_once(':').ok_or_else(|| reason("it has no port"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fits = match bare {
        Some(ipv6) => ipv6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    if !fits {
        return Err(reason("its host is neither a name nor an IP address"));
    }
    match port.parse::<u16>() {
        Ok(1..) if port.bytes().all(|b| b.is_ascii_digit()) => Ok(address.to_owned()),
        _ => Err(reason("its port is not a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed() {
        assert_eq!(
            parse_addresses("a.b-c:9090, 127.0.0.1:1,[::1]:65535"),
            Ok(vec!["a.b-c:9090".to_owned(), "127.0.0.1:1".to_owned(), "[::1]:65535".to_owned()])
        );
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "host",
            "host:",
            ":9090",
            "host:0",
            "host:65536",
            "host:+1",
            "a:1,",
            "http://a:1",
            "::1:9090",
            "[x]:1",
            "a b:1",
        ] {
            assert!(parse_addresses(text).is_err(), "{text}");
        }
    }
}

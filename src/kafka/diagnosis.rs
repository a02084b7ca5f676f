//! The reason why a connection does not work. librdkafka has the same message for many faults, and none for some, so this opens a connection of its
//! own to the broker, without a login.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::kafka::connection_status::{ConnectionFault, FaultKind};
use crate::kafka::settings::KafkaSettings;
use crate::kafka::tls;

/// The timeout of connecting to a broker, and of each response.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// a retry may succeed: the broker is down, its name is unknown
    Transient(String),
    /// the settings or the brokers have to be changed
    Permanent(String),
}

/// Where the address of a broker comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// `kafka.bootstrap_servers`
    Settings,
    /// the brokers' `advertised.listeners`
    Brokers,
}

/// The address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// name or IP address
    pub host: String,
    /// port
    pub port: u16,
    /// where it comes from
    pub source: AddressSource,
}

impl BrokerAddress {
    pub(super) fn parse(text: &str, source: AddressSource) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()?, source })
    }

    /// `host:port`, with its source unless that is the settings.
    fn named(&self) -> String {
        match self.source {
            AddressSource::Settings => format!("{}:{}", self.host, self.port),
            AddressSource::Brokers => format!("{}:{} (from the brokers' advertised.listeners)", self.host, self.port),
        }
    }

    /// What to do where the address itself is wrong.
    fn correct(&self) -> &'static str {
        match self.source {
            AddressSource::Settings => "correct kafka.bootstrap_servers",
            AddressSource::Brokers => "correct advertised.listeners in the brokers' configuration",
        }
    }
}

/// Finds the reason of a fault. Connects to one to three brokers, one after the other.
pub(super) fn diagnose(settings: &KafkaSettings, fault: &ConnectionFault) -> Option<Diagnosis> {
    let configured = || settings.bootstrap_servers.split(',');
    let addresses: Vec<BrokerAddress> = match address_in(&fault.reason, &settings.bootstrap_servers) {
        Some(address) => vec![address],
        // Each may take the whole timeout, so not all of them.
        None => {
            configured().take(3).filter_map(|text| BrokerAddress::parse(text.trim(), AddressSource::Settings)).collect()
        }
    };
    if fault.kind == FaultKind::AuthenticationRefused {
        let address = addresses.first()?;
        return takes_no_login(&fault.reason).then(|| Diagnosis::Permanent(no_login(settings, address)));
    }
    addresses.iter().find_map(|address| probe(settings, address))
}

/// Whether librdkafka reports a listener without logins. Its code is the same as for a wrong password.
fn takes_no_login(reason: &str) -> bool {
    reason.contains("mechanism handshake failed") && reason.contains("current SASL state")
}

/// The address at the beginning of librdkafka's message: `sasl_ssl://host:port/bootstrap: …`, `host:port/1: …`, or
/// `sasl_ssl://TxnCoordinator: host:port: …`.
fn address_in(reason: &str, bootstrap_servers: &str) -> Option<BrokerAddress> {
    let reason = reason.split_once("://").filter(|(before, _)| !before.contains(' ')).map_or(reason, |(_, rest)| rest);
    let (name, rest) = reason.split_once(": ")?;
    let address = match name.split_once('/') {
        Some((address, _)) => address,
        None => rest.split_once(": ")?.0,
    };
    let is_configured = bootstrap_servers.split(',').any(|server| server.trim() == address);
    BrokerAddress::parse(address, if is_configured { AddressSource::Settings } else { AddressSource::Brokers })
}

/// Connects to a broker with the security protocol of the settings, and asks whether it has logins; `None`: it works as the settings expect.
pub fn probe(settings: &KafkaSettings, address: &BrokerAddress) -> Option<Diagnosis> {
    let at = address.named();
    let stream = match connect(address) {
        Ok(stream) => stream,
        Err(finding) => return Some(finding),
    };
    if !settings.security_protocol.uses_tls() {
        let mut stream = stream;
        return match has_logins(&mut stream) {
            Ok(has_logins) => login_fault(settings, address, has_logins),
            Err(_) if supports_tls(settings, address) => Some(Diagnosis::Permanent(format!(
                "{at} requires TLS: set kafka.security_protocol to \"{}\", with kafka.ssl_ca, or use the port of a listener without TLS",
                if settings.security_protocol.uses_login() { "sasl_ssl" } else { "ssl" }
            ))),
            Err(error) => Some(Diagnosis::Transient(silent(&at, &error))),
        };
    }
    match tls::handshake(settings, &address.host, stream) {
        Err(error) => Some(Diagnosis::Permanent(error.to_string())),
        Ok(None) if supports_plaintext(address) => Some(Diagnosis::Permanent(format!(
            "{at} does not support TLS: use the port of a TLS listener, or set kafka.security_protocol to \"{}\"",
            if settings.security_protocol.uses_login() { "sasl_plaintext" } else { "plaintext" }
        ))),
        Ok(None) => Some(Diagnosis::Transient(format!(
            "{at} accepts connections, but the TLS handshake fails: see the broker's log, and whether it is a Kafka listener"
        ))),
        Ok(Some(greeting)) => match greeting.fault {
            Some(fault) => {
                let text = fault.describe(&at, &address.host, &tls::files(settings), address.correct());
                Some(Diagnosis::Permanent(text))
            }
            None => {
                let mut stream = greeting.stream;
                match has_logins(&mut stream) {
                    Ok(has_logins) => login_fault(settings, address, has_logins),
                    // With TLS 1.3 a broker rejects the client's certificate only after the handshake.
                    Err(error) if error.to_string().contains("alert") => {
                        Some(Diagnosis::Permanent(client_certificate(settings, &at)))
                    }
                    Err(error) => Some(Diagnosis::Transient(silent(&at, &error))),
                }
            }
        },
    }
}

/// Why an address does not accept TCP connections; `None`: it does.
pub(super) fn unreachable(address: &BrokerAddress) -> Option<String> {
    match connect(address) {
        Err(Diagnosis::Transient(reason) | Diagnosis::Permanent(reason)) => Some(reason),
        Ok(_) => None,
    }
}

fn connect(address: &BrokerAddress) -> Result<TcpStream, Diagnosis> {
    let (at, correct) = (address.named(), address.correct());
    let addresses = match (address.host.trim_matches(['[', ']']), address.port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => {
            return Err(Diagnosis::Transient(format!(
                "cannot resolve the name of {at} ({error}): {correct}, or the name service"
            )));
        }
    };
    let mut failure = None;
    for socket_address in addresses {
        match TcpStream::connect_timeout(&socket_address, PROBE_TIMEOUT) {
            Ok(stream) => {
                let limits =
                    stream.set_read_timeout(Some(PROBE_TIMEOUT)).and(stream.set_write_timeout(Some(PROBE_TIMEOUT)));
                return limits.map(|()| stream).map_err(|error| Diagnosis::Transient(silent(&at, &error)));
            }
            Err(error) => failure = Some(error),
        }
    }
    let (problem, remedy) = match failure.as_ref().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => ("nothing listens at", "start the broker"),
        _ => ("cannot connect to", "check the broker and firewalls"),
    };
    let error = failure.map_or_else(|| "it has no address".to_owned(), |error| error.to_string().to_lowercase());
    Err(Diagnosis::Transient(format!("{problem} {at}, {error}: {remedy}, or {correct}")))
}

fn silent(at: &str, error: &std::io::Error) -> String {
    // A read that times out is EAGAIN, and its message does not say that the broker is stopped or overloaded.
    if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) {
        let seconds = PROBE_TIMEOUT.as_secs();
        return format!(
            "{at} accepts connections, but has not answered for {seconds} s: see the broker's log, and whether it is a Kafka listener"
        );
    }
    format!(
        "{at} accepts connections, but does not respond as Kafka does ({error}): see the broker's log, and whether it is a Kafka listener"
    )
}

fn login_fault(settings: &KafkaSettings, address: &BrokerAddress, has_logins: bool) -> Option<Diagnosis> {
    match (has_logins, settings.security_protocol.uses_login()) {
        (true, false) => Some(Diagnosis::Permanent(format!(
            "{} requires a login: set kafka.security_protocol to \"{}\", with kafka.username and kafka.password_file",
            address.named(),
            if settings.security_protocol.uses_tls() { "sasl_ssl" } else { "sasl_plaintext" }
        ))),
        (false, true) => Some(Diagnosis::Permanent(no_login(settings, address))),
        _ => None,
    }
}

fn no_login(settings: &KafkaSettings, address: &BrokerAddress) -> String {
    format!(
        "{} has no logins: set kafka.security_protocol to \"{}\", or use the port of a listener with logins",
        address.named(),
        if settings.security_protocol.uses_tls() { "ssl" } else { "plaintext" }
    )
}

fn client_certificate(settings: &KafkaSettings, at: &str) -> String {
    match &settings.ssl_certificate {
        None => format!("{at} requires a client certificate: set kafka.ssl_certificate and kafka.ssl_key"),
        Some(path) => format!(
            "{at} rejects the client certificate {}: it must be valid, and issued by a CA that the brokers trust",
            path.display()
        ),
    }
}

fn supports_tls(settings: &KafkaSettings, address: &BrokerAddress) -> bool {
    // Neither the server's certificate nor the client's matters here.
    let bare = KafkaSettings { ssl_ca: None, ssl_certificate: None, ssl_key: None, ..settings.clone() };
    connect(address).is_ok_and(|stream| matches!(tls::handshake(&bare, &address.host, stream), Ok(Some(_))))
}

fn supports_plaintext(address: &BrokerAddress) -> bool {
    connect(address).is_ok_and(|mut stream| has_logins(&mut stream).is_ok())
}

/// Sends a SaslHandshake request, which needs no login and has no secret. Returns whether the listener has logins.
///
/// # Errors
/// No response, or one that is not Kafka's.
fn has_logins(stream: &mut (impl Read + Write)) -> std::io::Result<bool> {
    // SaslHandshake, version 1: length, key 17, version, correlation, client `fink`, mechanism `SCRAM-SHA-512`.
    const REQUEST: &[u8] = b"\x00\x00\x00\x1d\x00\x11\x00\x01\x66\x69\x6e\x6b\x00\x04fink\x00\x0dSCRAM-SHA-512";
    const CORRELATION: &[u8] = b"fink";
    const ILLEGAL_SASL_STATE: [u8; 2] = [0, 34];
    stream.write_all(REQUEST)?;
    stream.flush()?;
    // Length, correlation, error code.
    let mut response = [0; 10];
    stream.read_exact(&mut response)?;
    match (response.get(4..8), response.get(8..10)) {
        (Some(CORRELATION), Some(code)) => Ok(code != ILLEGAL_SASL_STATE),
        _ => Err(std::io::Error::other("the response is not Kafka's")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_hangs_is_told_from_a_server_that_is_not_kafka() {
        let of = |kind: std::io::ErrorKind| silent("a:1", &kind.into());
        assert!(
            of(std::io::ErrorKind::WouldBlock).starts_with("a:1 accepts connections, but has not answered for 3 s:")
        );
        let other = of(std::io::ErrorKind::UnexpectedEof);
        assert!(other.contains("does not respond as Kafka does (unexpected end of file)"), "{other}");
    }

    #[test]
    fn the_address_is_parsed_from_librdkafkas_message() {
        let of = |reason| address_in(reason, "127.0.0.1:9093, b2:9093").map(|a| (a.host, a.port, a.source));
        let settings = |host: &str, port| Some((host.to_owned(), port, AddressSource::Settings));
        assert_eq!(of("sasl_ssl://127.0.0.1:9093/bootstrap: Connect failed"), settings("127.0.0.1", 9093));
        assert_eq!(of("b2:9093/2: Connect to ipv4#10.0.0.1:1 failed"), settings("b2", 9093));
        let brokers = Some(("b3".to_owned(), 9094, AddressSource::Brokers));
        assert_eq!(of("sasl_ssl://b3:9094/3: SSL handshake failed"), brokers);
        assert_eq!(of("sasl_ssl://TxnCoordinator: b3:9094: Connect failed"), brokers);
        assert_eq!(of("ssl://[::1]:9094/1: x").map(|a| a.0), Some("[::1]".to_owned()));
        assert_eq!(of("1/1 brokers are down"), None);
    }
}

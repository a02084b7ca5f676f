//! Why no connection comes about. librdkafka says the same words for many faults, and nothing for some: so the broker is asked once more,
//! by a connection of our own, without a login.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::config::{KafkaSettings, SecurityProtocol};
use crate::kafka::connection_status::{ConnectionFault, FaultKind};
use crate::kafka::tls::{self, CertificateFault};

/// How long a broker may take to take a connection, and to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// it may pass: a broker that is away, a name that is not known
    Transient(String),
    /// it stays until somebody changes something
    Permanent(String),
}

/// Where the address of a broker is from.
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
    /// where it is from
    pub source: AddressSource,
}

impl BrokerAddress {
    fn parse(text: &str, source: AddressSource) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()?, source })
    }

    /// `host:port`, and if somebody else than the user has named it, who.
    fn named(&self) -> String {
        match self.source {
            AddressSource::Settings => format!("{}:{}", self.host, self.port),
            AddressSource::Brokers => format!("{}:{} (from the brokers' advertised.listeners)", self.host, self.port),
        }
    }

    /// The way out where the address itself is wrong.
    fn correct(&self) -> &'static str {
        match self.source {
            AddressSource::Settings => "correct kafka.bootstrap_servers",
            AddressSource::Brokers => "correct advertised.listeners in the brokers' configuration",
        }
    }
}

/// Finds out what stands behind a trouble of the connection.
pub(super) fn diagnose(settings: &KafkaSettings, fault: &ConnectionFault) -> Option<Diagnosis> {
    let of_settings = || settings.bootstrap_servers.split(',');
    let addresses: Vec<BrokerAddress> = match address_in(&fault.reason, &settings.bootstrap_servers) {
        Some(address) => vec![address],
        // Not more than a few: each may take its time.
        None => of_settings()
            .take(3)
            .filter_map(|text| BrokerAddress::parse(text.trim(), AddressSource::Settings))
            .collect(),
    };
    if fault.kind == FaultKind::AuthenticationRefused {
        let address = addresses.first()?;
        return takes_no_login(&fault.reason).then(|| Diagnosis::Permanent(no_login(settings, address)));
    }
    addresses.iter().find_map(|address| probe(settings, address))
}

/// librdkafka's words where a listener knows no logins. (The code is the same as for a wrong password.)
fn takes_no_login(reason: &str) -> bool {
    reason.contains("mechanism handshake failed") && reason.contains("current SASL state")
}

/// The address at the beginning of librdkafka's words: `sasl_ssl://host:port/bootstrap: …`, `host:port/1: …`, or
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

/// Connects to a broker as the settings say, and asks whether it takes logins; `None`: it is as the settings expect it.
pub fn probe(settings: &KafkaSettings, address: &BrokerAddress) -> Option<Diagnosis> {
    let at = address.named();
    let stream = match connect(address) {
        Ok(stream) => stream,
        Err(finding) => return Some(finding),
    };
    if !tls::is_used(settings) {
        let mut stream = stream;
        return match asks_for_login(&mut stream) {
            Ok(asks) => login_fault(settings, address, asks),
            Err(_) if speaks_tls(settings, address) => Some(Diagnosis::Permanent(format!(
                "{at} speaks TLS, and kafka.security_protocol does not: set it to \"{}\", with kafka.ssl_ca, or take the port of a listener without TLS",
                if has_login(settings) { "sasl_ssl" } else { "ssl" }
            ))),
            Err(error) => Some(Diagnosis::Transient(silent(&at, &error))),
        };
    }
    match tls::handshake(settings, &address.host, stream) {
        Err(error) => Some(Diagnosis::Permanent(error.to_string())),
        Ok(None) if speaks_plainly(address) => Some(Diagnosis::Permanent(format!(
            "{at} speaks no TLS: take the port of a TLS listener, or set kafka.security_protocol to \"{}\"",
            if has_login(settings) { "sasl_plaintext" } else { "plaintext" }
        ))),
        Ok(None) => Some(Diagnosis::Transient(format!(
            "{at} takes connections, but agrees on no TLS: see the broker's log, and whether it is a Kafka listener"
        ))),
        Ok(Some(greeting)) => match greeting.fault {
            Some(fault) => Some(Diagnosis::Permanent(certificate_fault(settings, address, &fault))),
            None => {
                let mut stream = greeting.stream;
                match asks_for_login(&mut stream) {
                    Ok(asks) => login_fault(settings, address, asks),
                    // With TLS 1.3 a broker says only after the handshake that it does not take the client.
                    Err(error) if error.to_string().contains("alert") => {
                        Some(Diagnosis::Permanent(client_certificate(settings, &at)))
                    }
                    Err(error) => Some(Diagnosis::Transient(silent(&at, &error))),
                }
            }
        },
    }
}

fn connect(address: &BrokerAddress) -> Result<TcpStream, Diagnosis> {
    let (at, correct) = (address.named(), address.correct());
    let places = match (address.host.trim_matches(['[', ']']), address.port).to_socket_addrs() {
        Ok(places) => places,
        Err(error) => {
            return Err(Diagnosis::Transient(format!(
                "the name of {at} is not known here ({error}): {correct}, or the name service"
            )));
        }
    };
    let mut failure = None;
    for place in places {
        match TcpStream::connect_timeout(&place, PROBE_TIMEOUT) {
            Ok(stream) => {
                let limits =
                    stream.set_read_timeout(Some(PROBE_TIMEOUT)).and(stream.set_write_timeout(Some(PROBE_TIMEOUT)));
                return limits.map(|()| stream).map_err(|error| Diagnosis::Transient(silent(&at, &error)));
            }
            Err(error) => failure = Some(error),
        }
    }
    let (words, way_out) = match failure.as_ref().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => ("nothing listens at", "start the broker"),
        _ => ("no connection comes about with", "look at the broker and at firewalls"),
    };
    let error = failure.map_or_else(|| "it has no address".to_owned(), |error| error.to_string().to_lowercase());
    Err(Diagnosis::Transient(format!("{words} {at}, {error}: {way_out}, or {correct}")))
}

fn silent(at: &str, error: &std::io::Error) -> String {
    format!(
        "{at} takes connections, but does not answer as Kafka does ({error}): see the broker's log, and whether the port is Kafka's"
    )
}

fn has_login(settings: &KafkaSettings) -> bool {
    matches!(settings.security_protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
}

fn login_fault(settings: &KafkaSettings, address: &BrokerAddress, asks: bool) -> Option<Diagnosis> {
    match (asks, has_login(settings)) {
        (true, false) => Some(Diagnosis::Permanent(format!(
            "{} asks for a login: set kafka.security_protocol to \"{}\", with kafka.username and kafka.password_file",
            address.named(),
            if tls::is_used(settings) { "sasl_ssl" } else { "sasl_plaintext" }
        ))),
        (false, true) => Some(Diagnosis::Permanent(no_login(settings, address))),
        _ => None,
    }
}

fn no_login(settings: &KafkaSettings, address: &BrokerAddress) -> String {
    format!(
        "{} takes no logins: set kafka.security_protocol to \"{}\", or take the port of a listener for logins",
        address.named(),
        if tls::is_used(settings) { "ssl" } else { "plaintext" }
    )
}

fn certificate_fault(settings: &KafkaSettings, address: &BrokerAddress, fault: &CertificateFault) -> String {
    let at = address.named();
    match fault {
        CertificateFault::UnknownAuthority(issuer) => {
            let by = match &settings.ssl_ca {
                Some(path) => format!("which is not in kafka.ssl_ca ({})", path.display()),
                None => "which this machine does not know".to_owned(),
            };
            format!(
                "the certificate of {at} was issued by `{issuer}`, {by}: set kafka.ssl_ca to a file with that authority's certificate"
            )
        }
        CertificateFault::NameMismatch(names) => {
            let host = &address.host;
            let (names, correct) = (names.join(", "), address.correct());
            format!(
                "the certificate of {at} is for {names}, not for {host}: {correct}, or have a certificate made for {host}"
            )
        }
        CertificateFault::NotValidNow(from, until) => {
            format!(
                "the certificate of {at} is valid from {from} until {until} only: have it renewed, or set this machine's clock"
            )
        }
        CertificateFault::Other(words) => {
            format!("the certificate of {at} is not trusted ({words}): have another one made, or correct kafka.ssl_ca")
        }
    }
}

fn client_certificate(settings: &KafkaSettings, at: &str) -> String {
    match &settings.ssl_certificate {
        None => format!("{at} asks for a client's certificate: set kafka.ssl_certificate and kafka.ssl_key"),
        Some(path) => format!(
            "{at} does not take the certificate {}: it must be valid, and issued by an authority that the brokers trust",
            path.display()
        ),
    }
}

fn speaks_tls(settings: &KafkaSettings, address: &BrokerAddress) -> bool {
    // Whose certificate it is does not matter here, and our own need not be shown.
    let bare = KafkaSettings { ssl_ca: None, ssl_certificate: None, ssl_key: None, ..settings.clone() };
    connect(address).is_ok_and(|stream| matches!(tls::handshake(&bare, &address.host, stream), Ok(Some(_))))
}

fn speaks_plainly(address: &BrokerAddress) -> bool {
    connect(address).is_ok_and(|mut stream| asks_for_login(&mut stream).is_ok())
}

/// Asks Kafka whether it would take a login by SCRAM: a question that may come first, and that holds no secret.
///
/// # Errors
/// Nothing was answered, or nothing that Kafka would say.
fn asks_for_login(stream: &mut (impl Read + Write)) -> std::io::Result<bool> {
    // SaslHandshake, version 1: length, key 17, version, correlation, client `fink`, mechanism `SCRAM-SHA-512`.
    const QUESTION: &[u8] = b"\x00\x00\x00\x1d\x00\x11\x00\x01\x66\x69\x6e\x6b\x00\x04fink\x00\x0dSCRAM-SHA-512";
    const CORRELATION: &[u8] = b"fink";
    const ILLEGAL_SASL_STATE: [u8; 2] = [0, 34];
    stream.write_all(QUESTION)?;
    stream.flush()?;
    // Length, correlation, error code.
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    match (answer.get(4..8), answer.get(8..10)) {
        (Some(CORRELATION), Some(code)) => Ok(code != ILLEGAL_SASL_STATE),
        _ => Err(std::io::Error::other("another answer than Kafka's")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_in_librdkafkas_words() {
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

//! What a server is that does not respond as a server of HBase: for error messages.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::exception::ServerException;
use super::frame::{self, CONNECTION_CALL_ID, SECURITY_PREAMBLE};
use super::proto::SecurityPreamableResponse;
use crate::cancel::CancellationToken;
use crate::science_db::gateway::Gateways;
use crate::science_db::{ScienceDbError, Timeouts, thrift2};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslVerifyMode};
use prost::Message;

/// How long one attempt to identify a server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer that is looked at.
const MAX_ANSWER_BYTES: u32 = 1 << 16;
/// Kafka's `ApiVersions`, version 0, correlation id 1, no client id: every broker answers it, before any login.
const KAFKA_API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// ZooKeeper's command for its version and state, which every server answers unless it is configured not to.
const ZOOKEEPER_COMMAND: &[u8] = b"srvr";

/// What to do instead.
const ADVICE: &str =
    "science_db.address must name masters or region servers (their RPC ports, by default 16000 and 16020)";

/// What the server at `address` is that closes connections instead of answering. `None`: unknown. `has_tls`: whether the connections used TLS.
pub(crate) fn identify(address: &str, has_tls: bool, cancel: &CancellationToken) -> Option<String> {
    if let Some(version) = thrift_version(address, cancel) {
        return Some(format!(
            "it is a Thrift {version} gateway: set science_db.kind = \"thrift{version}\", or {ADVICE}"
        ));
    }
    if is_kafka(address) {
        return Some(format!("it is a Kafka broker: {ADVICE}"));
    }
    if !has_tls && speaks_tls(address) {
        return Some(format!(
            "it requires TLS: set science_db.security_protocol = \"ssl\", with science_db.ssl_ca; {ADVICE}"
        ));
    }
    if has_tls && ask(address, &SECURITY_PREAMBLE).is_some() {
        return Some(String::from(
            "it does not support TLS: set science_db.security_protocol = \"plaintext\", or turn TLS on in HBase \
             (hbase.server.netty.tls.enabled = true)",
        ));
    }
    if has_tls && is_web_server(address) {
        return Some(web_server());
    }
    if is_zookeeper(address) {
        return Some(format!("it is a ZooKeeper server, which fink does not need to find HBase: {ADVICE}"));
    }
    None
}

/// What a server is whose answer is not HBase's. `reason` quotes its beginning.
pub(crate) fn of_answer(reason: &str) -> String {
    match reason.contains("\"HTTP\"") {
        true => web_server(),
        false => format!("it does not speak HBase's RPC ({reason}): {ADVICE}"),
    }
}

fn web_server() -> String {
    format!("it is a web server, as the info port of a master or region server: {ADVICE}")
}

/// The error of a server that refuses the connection or the call.
pub(crate) fn rejection(address: &str, exception: &ServerException) -> ScienceDbError {
    let reason = match kerberos_principal(address) {
        Some(principal) => format!(
            "it requires Kerberos (server principal {principal}), which fink does not support: use a Thrift gateway \
             (science_db.kind = \"thrift2\"), which can log in with a keytab"
        ),
        None => exception.to_string(),
    };
    ScienceDbError::Refused { address: address.to_owned(), reason }
}

fn connect(address: &str) -> Option<TcpStream> {
    let mut sockets = address.to_socket_addrs().ok()?;
    let tcp = sockets.find_map(|socket| TcpStream::connect_timeout(&socket, TIMEOUT).ok())?;
    tcp.set_read_timeout(Some(TIMEOUT)).ok()?;
    tcp.set_write_timeout(Some(TIMEOUT)).ok()?;
    Some(tcp)
}

/// Sends `question` and reads an answer that begins with its length, four bytes.
fn ask(address: &str, question: &[u8]) -> Option<Vec<u8>> {
    let mut tcp = connect(address)?;
    tcp.write_all(question).ok()?;
    let mut length = [0; 4];
    tcp.read_exact(&mut length).ok()?;
    let len = Some(u32::from_be_bytes(length)).filter(|len| *len <= MAX_ANSWER_BYTES)?;
    let mut answer = vec![0; len as usize];
    tcp.read_exact(&mut answer).ok()?;
    Some(answer)
}

fn is_kafka(address: &str) -> bool {
    ask(address, &KAFKA_API_VERSIONS).is_some_and(|answer| answer.starts_with(&[0, 0, 0, 1]))
}

fn is_web_server(address: &str) -> bool {
    let ask = || -> Option<bool> {
        let mut tcp = connect(address)?;
        tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = [0; 5];
        tcp.read_exact(&mut answer).ok()?;
        Some(&answer == b"HTTP/")
    };
    ask().unwrap_or(false)
}

/// Whether the server sends a certificate, valid or not. By default HBase then asks for the client's.
fn speaks_tls(address: &str) -> bool {
    let shake_hands = || {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).ok()?;
        connector.set_verify(SslVerifyMode::NONE);
        let configured = connector.build().configure().ok()?.verify_hostname(false).use_server_name_indication(false);
        let has_certificate = match configured.connect("", connect(address)?) {
            Ok(_) => true,
            Err(HandshakeError::Failure(broken) | HandshakeError::WouldBlock(broken)) => {
                broken.ssl().peer_certificate().is_some()
            }
            Err(HandshakeError::SetupFailure(_)) => false,
        };
        Some(has_certificate)
    };
    shake_hands().unwrap_or(false)
}

/// It answers a command with text, also to say that it is not configured to answer it.
fn is_zookeeper(address: &str) -> bool {
    let ask = || -> Option<Vec<u8>> {
        let mut tcp = connect(address)?;
        tcp.write_all(ZOOKEEPER_COMMAND).ok()?;
        let mut answer = Vec::new();
        // A part of the answer is enough.
        let _reset = tcp.take(u64::from(MAX_ANSWER_BYTES)).read_to_end(&mut answer);
        Some(answer)
    };
    ask().is_some_and(|answer| answer.starts_with(b"Zookeeper version") || answer.starts_with(b"srvr is not executed"))
}

/// The version of the Thrift gateway at `address`, if it is one.
fn thrift_version(address: &str, cancel: &CancellationToken) -> Option<u8> {
    let timeouts = Timeouts { handshake: TIMEOUT, handshake_alone: TIMEOUT, read: TIMEOUT, ..Timeouts::default() };
    let health = thrift2::INTERFACE.health(&[address.to_owned()], timeouts);
    match Gateways::open(thrift2::INTERFACE, &health, 0, cancel) {
        Ok(_) => Some(2),
        Err(ScienceDbError::WrongServer { found, .. }) => Some(found),
        Err(_) => None,
    }
}

/// The principal that the server has with Kerberos. `None`: the server does not use Kerberos.
fn kerberos_principal(address: &str) -> Option<String> {
    let frame = ask(address, &SECURITY_PREAMBLE)?;
    let parts = frame::split_response(&frame).ok()?;
    if parts.header.call_id != Some(CONNECTION_CALL_ID) || parts.header.exception.is_some() {
        return None;
    }
    Some(SecurityPreamableResponse::decode(&frame[parts.message]).ok()?.server_principal)
}

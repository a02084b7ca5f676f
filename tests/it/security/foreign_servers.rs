//! Servers that are not the cluster's: with certificates that are not to be trusted, and with another protocol.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

const DAY: i64 = 24 * 60 * 60;

/// A server on 127.0.0.1 whose certificate was valid until yesterday; writes the certificate, which is its own authority, to `ca`.
pub fn with_old_certificate(ca: &Path) -> String {
    with_certificate(ca, "127.0.0.1", -10 * DAY..-DAY, SslVerifyMode::NONE)
}

/// A server on 127.0.0.1 whose certificate is for another address.
pub fn with_other_name(ca: &Path) -> String {
    with_certificate(ca, "127.0.0.2", -DAY..DAY, SslVerifyMode::NONE)
}

/// A server on 127.0.0.1 that requires a certificate which its own has signed: there is none.
pub fn requiring_certificate(ca: &Path) -> String {
    with_certificate(ca, "127.0.0.1", -DAY..DAY, SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT)
}

fn with_certificate(ca: &Path, name: &str, valid: Range<i64>, verify: SslVerifyMode) -> String {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let certificate = certificate(&key, name, valid);
    fs::write(ca, certificate.to_pem().unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_verify(verify);
    acceptor.cert_store_mut().add_cert(certificate).unwrap();
    let acceptor = acceptor.build();
    serve(move |client| {
        // A client that has looked at the certificate goes away. One that the server refuses finds the connection closed at once.
        let _gone = acceptor.accept(client);
    })
}

fn certificate(key: &PKey<Private>, address: &str, valid: Range<i64>) -> X509 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", address).unwrap();
    let name = name.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    made.set_subject_name(&name).unwrap();
    made.set_issuer_name(&name).unwrap();
    made.set_pubkey(key).unwrap();
    made.set_not_before(&Asn1Time::from_unix(now + valid.start).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::from_unix(now + valid.end).unwrap()).unwrap();
    made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().ip(address).build(&made.x509v3_context(None, None)).unwrap();
    made.append_extension(names).unwrap();
    made.sign(key, MessageDigest::sha256()).unwrap();
    made.build()
}

/// A server on 127.0.0.1 that answers whatever it is asked as a web server does.
pub fn web_server() -> String {
    serve(|mut client| {
        let mut asked = [0; 1024];
        let _gone = client
            .read(&mut asked)
            .and_then(|_| client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    })
}

/// A server that accepts connections and does not answer.
pub fn silent_server() -> String {
    let clients = std::sync::Mutex::new(Vec::new());
    serve(move |client| clients.lock().expect("the clients").push(client))
}

fn serve(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback device");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(answer));
    address
}

//! TLS without librdkafka: the files of the settings, checked before it reads them, and a handshake of our own. Its words are the same for
//! a file that is missing, one that is no PEM and a wrong password, and for an unknown authority and a wrong host name.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref};

use crate::config::{KafkaSettings, SecurityProtocol};
use crate::kafka::error::{Error, Result};

/// Whether connections are encrypted.
pub(super) fn is_used(settings: &KafkaSettings) -> bool {
    matches!(settings.security_protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
}

/// Checks that the files can be read, are what they should be and fit together; nothing where no TLS is used.
///
/// # Errors
/// [`Error::Settings`] names the key and the file, and says what to do.
pub(super) fn check_files(settings: &KafkaSettings) -> Result<()> {
    if !is_used(settings) {
        return Ok(());
    }
    if let Some(path) = settings.ssl_ca.as_deref().filter(|path| !path.is_dir()) {
        certificates("ssl_ca", path)?;
    }
    if let (Some(certificate), Some(key)) = (&settings.ssl_certificate, &settings.ssl_key) {
        let chain = certificates("ssl_certificate", certificate)?;
        let private = private_key(settings, key)?;
        let is_ours = |own: &X509| own.public_key().is_ok_and(|public| public.public_eq(&private));
        if !chain.first().is_some_and(is_ours) {
            return Err(wrong("ssl_key", key, &format!("is not the key of the certificate {}", certificate.display())));
        }
    }
    Ok(())
}

fn certificates(key: &str, path: &Path) -> Result<Vec<X509>> {
    let found = X509::stack_from_pem(&read(key, path)?)
        .map_err(|errors| wrong(key, path, &format!("holds a broken certificate ({errors})")))?;
    match found.is_empty() {
        true => Err(wrong(key, path, "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")),
        false => Ok(found),
    }
}

fn private_key(settings: &KafkaSettings, path: &Path) -> Result<PKey<Private>> {
    const KEY: &str = "ssl_key";
    let bytes = read(KEY, path)?;
    let mode = fs::metadata(path).map_err(|error| cannot_read(KEY, path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let words =
            format!("can be used by others than its owner (mode {:03o}): `chmod 600 {}`", mode & 0o777, path.display());
        return Err(wrong(KEY, path, &words));
    }
    let mut was_asked = false;
    let read = PKey::private_key_from_pem_callback(&bytes, |buffer| {
        was_asked = true;
        let password = settings.ssl_key_password.as_ref().map_or("", |password| password.reveal()).as_bytes();
        let length = password.len().min(buffer.len());
        buffer[..length].copy_from_slice(&password[..length]);
        Ok(length)
    });
    read.map_err(|_| match (was_asked, &settings.ssl_key_password) {
        (true, None) => wrong(KEY, path, "is encrypted: set kafka.ssl_key_password_file"),
        (true, Some(_)) => wrong(KEY, path, "is encrypted with another password than that of kafka.ssl_key_password"),
        (false, _) => wrong(KEY, path, "holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"),
    })
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| cannot_read(key, path, &error))?;
    Ok(bytes)
}

fn cannot_read(key: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Settings(format!("kafka.{key}: cannot read {}: {error}", path.display()))
}

fn wrong(key: &str, path: &Path, words: &str) -> Error {
    Error::Settings(format!("kafka.{key}: {} {words}", path.display()))
}

/// What a server's certificate lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateFault {
    /// nobody whom we trust has issued it, but this authority
    UnknownAuthority(String),
    /// it is for these names and addresses
    NameMismatch(Vec<String>),
    /// it is valid from the one time to the other only
    NotValidNow(String, String),
    /// OpenSSL's words
    Other(String),
}

/// An encrypted connection, and what is wrong with the server's certificate. Only questions that hold no secret may be asked on it.
pub(super) struct Handshake {
    pub stream: SslStream<TcpStream>,
    pub fault: Option<CertificateFault>,
}

/// Agrees on TLS with whoever answers, whatever its certificate. `None`: it speaks no TLS, or fell silent.
///
/// # Errors
/// The settings' files cannot be used.
pub(super) fn handshake(settings: &KafkaSettings, host: &str, stream: TcpStream) -> Result<Option<Handshake>> {
    let refused = |errors: openssl::error::ErrorStack| Error::Settings(format!("TLS: {errors}"));
    let mut context = SslContext::builder(SslMethod::tls_client()).map_err(refused)?;
    // Judged by us, afterwards, to know what it is.
    context.set_verify(SslVerifyMode::NONE);
    match &settings.ssl_ca {
        Some(folder) if folder.is_dir() => context.load_verify_locations(None, Some(folder)).map_err(refused)?,
        Some(file) => context.set_ca_file(file).map_err(refused)?,
        None => context.set_default_verify_paths().map_err(refused)?,
    }
    if let (Some(certificate), Some(key)) = (&settings.ssl_certificate, &settings.ssl_key) {
        context.set_certificate_chain_file(certificate).map_err(refused)?;
        let key = private_key(settings, key)?;
        context.set_private_key(&key).map_err(refused)?;
    }
    let mut ssl = Ssl::new(&context.build()).map_err(refused)?;
    let checks_name = !has_option(settings, "ssl.endpoint.identification.algorithm", "none");
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if checks_name => ssl.param_mut().set_ip(address).map_err(refused)?,
        Ok(_) => {}
        Err(_) => {
            ssl.set_hostname(host).map_err(refused)?;
            if checks_name {
                ssl.param_mut().set_host(host).map_err(refused)?;
            }
        }
    }
    match ssl.connect(stream) {
        Ok(stream) => {
            let is_judged = !has_option(settings, "enable.ssl.certificate.verification", "false");
            let fault = if is_judged { fault_of(&stream) } else { None };
            Ok(Some(Handshake { stream, fault }))
        }
        Err(HandshakeError::SetupFailure(errors)) => Err(refused(errors)),
        Err(HandshakeError::Failure(_) | HandshakeError::WouldBlock(_)) => Ok(None),
    }
}

fn has_option(settings: &KafkaSettings, name: &str, value: &str) -> bool {
    settings.librdkafka.iter().any(|(option, given)| option == name && given == value)
}

fn fault_of(stream: &SslStream<TcpStream>) -> Option<CertificateFault> {
    // OpenSSL's X509_V_ERR_…, which the crate does not name.
    const NOT_YET_VALID: i32 = 9;
    const EXPIRED: i32 = 10;
    const SELF_SIGNED: i32 = 18;
    const SELF_SIGNED_IN_CHAIN: i32 = 19;
    const NO_ISSUER: i32 = 20;
    const NO_ISSUER_OF_LEAF: i32 = 21;
    const HOST: i32 = 62;
    const ADDRESS: i32 = 64;
    let found = stream.ssl().verify_result();
    let certificate = stream.ssl().peer_certificate();
    let issuer = certificate.as_deref().map_or_else(String::new, |certificate| name(certificate.issuer_name()));
    Some(match found.as_raw() {
        0 => return None,
        SELF_SIGNED | SELF_SIGNED_IN_CHAIN | NO_ISSUER | NO_ISSUER_OF_LEAF => {
            CertificateFault::UnknownAuthority(issuer)
        }
        HOST | ADDRESS => CertificateFault::NameMismatch(certificate.as_deref().map_or_else(Vec::new, names)),
        NOT_YET_VALID | EXPIRED => match certificate {
            Some(one) => CertificateFault::NotValidNow(one.not_before().to_string(), one.not_after().to_string()),
            None => CertificateFault::Other(found.error_string().to_owned()),
        },
        _ => CertificateFault::Other(found.error_string().to_owned()),
    })
}

/// The common name; without one all there is.
fn name(name: &X509NameRef) -> String {
    let text = |nid| name.entries_by_nid(nid).next().and_then(|entry| entry.data().to_string().ok());
    match text(Nid::COMMONNAME) {
        Some(common) => common,
        None => format!("{name:?}"),
    }
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Ref) -> Vec<String> {
    let mut names = Vec::new();
    for other in certificate.subject_alt_names().iter().flatten() {
        let address = match other.ipaddress() {
            Some(bytes) => match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
                (Ok(four), _) => Some(IpAddr::from(four).to_string()),
                (_, Ok(sixteen)) => Some(IpAddr::from(sixteen).to_string()),
                _ => None,
            },
            None => None,
        };
        names.extend(other.dnsname().map(str::to_owned).or(address));
    }
    if names.is_empty() {
        names.push(name(certificate.subject_name()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::symm::Cipher;
    use std::path::PathBuf;

    fn key() -> PKey<Private> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn certificate(key: &PKey<Private>) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder.set_pubkey(key).unwrap();
        builder.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
        builder.sign(key, openssl::hash::MessageDigest::sha256()).unwrap();
        builder.build()
    }

    struct Files(tempfile::TempDir);

    impl Files {
        fn put(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_key_and_what_to_do() {
        let files = Files(tempfile::tempdir().unwrap());
        let (own, other) = (key(), key());
        let pem = files.put("own.pem", &certificate(&own).to_pem().unwrap(), 0o644);
        let plain = files.put("own.key", &own.private_key_to_pem_pkcs8().unwrap(), 0o600);
        let open = files.put("open.key", &own.private_key_to_pem_pkcs8().unwrap(), 0o640);
        let foreign = files.put("other.key", &other.private_key_to_pem_pkcs8().unwrap(), 0o600);
        let encrypted = own.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"sesame-sesame").unwrap();
        let encrypted = files.put("encrypted.key", &encrypted, 0o600);
        let nothing = files.put("nothing", b"words", 0o600);
        let said = |ca: Option<&Path>, key: &Path, password: Option<&str>| {
            let settings = KafkaSettings {
                bootstrap_servers: "127.0.0.1:1".to_owned(),
                security_protocol: SecurityProtocol::Ssl,
                sasl_mechanism: String::new(),
                login: None,
                admin: None,
                ssl_ca: ca.map(Path::to_owned),
                ssl_certificate: Some(pem.clone()),
                ssl_key: Some(key.to_owned()),
                ssl_key_password: password.map(|password| Secret::new(password.to_owned())),
                librdkafka: Vec::new(),
            };
            check_files(&settings).map_err(|error| error.to_string())
        };
        assert_eq!(said(Some(&pem), &plain, None), Ok(()));
        assert_eq!(said(None, &encrypted, Some("sesame-sesame")), Ok(()));
        let wrong = |result: std::result::Result<(), String>, words: &[&str]| {
            let text = result.unwrap_err();
            assert!(words.iter().all(|word| text.contains(word)) && !text.contains("sesame"), "{text}");
        };
        wrong(said(Some(Path::new("/nowhere.pem")), &plain, None), &["kafka.ssl_ca: cannot read /nowhere.pem"]);
        wrong(said(Some(&nothing), &plain, None), &["kafka.ssl_ca", "holds no certificate"]);
        wrong(said(None, &open, None), &["kafka.ssl_key", "mode 640", "chmod 600"]);
        wrong(said(None, &foreign, None), &["kafka.ssl_key", "is not the key of the certificate"]);
        wrong(said(None, &encrypted, None), &["is encrypted", "kafka.ssl_key_password_file"]);
        wrong(said(None, &encrypted, Some("sesam-open")), &["another password"]);
        wrong(said(None, &nothing, None), &["holds no private key"]);
    }
}

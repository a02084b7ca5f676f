//! TLS outside of librdkafka: checks of the settings' files, and a handshake. librdkafka's message is the same for a missing file, a file that is
//! not PEM and a wrong password, and for an unknown CA and a wrong host name.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref};

use crate::kafka::error::{Error, Result};
use crate::kafka::settings::KafkaSettings;

/// Checks that the certificates and the key can be read, are PEM and belong together. Does nothing without TLS.
///
/// # Errors
/// [`Error::Settings`] names the configuration key and the file.
pub(super) fn check_files(settings: &KafkaSettings) -> Result<()> {
    if !settings.security_protocol.uses_tls() {
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
            return Err(invalid(
                "ssl_key",
                key,
                &format!("is not the key of the certificate {}", certificate.display()),
            ));
        }
    }
    Ok(())
}

fn certificates(key: &str, path: &Path) -> Result<Vec<X509>> {
    let found = X509::stack_from_pem(&read(key, path)?)
        .map_err(|errors| invalid(key, path, &format!("has an invalid certificate ({errors})")))?;
    match found.is_empty() {
        true => Err(invalid(key, path, "has no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")),
        false => Ok(found),
    }
}

fn private_key(settings: &KafkaSettings, path: &Path) -> Result<PKey<Private>> {
    const KEY: &str = "ssl_key";
    let bytes = read(KEY, path)?;
    let mode = fs::metadata(path).map_err(|error| cannot_read(KEY, path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let reason = format!(
            "is accessible by others than its owner (mode {:03o}): `chmod 600 {}`",
            mode & 0o777,
            path.display()
        );
        return Err(invalid(KEY, path, &reason));
    }
    let mut is_encrypted = false;
    let read = PKey::private_key_from_pem_callback(&bytes, |buffer| {
        is_encrypted = true;
        let password = settings.ssl_key_password.as_ref().map_or("", |password| password.reveal()).as_bytes();
        let length = password.len().min(buffer.len());
        buffer[..length].copy_from_slice(&password[..length]);
        Ok(length)
    });
    read.map_err(|_| match (is_encrypted, &settings.ssl_key_password) {
        (true, None) => invalid(KEY, path, "is encrypted: set kafka.ssl_key_password_file"),
        (true, Some(_)) => invalid(KEY, path, "is encrypted with another password than kafka.ssl_key_password"),
        (false, _) => invalid(KEY, path, "has no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"),
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

fn invalid(key: &str, path: &Path, reason: &str) -> Error {
    Error::Settings(format!("kafka.{key}: {} {reason}", path.display()))
}

/// Why a server's certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateFault {
    /// it was issued by this CA, which is not trusted
    UnknownAuthority(String),
    /// it is for these names and addresses
    NameMismatch(Vec<String>),
    /// it is valid from the first time to the second
    NotValidNow(String, String),
    /// OpenSSL's message
    Other(String),
}

/// An encrypted connection, perhaps to a server whose certificate is not trusted: no secret may be sent on it.
pub(super) struct Handshake {
    pub stream: SslStream<TcpStream>,
    pub fault: Option<CertificateFault>,
}

/// Does a TLS handshake, whatever the server's certificate. `None`: the server does not support TLS, or closed the connection.
///
/// # Errors
/// The settings' files cannot be used.
pub(super) fn handshake(settings: &KafkaSettings, host: &str, stream: TcpStream) -> Result<Option<Handshake>> {
    let failed = |errors: openssl::error::ErrorStack| Error::Settings(format!("TLS: {errors}"));
    let mut context = SslContext::builder(SslMethod::tls_client()).map_err(failed)?;
    // `certificate_fault` checks it afterwards: OpenSSL would end the handshake without the reason.
    context.set_verify(SslVerifyMode::NONE);
    match &settings.ssl_ca {
        Some(folder) if folder.is_dir() => context.load_verify_locations(None, Some(folder)).map_err(failed)?,
        Some(file) => context.set_ca_file(file).map_err(failed)?,
        None => context.set_default_verify_paths().map_err(failed)?,
    }
    if let (Some(certificate), Some(key)) = (&settings.ssl_certificate, &settings.ssl_key) {
        context.set_certificate_chain_file(certificate).map_err(failed)?;
        let key = private_key(settings, key)?;
        context.set_private_key(&key).map_err(failed)?;
    }
    let mut ssl = Ssl::new(&context.build()).map_err(failed)?;
    let checks_name = !has_option(settings, "ssl.endpoint.identification.algorithm", "none");
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if checks_name => ssl.param_mut().set_ip(address).map_err(failed)?,
        Ok(_) => {}
        Err(_) => {
            ssl.set_hostname(host).map_err(failed)?;
            if checks_name {
                ssl.param_mut().set_host(host).map_err(failed)?;
            }
        }
    }
    match ssl.connect(stream) {
        Ok(stream) => {
            let verifies = !has_option(settings, "enable.ssl.certificate.verification", "false");
            let fault = if verifies { certificate_fault(&stream) } else { None };
            Ok(Some(Handshake { stream, fault }))
        }
        Err(HandshakeError::SetupFailure(errors)) => Err(failed(errors)),
        Err(HandshakeError::Failure(_) | HandshakeError::WouldBlock(_)) => Ok(None),
    }
}

fn has_option(settings: &KafkaSettings, name: &str, value: &str) -> bool {
    settings.librdkafka.iter().any(|(option, given)| option == name && given == value)
}

fn certificate_fault(stream: &SslStream<TcpStream>) -> Option<CertificateFault> {
    // X509_V_ERR_… of OpenSSL, which the crate does not name.
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

/// The common name; without one, all of the name.
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
    use crate::kafka::settings::{SaslMechanism, SecurityProtocol};
    use crate::secret::Secret;
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
    fn errors_about_files_name_the_key_and_what_to_do() {
        let files = Files(tempfile::tempdir().unwrap());
        let (own, other) = (key(), key());
        let pem = files.put("own.pem", &certificate(&own).to_pem().unwrap(), 0o644);
        let plain = files.put("own.key", &own.private_key_to_pem_pkcs8().unwrap(), 0o600);
        let open = files.put("open.key", &own.private_key_to_pem_pkcs8().unwrap(), 0o640);
        let foreign = files.put("other.key", &other.private_key_to_pem_pkcs8().unwrap(), 0o600);
        let encrypted = own.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"sesame-sesame").unwrap();
        let encrypted = files.put("encrypted.key", &encrypted, 0o600);
        let nothing = files.put("nothing", b"words", 0o600);
        let check = |ca: Option<&Path>, key: &Path, password: Option<&str>| {
            let settings = KafkaSettings {
                bootstrap_servers: "127.0.0.1:1".to_owned(),
                security_protocol: SecurityProtocol::Ssl,
                sasl_mechanism: SaslMechanism::Plain,
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
        assert_eq!(check(Some(&pem), &plain, None), Ok(()));
        assert_eq!(check(None, &encrypted, Some("sesame-sesame")), Ok(()));
        let assert_error = |result: std::result::Result<(), String>, words: &[&str]| {
            let text = result.unwrap_err();
            assert!(words.iter().all(|word| text.contains(word)) && !text.contains("sesame"), "{text}");
        };
        assert_error(check(Some(Path::new("/nowhere.pem")), &plain, None), &["kafka.ssl_ca: cannot read /nowhere.pem"]);
        assert_error(check(Some(&nothing), &plain, None), &["kafka.ssl_ca", "has no certificate"]);
        assert_error(check(None, &open, None), &["kafka.ssl_key", "mode 640", "chmod 600"]);
        assert_error(check(None, &foreign, None), &["kafka.ssl_key", "is not the key of the certificate"]);
        assert_error(check(None, &encrypted, None), &["is encrypted", "kafka.ssl_key_password_file"]);
        assert_error(check(None, &encrypted, Some("sesam-open")), &["another password"]);
        assert_error(check(None, &nothing, None), &["has no private key"]);
    }
}

//! TLS outside of librdkafka: checks of the settings' files, and a handshake. librdkafka's message is the same for a missing file, a file that is
//! not PEM and a wrong password, and for an unknown CA and a wrong host name.

use std::net::TcpStream;

use openssl::ssl::{HandshakeError, SslStream};

use crate::kafka::error::{Error, Result};
use crate::kafka::settings::KafkaSettings;
use crate::tls::{CertificateFault, TlsFiles, certificate_fault, client_ssl};

/// The files of `[kafka]`.
pub(super) fn files(settings: &KafkaSettings) -> TlsFiles<'_> {
    TlsFiles {
        section: "kafka",
        ca: settings.ssl_ca.as_deref(),
        certificate: settings.ssl_certificate.as_deref(),
        key: settings.ssl_key.as_deref(),
        key_password: settings.ssl_key_password.as_ref(),
        decryption: "set kafka.ssl_key_password_file",
    }
}

/// Checks that the certificates and the key can be read, are PEM and belong together. Does nothing without TLS.
///
/// # Errors
/// [`Error::Settings`] names the configuration key and the file.
pub(super) fn check_files(settings: &KafkaSettings) -> Result<()> {
    match settings.security_protocol.uses_tls() {
        true => files(settings).check().map_err(Error::Settings),
        false => Ok(()),
    }
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
    let context = files(settings).context().map_err(Error::Settings)?;
    let checks_name = !has_option(settings, "ssl.endpoint.identification.algorithm", "none");
    let ssl = client_ssl(&context, host, checks_name).map_err(failed)?;
    match ssl.connect(stream) {
        Ok(stream) => {
            let verifies = !has_option(settings, "enable.ssl.certificate.verification", "false");
            let fault = if verifies { certificate_fault(stream.ssl()) } else { None };
            Ok(Some(Handshake { stream, fault }))
        }
        Err(HandshakeError::SetupFailure(errors)) => Err(failed(errors)),
        Err(HandshakeError::Failure(_) | HandshakeError::WouldBlock(_)) => Ok(None),
    }
}

fn has_option(settings: &KafkaSettings, name: &str, value: &str) -> bool {
    settings.librdkafka.iter().any(|(option, given)| option == name && given == value)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::kafka::settings::{SaslMechanism, SecurityProtocol};
    use crate::secret::Secret;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::symm::Cipher;
    use openssl::x509::X509;
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

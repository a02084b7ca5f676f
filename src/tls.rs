//! TLS of a client: the files that the settings name, and what is wrong about a server's certificate.

use std::fs::{self, File};
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslRef, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref};

use crate::secret::Secret;

/// The files of a section of the configuration: its keys `ssl_ca`, `ssl_certificate` and `ssl_key`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsFiles<'a> {
    /// the section, for errors
    pub section: &'a str,
    /// the trusted CAs, a file or a folder; `None`: those of the system
    pub ca: Option<&'a Path>,
    /// the client's certificate and its chain
    pub certificate: Option<&'a Path>,
    /// its private key
    pub key: Option<&'a Path>,
    /// the password of the key
    pub key_password: Option<&'a Secret>,
    /// what to do about a key with a password where there is none
    pub decryption: &'a str,
}

impl TlsFiles<'_> {
    /// Checks that the certificates and the key can be read, are PEM and belong together.
    ///
    /// # Errors
    /// A message that names the configuration key and the file.
    pub fn check(&self) -> Result<(), String> {
        if let Some(path) = self.ca.filter(|path| !path.is_dir()) {
            self.certificates("ssl_ca", path)?;
        }
        if let (Some(certificate), Some(key)) = (self.certificate, self.key) {
            let chain = self.certificates("ssl_certificate", certificate)?;
            let private = self.private_key(key)?;
            let is_ours = |own: &X509| own.public_key().is_ok_and(|public| public.public_eq(&private));
            if !chain.first().is_some_and(is_ours) {
                let reason = format!("is not the key of the certificate {}", certificate.display());
                return Err(self.invalid("ssl_key", key, &reason));
            }
        }
        Ok(())
    }

    /// What connections have in common. A handshake succeeds whatever the server's certificate: [`certificate_fault`] tells what is wrong about it,
    /// where OpenSSL would end the handshake without the reason. No secret may be sent before.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn context(&self) -> Result<SslContext, String> {
        let failed = |errors: ErrorStack| format!("TLS: {errors}");
        let mut context = SslContext::builder(SslMethod::tls_client()).map_err(failed)?;
        context.set_verify(SslVerifyMode::NONE);
        match self.ca {
            Some(folder) if folder.is_dir() => context.load_verify_locations(None, Some(folder)).map_err(failed)?,
            Some(file) => context.set_ca_file(file).map_err(failed)?,
            None => context.set_default_verify_paths().map_err(failed)?,
        }
        if let (Some(certificate), Some(key)) = (self.certificate, self.key) {
            context.set_certificate_chain_file(certificate).map_err(failed)?;
            context.set_private_key(&*self.private_key(key)?).map_err(failed)?;
        }
        Ok(context.build())
    }

    fn certificates(&self, key: &str, path: &Path) -> Result<Vec<X509>, String> {
        let found = X509::stack_from_pem(&self.read(key, path)?)
            .map_err(|errors| self.invalid(key, path, &format!("has an invalid certificate ({errors})")))?;
        match found.is_empty() {
            true => Err(self.invalid(key, path, "has no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")),
            false => Ok(found),
        }
    }

    fn private_key(&self, path: &Path) -> Result<PKey<Private>, String> {
        const KEY: &str = "ssl_key";
        let bytes = self.read(KEY, path)?;
        let mode = fs::metadata(path).map_err(|error| self.cannot_read(KEY, path, &error))?.permissions().mode();
        if mode & 0o077 != 0 {
            let reason = format!(
                "is accessible by others than its owner (mode {:03o}): `chmod 600 {}`",
                mode & 0o777,
                path.display()
            );
            return Err(self.invalid(KEY, path, &reason));
        }
        let mut is_encrypted = false;
        let read = PKey::private_key_from_pem_callback(&bytes, |buffer| {
            is_encrypted = true;
            let password = self.key_password.map_or("", |password| password.reveal()).as_bytes();
            let length = password.len().min(buffer.len());
            buffer[..length].copy_from_slice(&password[..length]);
            Ok(length)
        });
        read.map_err(|_| match (is_encrypted, self.key_password) {
            (true, None) => self.invalid(KEY, path, &format!("is encrypted: {}", self.decryption)),
            (true, Some(_)) => {
                let section = self.section;
                self.invalid(KEY, path, &format!("is encrypted with another password than {section}.ssl_key_password"))
            }
            (false, _) => self.invalid(KEY, path, "has no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"),
        })
    }

    fn read(&self, key: &str, path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|error| self.cannot_read(key, path, &error))?;
        Ok(bytes)
    }

    fn cannot_read(&self, key: &str, path: &Path, error: &std::io::Error) -> String {
        format!("{}.{key}: cannot read {}: {error}", self.section, path.display())
    }

    fn invalid(&self, key: &str, path: &Path, reason: &str) -> String {
        format!("{}.{key}: {} {reason}", self.section, path.display())
    }
}

/// A connection to `host`, a name or an IP address. `checks_name`: whether the server's certificate must be for it.
///
/// # Errors
/// OpenSSL cannot make it.
pub(crate) fn client_ssl(context: &SslContext, host: &str, checks_name: bool) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if checks_name => ssl.param_mut().set_ip(address)?,
        Ok(_) => {}
        Err(_) => {
            ssl.set_hostname(host)?;
            if checks_name {
                ssl.param_mut().set_host(host)?;
            }
        }
    }
    Ok(ssl)
}

/// Why a server's certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    /// it was issued by this CA, which is not trusted
    UnknownAuthority(String),
    /// it is for these names and addresses
    NameMismatch(Vec<String>),
    /// it is valid from the first time to the second
    NotValidNow(String, String),
    /// OpenSSL's message
    Other(String),
}

impl CertificateFault {
    /// What is wrong about the certificate of the server `at`, and what to do. `host`: the name by which it is known here; `correct`: how to use
    /// another one.
    pub fn describe(&self, at: &str, host: &str, files: &TlsFiles<'_>, correct: &str) -> String {
        let section = files.section;
        match self {
            Self::UnknownAuthority(issuer) => {
                let by = match files.ca {
                    Some(path) => format!("which is not in {section}.ssl_ca ({})", path.display()),
                    None => "which this machine does not trust".to_owned(),
                };
                format!(
                    "the certificate of {at} was issued by `{issuer}`, {by}: set {section}.ssl_ca to a file with the certificate of that CA"
                )
            }
            Self::NameMismatch(names) => {
                let names = names.join(", ");
                format!(
                    "the certificate of {at} is for {names}, not for {host}: {correct}, or issue a certificate for {host}"
                )
            }
            Self::NotValidNow(from, until) => {
                format!(
                    "the certificate of {at} is valid from {from} until {until} only: renew it, or set this machine's clock"
                )
            }
            Self::Other(message) => {
                format!(
                    "the certificate of {at} is not trusted ({message}): issue another one, or correct {section}.ssl_ca"
                )
            }
        }
    }
}

/// What is wrong about the certificate of the server of a connection whose handshake is done.
pub(crate) fn certificate_fault(ssl: &SslRef) -> Option<CertificateFault> {
    // X509_V_ERR_… of OpenSSL, which the crate does not name.
    const NOT_YET_VALID: i32 = 9;
    const EXPIRED: i32 = 10;
    const SELF_SIGNED: i32 = 18;
    const SELF_SIGNED_IN_CHAIN: i32 = 19;
    const NO_ISSUER: i32 = 20;
    const NO_ISSUER_OF_LEAF: i32 = 21;
    const HOST: i32 = 62;
    const ADDRESS: i32 = 64;
    let found = ssl.verify_result();
    let certificate = ssl.peer_certificate();
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

//! Requests to a schema registry that speaks Confluent's protocol.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::alert::decoder::base64;
use crate::secret::Secret;

/// The longest schema that is read, bytes.
pub(super) const MAX_SCHEMA_BYTES: usize = 4 << 20;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The media type of the protocol.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// The variables of the login, for messages.
const VARIABLES: &str = "FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD";

/// The variable with the file of the authorities to trust.
const CA_VARIABLE: &str = "FINK_REGISTRY_CA";

/// The name and the password for a registry that asks for them.
#[derive(Clone, Debug)]
struct RegistryLogin {
    username: String,
    password: Secret,
}

/// How registries are reached: with a login, and whose certificates are trusted.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    login: Option<RegistryLogin>,
    /// `None`: those of the system
    authorities: Option<Vec<Certificate<'static>>>,
}

impl RegistryAccess {
    /// The login of the variables FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD, if the former is set, and the certificates in the file
    /// (PEM) that FINK_REGISTRY_CA names.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate: the reason.
    pub fn from_environment() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let login = variable("FINK_REGISTRY_USERNAME").map(|username| RegistryLogin {
            username,
            password: Secret::new(variable("FINK_REGISTRY_PASSWORD").unwrap_or_default()),
        });
        let authorities = variable(CA_VARIABLE).map(|file| certificates(Path::new(&file)));
        Ok(Self { login, authorities: authorities.transpose()? })
    }
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let fault = |reason: String| format!("{CA_VARIABLE}: {}: {reason}", file.display());
    let pem = std::fs::read(file).map_err(|error| fault(format!("cannot read it: {error}")))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| fault(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(fault("it has no certificate in PEM format".to_owned())),
        false => Ok(certificates),
    }
}

/// Why a registry has not done what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// a later request may succeed
    #[error("the schema registry: {0}")]
    Away(String),
    /// each request will fail
    #[error("the schema registry: {0}")]
    Refused(String),
}

/// An answer.
#[derive(Debug)]
pub struct RegistryAnswer {
    /// the HTTP status: 200, or 4xx but for 401, 403 and 429
    pub status: u16,
    /// the document; `null`: none that is JSON
    pub body: Value,
}

/// A client of the registry at one address.
#[derive(Clone, Debug)]
pub struct RegistryClient {
    address: String,
    authorization: Option<Secret>,
    agent: ureq::Agent,
}

impl RegistryClient {
    /// A client of the registry at `address`. Opens no connection.
    ///
    /// # Errors
    /// The address is no HTTP address, or holds a password, which other users of the machine could see: the reason.
    pub fn new(address: &str, access: &RegistryAccess) -> Result<Self, String> {
        let Some(rest) = ["http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme)) else {
            return Err(format!("`{address}` is not the address of a registry: it begins with http:// or https://"));
        };
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err(format!(
                "the address of a registry holds no password, which others on this machine could see: set the variables {VARIABLES}"
            ));
        }
        let authorization = access.login.as_ref().map(|login| {
            let mut header = b"Basic ".to_vec();
            base64(format!("{}:{}", login.username, login.password.reveal()).as_bytes(), &mut header);
            Secret::new(String::from_utf8_lossy(&header).into_owned())
        });
        let authorities = match &access.authorities {
            Some(certificates) => RootCerts::new_with_certs(certificates),
            None => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(authorities).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("fink/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { address: address.trim_end_matches('/').to_owned(), authorization, agent: config.into() })
    }

    /// The address, without a slash at its end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Requests a document.
    ///
    /// # Errors
    /// No answer, a fault of the server, or a refused login.
    pub fn get(&self, path: &str) -> Result<RegistryAnswer, RegistryError> {
        let url = format!("{}{path}", self.address);
        let mut request = self.agent.get(&url).header("Accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.reveal());
        }
        self.answer(&url, request.call())
    }

    /// Sends a document.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(&self, path: &str, document: &Value) -> Result<RegistryAnswer, RegistryError> {
        let url = format!("{}{path}", self.address);
        let mut request = self.agent.post(&url).header("Accept", MEDIA_TYPE).header("Content-Type", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.reveal());
        }
        self.answer(&url, request.send(document.to_string()))
    }

    fn answer(
        &self,
        url: &str,
        called: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<RegistryAnswer, RegistryError> {
        let away = |reason: String| RegistryError::Away(format!("{url} {reason}"));
        let mut answer = called.map_err(|error| match error {
            // OpenSSL's words: the authority is not known.
            ureq::Error::NativeTls(_) if error.to_string().contains("certificate verify failed") => away(format!(
                "cannot be trusted: {error}; {CA_VARIABLE} names a file with the certificate of its authority, PEM"
            )),
            error => away(format!("cannot be reached: {error}")),
        })?;
        let status = answer.status().as_u16();
        match status {
            200 | 400 | 404..=428 | 430..=499 => {}
            401 | 403 => {
                return Err(RegistryError::Refused(match self.authorization {
                    Some(_) => format!("{url} refuses the login of {VARIABLES}"),
                    None => format!("{url} asks for a login: set {VARIABLES}"),
                }));
            }
            _ => return Err(away(format!("answers with http status {status}"))),
        }
        let limit = 2 * MAX_SCHEMA_BYTES as u64;
        let body = answer.body_mut().with_config().limit(limit).read_to_string();
        let body = body.map_err(|error| away(format!("sends an answer that cannot be read: {error}")))?;
        match serde_json::from_str(&body) {
            Ok(body) => Ok(RegistryAnswer { status, body }),
            // A page of a proxy.
            Err(error) if status == 200 => Err(away(format!("sends an answer that is not JSON: {error}"))),
            Err(_) => Ok(RegistryAnswer { status, body: Value::Null }),
        }
    }
}

//! A schema registry that speaks Confluent's protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::error::ConsumeError;
use crate::alert::decoder::{Decoder, base64};
use crate::avro::Schema;
use crate::secret::Secret;

/// The longest schema that is read, bytes.
pub(super) const MAX_SCHEMA_BYTES: usize = 4 << 20;
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The waits before it is asked again; then that is a failure.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The name and the password for a registry that asks for them.
#[derive(Debug)]
pub struct RegistryLogin {
    /// the user
    pub username: String,
    /// the password
    pub password: Secret,
}

/// A registry, with what it has answered.
#[derive(Debug)]
pub struct Registry {
    address: String,
    authorization: Option<Secret>,
    agent: ureq::Agent,
    known: HashMap<u32, Option<Arc<Decoder>>>,
}

/// Why there is no answer.
enum Fault {
    /// another try may help
    Transient(String),
    Permanent(String),
}

impl Registry {
    /// The registry at `address`.
    ///
    /// # Errors
    /// The address holds a password, which other users of the machine could see.
    pub fn new(address: &str, login: Option<&RegistryLogin>) -> Result<Self, ConsumeError> {
        let host = address.split_once("://").map_or(address, |(_, rest)| rest).split('/').next().unwrap_or_default();
        if host.contains('@') {
            let reason = "the address of a registry holds no password, which others on this machine could see: set the variables FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD";
            return Err(ConsumeError::Usage(reason.to_owned()));
        }
        let authorization = login.map(|login| {
            let mut header = b"Basic ".to_vec();
            base64(format!("{}:{}", login.username, login.password.reveal()).as_bytes(), &mut header);
            Secret::new(String::from_utf8_lossy(&header).into_owned())
        });
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("fink/", env!("CARGO_PKG_VERSION")))
            .build();
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { address, authorization, agent: config.into(), known: HashMap::new() })
    }

    /// The schema with this id; `None`: there is none.
    ///
    /// # Errors
    /// The registry gives no answer, or a wrong one.
    pub fn get(&mut self, id: u32) -> Result<Option<Arc<Decoder>>, ConsumeError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let url = format!("{}/schemas/ids/{id}", self.address);
        let mut waits = WAITS.iter();
        loop {
            let fault = match self.fetch(&url) {
                Ok(found) => {
                    self.known.insert(id, found.clone());
                    return Ok(found);
                }
                Err(fault) => fault,
            };
            let reason = match (fault, waits.next()) {
                (Fault::Transient(reason), Some(wait)) => {
                    log::warn!("the schema registry: {reason}; trying again in {} s", wait.as_secs());
                    std::thread::sleep(*wait);
                    continue;
                }
                (Fault::Transient(reason) | Fault::Permanent(reason), _) => reason,
            };
            let hint = "keep the schemas in a folder for --schema";
            return Err(ConsumeError::Registry(format!("the schema registry: {reason}; or {hint}")));
        }
    }

    fn fetch(&self, url: &str) -> Result<Option<Arc<Decoder>>, Fault> {
        let mut request = self.agent.get(url);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization.reveal());
        }
        let called = request.call();
        let mut answer = called.map_err(|error| Fault::Transient(format!("{url} cannot be reached: {error}")))?;
        match answer.status().as_u16() {
            404 => return Ok(None),
            200 => {}
            401 | 403 => {
                let variables = "FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD";
                return Err(Fault::Permanent(match self.authorization {
                    Some(_) => format!("{url} refuses the login of {variables}"),
                    None => format!("{url} asks for a login: set {variables}"),
                }));
            }
            status => return Err(Fault::Transient(format!("{url} answers with http status {status}"))),
        }
        let limit = 2 * MAX_SCHEMA_BYTES as u64;
        let body = answer.body_mut().with_config().limit(limit).read_to_string();
        let body = body.map_err(|error| Fault::Transient(format!("{url}: {error}")))?;
        let fault = |reason: String| Fault::Permanent(format!("{url}: {reason}"));
        let document: Value = serde_json::from_str(&body).map_err(|error| fault(error.to_string()))?;
        let text = document["schema"].as_str().ok_or_else(|| fault("the answer has no `schema`".to_owned()))?;
        let schema = Schema::parse(text).map_err(|error| fault(error.to_string()))?;
        Ok(Some(Arc::new(Decoder::new(schema))))
    }
}

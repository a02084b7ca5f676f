//! TLS with the servers of a cluster.

use openssl::ssl::SslContext;

use super::exception::CallError;
use crate::science_db::settings::{HBaseProtocol, HBaseTlsSettings};
use crate::science_db::stream::{Stream, Wait};
use crate::tls::{TlsFiles, certificate_fault, client_ssl};

/// What the connections to a cluster have in common.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: HBaseTlsSettings,
    /// or why the files of the settings cannot be used
    context: Result<SslContext, String>,
}

impl Tls {
    /// Reads the files of the settings; `None` without TLS.
    pub(crate) fn new(settings: &HBaseTlsSettings) -> Option<Self> {
        if settings.protocol == HBaseProtocol::Plaintext {
            return None;
        }
        let files = files(settings);
        let context = files.check().and_then(|()| files.context());
        Some(Self { settings: settings.clone(), context })
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &HBaseTlsSettings {
        &self.settings
    }

    /// Begins TLS with `server`, the address by which the cluster knows it, and verifies its certificate. `is_configured`: whether that is one of
    /// science_db.address.
    ///
    /// # Errors
    /// `Untrusted`: the certificate or the settings must be changed. `Handshake`: the server does not speak TLS, or goes away.
    pub(crate) fn encrypt<W: Wait>(
        &self,
        stream: Stream<W>,
        server: &str,
        is_configured: bool,
    ) -> Result<Stream<W>, CallError> {
        let context = self.context.as_ref().map_err(|reason| CallError::Untrusted(reason.clone()))?;
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let ssl = client_ssl(context, host, true).map_err(|errors| CallError::Untrusted(format!("TLS: {errors}")))?;
        let stream = stream.encrypt(ssl).map_err(|error| match CallError::from_io(&error) {
            CallError::Disconnected(reason) => CallError::Handshake(format!("the TLS handshake fails ({reason})")),
            other => self.explain(other),
        })?;
        let fault = stream.tls().and_then(|tls| certificate_fault(tls.ssl()));
        match fault {
            None => Ok(stream),
            Some(fault) => {
                let correct = match is_configured {
                    true => "use another name in science_db.address",
                    false => {
                        "correct the name that HBase gives the server (hbase.regionserver.hostname, hbase.master.hostname)"
                    }
                };
                Err(CallError::Untrusted(fault.describe("the server", host, &files(&self.settings), correct)))
            }
        }
    }

    /// Says what to do about a server that refuses the client's certificate. With TLS 1.3 that comes after the handshake.
    pub(crate) fn explain(&self, error: CallError) -> CallError {
        let CallError::Untrusted(alert) = error else { return error };
        let is_about_certificate = ["certificate", "unknown ca", "handshake failure"];
        CallError::Untrusted(match &self.settings.ssl_certificate {
            _ if !is_about_certificate.iter().any(|words| alert.contains(words)) => {
                format!("the server refuses the TLS connection ({alert})")
            }
            None => format!(
                "the server requires a client certificate ({alert}): set science_db.ssl_certificate and science_db.ssl_key"
            ),
            Some(path) => format!(
                "the server rejects the client certificate {} ({alert}): it must be valid, issued by a CA that HBase trusts, and for the name \
                 that HBase finds for this machine's address, unless hbase.server.netty.tls.verify.client.hostname is false",
                path.display()
            ),
        })
    }
}

fn files(settings: &HBaseTlsSettings) -> TlsFiles<'_> {
    TlsFiles {
        section: "science_db",
        ca: settings.ssl_ca.as_deref(),
        certificate: settings.ssl_certificate.as_deref(),
        key: settings.ssl_key.as_deref(),
        key_password: None,
        decryption: "write a file without a password with `openssl pkey`",
    }
}

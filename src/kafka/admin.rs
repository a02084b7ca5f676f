//! A client for administrative requests: topics, users, ACLs, offsets.

mod acls;
mod configs;
mod groups;
mod offsets;
mod topics;
mod users;

use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafkaType;

use crate::cancel::CancellationToken;
use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, Resource, Result, settings_error};
use crate::kafka::ffi;
use crate::kafka::ffi::admin_call::{AdminCall, CallError, ResponseError};
use crate::kafka::settings::KafkaSettings;

/// A request waits for the broker that it needs. With sparse connections, a broker that refuses the connection wakes the request, which asks for
/// the next connection at once, without `reconnect.backoff.ms`: thousands each second (`rd_kafka_broker_get_async` of librdkafka 2.12). Without
/// them a client connects to every broker, and keeps the backoff.
const FIXED: &[(&str, &str)] = &[("enable.sparse.connections", "false")];

/// A client for administrative requests.
pub struct Admin {
    client: Client<Connection>,
    settings: KafkaSettings,
    timeout: Duration,
    /// ends waits for responses
    token: CancellationToken,
}

impl Admin {
    /// A client with the login of `identity`. `timeout` applies to each request.
    ///
    /// # Errors
    /// Invalid settings.
    pub fn open(settings: &KafkaSettings, identity: Identity, timeout: Duration) -> Result<Self> {
        let config = client_config(settings, identity, &[], FIXED)?;
        let connection = Connection::new(settings, identity);
        // librdkafka has producers and consumers only, and a producer needs fewer threads. rdkafka's own client has one more, whose end takes
        // up to 100 ms.
        let native = config.create_native_config();
        let client = native.and_then(|native| Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, connection));
        let client = client.map_err(|e| settings_error(&e))?;
        Ok(Self { client, settings: settings.clone(), timeout, token: CancellationToken::new() })
    }

    /// This client, whose waits for responses end when `token` is cancelled.
    #[must_use]
    pub fn cancelled_by(self, token: &CancellationToken) -> Self {
        Self { token: token.clone(), ..self }
    }

    /// The connection: its status and its user.
    pub fn connection(&self) -> &Connection {
        self.client.context()
    }

    pub(super) fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    fn client(&self) -> &Client<Connection> {
        &self.client
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Submits a request about the cluster, and waits for its response.
    fn submit<T>(
        &self,
        action: &str,
        request: impl FnOnce(&AdminCall<'_>) -> std::result::Result<T, CallError>,
    ) -> Result<T> {
        self.submit_about(action, Resource::Cluster, request)
    }

    /// Submits a request about `resource`, and waits for its response.
    fn submit_about<T>(
        &self,
        action: &str,
        resource: Resource<'_>,
        request: impl FnOnce(&AdminCall<'_>) -> std::result::Result<T, CallError>,
    ) -> Result<T> {
        let (deadline, doing) = (Instant::now() + self.timeout, format!("trying to {action} {resource}"));
        let check = || self.check(&doing, deadline);
        let response = request(&AdminCall { client: self.client(), timeout: self.timeout, check: &check });
        ffi::serve_events(self.client());
        response.map_err(|error| match error {
            CallError::NoResponse(error) => error,
            CallError::Response(error) => self.response_error(&error, action, resource),
        })
    }

    /// Fails where waiting for a response is in vain, and after the deadline.
    fn check(&self, doing: &str, deadline: Instant) -> Result<()> {
        ffi::serve_events(self.client());
        if self.token.is_cancelled() {
            return Err(Error::Cancelled(doing.to_owned()));
        }
        self.connection().check()?;
        if Instant::now() >= deadline {
            return Err(self.connection().diagnose_timeout(self.timeout, doing));
        }
        Ok(())
    }

    fn response_error(&self, error: &ResponseError, action: &str, resource: Resource<'_>) -> Error {
        self.request_error(error.code, &error.reason, action, resource)
    }

    /// The error of a failed request. Where it got no response, the brokers are probed for the reason.
    fn request_error(&self, code: Code, reason: &str, action: &str, resource: Resource<'_>) -> Error {
        match code {
            Code::OperationTimedOut | Code::TimedOutQueue | Code::BrokerTransportFailure => {
                self.connection().diagnose_timeout(self.timeout, &format!("trying to {action} {resource}"))
            }
            _ => self.connection().request_error(code, reason, action, resource),
        }
    }
}

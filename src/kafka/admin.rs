//! A client for administrative requests: topics, users, ACLs, offsets.

mod acls;
mod configs;
mod groups;
mod offsets;
mod topics;
mod users;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::cancel::CancellationToken;
use crate::kafka::client_config::{Identity, client_config};
use crate::kafka::connection::Connection;
use crate::kafka::error::{Error, Resource, Result, settings_error};
use crate::kafka::ffi;
use crate::kafka::ffi::admin_call::{AdminCall, CallError, ResponseError};
use crate::kafka::settings::KafkaSettings;

/// How long a request waits before the connection is checked again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A client for administrative requests. Connects at its first request.
pub struct Admin {
    inner: AdminClient<Connection>,
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
        let config = client_config(settings, identity, &[], &[])?;
        let inner = config.create_with_context(Connection::new(settings, identity)).map_err(|e| settings_error(&e))?;
        Ok(Self { inner, settings: settings.clone(), timeout, token: CancellationToken::new() })
    }

    /// This client, whose waits for responses end when `token` is cancelled.
    #[must_use]
    pub fn cancelled_by(self, token: &CancellationToken) -> Self {
        Self { token: token.clone(), ..self }
    }

    /// The connection: its status and its user.
    pub fn connection(&self) -> &Connection {
        self.inner.inner().context()
    }

    pub(super) fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    fn client(&self) -> &Client<Connection> {
        self.inner.inner()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Waits for the response to a request of rdkafka. librdkafka itself would wait for the whole timeout where the login is refused.
    fn wait_for<T>(
        &self,
        action: &str,
        resource: Resource<'_>,
        request: impl Future<Output = rdkafka::error::KafkaResult<T>>,
    ) -> Result<T> {
        let mut request = pin!(request);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut task = Context::from_waker(&waker);
        let (deadline, doing) = (Instant::now() + self.timeout, format!("trying to {action} {resource}"));
        loop {
            if let Poll::Ready(response) = request.as_mut().poll(&mut task) {
                ffi::serve_events(self.client());
                return response.map_err(|error| self.error(&error, action, resource));
            }
            self.check(&doing, deadline)?;
            std::thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Submits a request about the cluster that rdkafka does not offer, and waits for its response.
    fn submit<T>(
        &self,
        action: &str,
        request: impl FnOnce(&AdminCall<'_>) -> std::result::Result<T, CallError>,
    ) -> Result<T> {
        self.submit_for(action, Resource::Cluster, request)
    }

    /// As [`submit`](Self::submit), for a request about `resource`.
    fn submit_for<T>(
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

    fn error(&self, error: &KafkaError, action: &str, resource: Resource<'_>) -> Error {
        match error {
            KafkaError::AdminOp(code) => self.request_error(*code, "", action, resource),
            KafkaError::AdminOpCreation(message) => {
                self.connection().request_error(Code::InvalidArgument, message, action, resource)
            }
            other => {
                let code = other.rdkafka_error_code().unwrap_or(Code::Fail);
                self.request_error(code, &other.to_string(), action, resource)
            }
        }
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

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

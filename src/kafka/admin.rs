//! A client for questions and orders: topics, users, access rules. Those rooms add what it can do.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::config::KafkaSettings;
use crate::kafka::client::{self, Context, Identity};
use crate::kafka::error::{Error, Resource, Result};
use crate::kafka::ffi;
use crate::kafka::ffi::administration::{AdminCall, Response};

/// How long a request may wait before the connection's state is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A client for questions and orders. Connects at its first request.
pub struct Admin {
    inner: AdminClient<Context>,
    settings: KafkaSettings,
    timeout: Duration,
}

impl Admin {
    /// A client that logs in as `who`, each of whose requests may take as long as `timeout`.
    ///
    /// # Errors
    /// The settings are refused by librdkafka.
    pub fn open(settings: &KafkaSettings, identity: Identity, timeout: Duration) -> Result<Self> {
        let config = client::config(settings, identity, &[], &[])?;
        let inner =
            config.create_with_context(Context::new(settings, identity)).map_err(|e| client::settings_error(&e))?;
        Ok(Self { inner, settings: settings.clone(), timeout })
    }

    /// The connection: its status and whose it is.
    pub fn context(&self) -> &Context {
        self.inner.inner().context()
    }

    pub(super) fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    pub(super) fn inner(&self) -> &AdminClient<Context> {
        &self.inner
    }

    pub(super) fn client(&self) -> &Client<Context> {
        self.inner.inner()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// Waits for the answer to a request. librdkafka itself would wait for the whole time where the login is refused.
    pub(super) fn answer<T>(
        &self,
        action: &str,
        resource: Resource<'_>,
        request: impl Future<Output = rdkafka::error::KafkaResult<T>>,
    ) -> Result<T> {
        let mut request = pin!(request);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut task = TaskContext::from_waker(&waker);
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Poll::Ready(answer) = request.as_mut().poll(&mut task) {
                ffi::serve_events(self.client());
                return answer.map_err(|error| self.error(&error, action, resource));
            }
            self.check(action, deadline)?;
            std::thread::park_timeout(POLL_INTERVAL);
        }
    }

    /// Issues an order that rdkafka does not offer, and waits for its answer.
    pub(super) fn submit<T>(
        &self,
        action: &str,
        order: impl FnOnce(&AdminCall<'_>) -> Result<Response<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let check = || self.check(action, deadline);
        let call = AdminCall { client: self.client(), timeout: self.timeout, check: &check };
        let answer = order(&call)?;
        ffi::serve_events(self.client());
        answer.map_err(|(code, reason)| self.refusal(code, &reason, action, Resource::Cluster))
    }

    /// Fails where waiting for an answer has no sense any more.
    pub(super) fn check(&self, action: &str, deadline: Instant) -> Result<()> {
        ffi::serve_events(self.client());
        if let Some(error) = self.context().refused() {
            return Err(error);
        }
        if Instant::now() >= deadline {
            return Err(self.context().timed_out(self.timeout, &format!("trying to {action}")));
        }
        Ok(())
    }

    fn error(&self, error: &KafkaError, action: &str, resource: Resource<'_>) -> Error {
        match error {
            KafkaError::AdminOp(code) => self.refusal(*code, "", action, resource),
            KafkaError::AdminOpCreation(words) => {
                self.context().refusal(Code::InvalidArgument, words, action, resource)
            }
            other => {
                let code = other.rdkafka_error_code().unwrap_or(Code::Fail);
                self.refusal(code, &other.to_string(), action, resource)
            }
        }
    }

    /// The error that says an answer; a request that was never answered is explained by the connection's trouble.
    pub(super) fn refusal(&self, code: Code, reason: &str, action: &str, resource: Resource<'_>) -> Error {
        match code {
            Code::OperationTimedOut | Code::TimedOutQueue | Code::BrokerTransportFailure => {
                self.context().timed_out(self.timeout, &format!("trying to {action}"))
            }
            _ => self.context().refusal(code, reason, action, resource),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

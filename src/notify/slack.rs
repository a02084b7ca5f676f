//! Slack's Web API: posts one message and interprets the response.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::endpoint::Endpoint;
use crate::secret::Secret;

/// The user name of the messages.
const SENDER: &str = "fink-alert";
/// The timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The limit of a response that is read.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// The pause where Slack limits the rate without a `Retry-After` header.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);
/// The limit of a pause: a longer `Retry-After` is taken for an error of the server.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Errors of Slack itself, after which a retry may succeed.
const TRANSIENT_ERRORS: [&str; 4] = ["internal_error", "fatal_error", "service_unavailable", "request_timeout"];

/// Why a message was not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostError {
    /// too many messages: pause for this time
    RateLimited(Duration),
    /// the server cannot be reached or has failed: a retry may succeed
    Unavailable(String),
    /// the message is too long
    TooLong(String),
    /// a retry would fail again
    Rejected(String),
}

/// A client of Slack's Web API.
pub(super) struct SlackClient {
    agent: ureq::Agent,
    endpoint: Endpoint,
    token: Secret,
}

impl SlackClient {
    pub fn new(endpoint: Endpoint, token: Secret) -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        // A redirect would send the token to another server.
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("fink/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), endpoint, token }
    }

    /// Posts a message to the channel of this name.
    pub fn post(&self, channel: &str, text: &str) -> Result<(), PostError> {
        let message = json!({ "channel": format!("#{channel}"), "text": text, "username": SENDER }).to_string();
        let response = self
            .agent
            .post(self.endpoint.as_str())
            .header("authorization", format!("Bearer {}", self.token.reveal()))
            .content_type("application/json; charset=utf-8")
            .send(message.as_bytes());
        let mut response = response.map_err(|error| PostError::Unavailable(self.unreachable(&error)))?;
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok()?.trim().parse().ok());
        let pause = after.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER);
        match status {
            429 => return Err(PostError::RateLimited(pause)),
            500.. => {
                return Err(PostError::Unavailable(format!(
                    "{} responds with http status {status}",
                    self.endpoint.as_str()
                )));
            }
            200 => {}
            _ => {
                let reason =
                    format!("{} responds with http status {status}; see slack.endpoint", self.endpoint.as_str());
                return Err(PostError::Rejected(reason));
            }
        }
        let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_string();
        let body = body.map_err(|error| PostError::Unavailable(self.unreachable(&error)))?;
        self.parse_response(&body, pause)
    }

    fn unreachable(&self, error: &ureq::Error) -> String {
        format!("cannot connect to {}: {error}", self.endpoint.as_str())
    }

    /// Interprets the body of a response.
    fn parse_response(&self, body: &str, pause: Duration) -> Result<(), PostError> {
        let response: Value = serde_json::from_str(body).unwrap_or_default();
        match (response["ok"].as_bool(), response["error"].as_str()) {
            (Some(true), _) => Ok(()),
            (Some(false), Some("ratelimited" | "rate_limited")) => Err(PostError::RateLimited(pause)),
            (Some(false), Some(error @ "msg_too_long")) => Err(PostError::TooLong(format!("slack says `{error}`"))),
            (Some(false), Some(error)) if TRANSIENT_ERRORS.contains(&error) => {
                Err(PostError::Unavailable(format!("slack says `{error}`")))
            }
            (Some(false), Some(error)) => {
                // The server may be any: its text is logged without control characters, and cut.
                let error: String = error.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(PostError::Rejected(format!("slack says `{error}`: {}", remedy(&error))))
            }
            _ => {
                let reason = format!("{} does not respond as slack does; see slack.endpoint", self.endpoint.as_str());
                Err(PostError::Rejected(reason))
            }
        }
    }
}

/// What to do about an error of Slack.
fn remedy(error: &str) -> &'static str {
    match error {
        "channel_not_found" => {
            "create the channel, invite the app if it is private, or remove it from the file slack.channels"
        }
        "not_in_channel" => "invite the app to the channel, or add the scope chat:write.public",
        "is_archived" => "unarchive the channel, or remove it from the file slack.channels",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            "set SLACK_API_TOKEN to a valid token and restart"
        }
        "missing_scope" | "no_permission" => "add the scopes chat:write and chat:write.customize to the app",
        _ => "see the errors of chat.postMessage in slack's documentation",
    }
}

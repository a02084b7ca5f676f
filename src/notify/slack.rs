//! Slack's Web API: one message posted, and what its answer means.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::config::{Endpoint, Secret};

/// Who the messages are from.
const SENDER: &str = "fink-alert";
/// How long one message may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
/// The pause where Slack asks for one and does not say how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);
/// The longest pause that is taken for meant, instead of a damaged header.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Errors that are Slack's own and pass.
const TRANSIENT_ERRORS: [&str; 4] = ["internal_error", "fatal_error", "service_unavailable", "request_timeout"];

/// Why a message was not posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostError {
    /// too many messages: post nothing for so long
    RateLimited(Duration),
    /// the server is away or at fault, in words: it may come back
    Unavailable(String),
    /// the message is too long, in words
    TooLong(String),
    /// this message will never be taken, in words
    Rejected(String),
}

/// The way to Slack. Without `Debug`: it holds the token.
pub(super) struct SlackClient {
    agent: ureq::Agent,
    endpoint: Endpoint,
    token: Secret,
}

impl SlackClient {
    pub fn new(endpoint: Endpoint, token: Secret) -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        // A redirection would take the token to somebody else.
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
        let answer = self
            .agent
            .post(self.endpoint.as_str())
            .header("authorization", format!("Bearer {}", self.token.reveal()))
            .content_type("application/json; charset=utf-8")
            .send(message.as_bytes());
        let mut answer = answer.map_err(|error| PostError::Unavailable(self.away(&error)))?;
        let status = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.trim().parse().ok());
        let pause = after.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER);
        match status {
            429 => return Err(PostError::RateLimited(pause)),
            500.. => {
                return Err(PostError::Unavailable(format!(
                    "{} answers with http status {status}",
                    self.endpoint.as_str()
                )));
            }
            200 => {}
            _ => {
                let reason =
                    format!("{} answers with http status {status}; see slack.endpoint", self.endpoint.as_str());
                return Err(PostError::Rejected(reason));
            }
        }
        let body = answer.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_string();
        let body = body.map_err(|error| PostError::Unavailable(self.away(&error)))?;
        self.parse_response(&body, pause)
    }

    fn away(&self, error: &ureq::Error) -> String {
        format!("{} cannot be reached: {error}", self.endpoint.as_str())
    }

    /// What the text of an answer says.
    fn parse_response(&self, body: &str, pause: Duration) -> Result<(), PostError> {
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        match (answer["ok"].as_bool(), answer["error"].as_str()) {
            (Some(true), _) => Ok(()),
            (Some(false), Some("ratelimited" | "rate_limited")) => Err(PostError::RateLimited(pause)),
            (Some(false), Some(error @ "msg_too_long")) => Err(PostError::TooLong(format!("slack says `{error}`"))),
            (Some(false), Some(error)) if TRANSIENT_ERRORS.contains(&error) => {
                Err(PostError::Unavailable(format!("slack says `{error}`")))
            }
            (Some(false), Some(error)) => {
                // What a stranger wrote goes into the log in a bounded, printable form.
                let error: String = error.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(PostError::Rejected(format!("slack says `{error}`: {}", remedy(&error))))
            }
            _ => {
                let reason = format!("{} does not answer as slack does; see slack.endpoint", self.endpoint.as_str());
                Err(PostError::Rejected(reason))
            }
        }
    }
}

/// What to do about an error of Slack's.
fn remedy(error: &str) -> &'static str {
    match error {
        "channel_not_found" => {
            "create the channel, invite the app to it if it is private, or take it out of slack.channels"
        }
        "not_in_channel" => "invite the app to the channel, or give it the scope chat:write.public",
        "is_archived" => "take the channel out of the archive, or out of slack.channels",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            "put a valid token into SLACK_API_TOKEN and restart"
        }
        "missing_scope" | "no_permission" => "give the app the scopes chat:write and chat:write.customize",
        _ => "see the errors of chat.postMessage in slack's documentation",
    }
}

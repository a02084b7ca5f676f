//! The metadata of one topic, for every kind of client.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::connection::Connection;
use crate::kafka::error::{Resource, Result};

/// How long one request waits before the connection is checked.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The pause before a request is repeated.
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(20);

/// The number of partitions of a topic; `None`: it does not exist. `between` is called between requests.
///
/// # Errors
/// Not authorized to describe the topic, or no response within `timeout`.
pub(super) fn partition_count<C: ClientContext>(
    client: &Client<C>,
    connection: &Connection,
    topic: &str,
    timeout: Duration,
    between: impl Fn(),
) -> Result<Option<i32>> {
    let deadline = Instant::now() + timeout;
    let action = "describe";
    loop {
        let code = match client.fetch_metadata(Some(topic), POLL_INTERVAL.min(timeout)) {
            Ok(metadata) => match metadata.topics().iter().find(|t| t.name() == topic) {
                None => return Ok(None),
                Some(found) => match found.error().map(Code::from) {
                    None => return Ok(i32::try_from(found.partitions().len()).ok()),
                    Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
                    Some(Code::LeaderNotAvailable) => Code::LeaderNotAvailable,
                    Some(code) => return Err(connection.request_error(code, "", action, Resource::Topic(topic))),
                },
            },
            Err(error) => error.rdkafka_error_code().unwrap_or(Code::Fail),
        };
        between();
        connection.check()?;
        let is_transient = matches!(
            code,
            Code::BrokerTransportFailure | Code::OperationTimedOut | Code::LeaderNotAvailable | Code::AllBrokersDown
        );
        if !is_transient {
            return Err(connection.request_error(code, "", action, Resource::Topic(topic)));
        }
        if Instant::now() >= deadline {
            return Err(connection.diagnose_timeout(timeout, &format!("describing topic `{topic}`")));
        }
        std::thread::sleep(RETRY_BACKOFF);
    }
}

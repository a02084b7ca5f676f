//! Whether a start sends alerts again: then it has to be confirmed, since their consumers receive them twice.

use std::fmt;

use super::checkpoint_partition::SERVICE;
use super::checkpoint_state::{CheckpointState, CheckpointStateError};
use super::error::DistributionError;
use super::request::Request;
use super::resume::start_time;
use super::settings::{Settings, StreamSettings};
use super::sink_error::{ATTEMPT_TIMEOUT, SinkError, retry_transient};
use crate::cancel::CancellationToken;
use crate::kafka::checkpoint::{self, Records, SERVICE_PARTITION};
use crate::kafka::watermarks::Watermarks;
use crate::kafka::{Admin, Error as KafkaError, Identity};
use crate::timestamp::Timestamp;

/// Alerts that a start would send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resend {
    from: Timestamp,
    /// `None`: the present
    until: Option<Timestamp>,
    /// the topics that hold alerts already
    topics: Vec<String>,
}

impl fmt::Display for Resend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topics, hold) = if self.topics.len() == 1 { ("topic", "holds") } else { ("topics", "hold") };
        write!(f, "{topics} `{}` {hold} alerts already, and ", self.topics.join("`, `"))?;
        match (self.from, self.until) {
            (Timestamp::EPOCH, None) => f.write_str("the whole table would be sent again"),
            (Timestamp::EPOCH, Some(until)) => {
                write!(f, "all alerts written before {} would be sent again", until.rfc3339())
            }
            (from, None) => write!(f, "alerts written since {} could be sent again", from.rfc3339()),
            (from, Some(until)) => {
                write!(f, "alerts written from {} to {} could be sent again", from.rfc3339(), until.rfc3339())
            }
        }
    }
}

/// Asks the user whether alerts are to be sent again. Returns whether they are.
pub(crate) type Confirm<'a> = &'a dyn Fn(&Resend) -> bool;

/// Has the user confirm the start of the service before its producer is opened, which would end a running service.
///
/// # Errors
/// Not confirmed; Kafka refuses a request.
pub(super) fn confirm_service(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    now: Timestamp,
    (cancel, confirm): (&CancellationToken, Confirm<'_>),
) -> Result<(), DistributionError> {
    if request.is_job() || (request.from.is_none() && settings.distribution.start.time(now).is_none()) {
        return Ok(());
    }
    let admin = Admin::open(&settings.kafka, Identity::User, ATTEMPT_TIMEOUT).map_err(SinkError::from)?;
    let topic = checkpoint::topic_of(&settings.distribution.name);
    let records = match retry_transient(cancel, || match admin.partitions(&topic)? {
        Some(_) => checkpoint::read_stable(&admin, &topic, SERVICE_PARTITION, cancel),
        None => Ok(Records::new()),
    }) {
        // The start reports that the user may not read the checkpoint.
        Err(SinkError::Kafka(KafkaError::NotAuthorized { .. })) => return Ok(()),
        records => records?,
    };
    confirm_start(settings, request, streams, SERVICE, &records, now, &admin, (cancel, confirm))
}

/// Has the user confirm a start after the checkpoint with these records, if it sends alerts again.
///
/// # Errors
/// As for [`confirm_service`].
#[expect(clippy::too_many_arguments, reason = "what a start is decided by")]
pub(super) fn confirm_start(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    prefix: &str,
    records: &Records,
    now: Timestamp,
    admin: &Admin,
    (cancel, confirm): (&CancellationToken, Confirm<'_>),
) -> Result<(), DistributionError> {
    let state = match CheckpointState::load(prefix, records) {
        Err(CheckpointStateError::NoState { .. }) => None,
        state => state?,
    };
    let Some((from, until)) = range_sent_again(settings, request, state.as_ref(), now)? else { return Ok(()) };
    let topics: Vec<&str> = streams.iter().map(|stream| stream.topic.as_str()).collect();
    let topics = retry_transient(cancel, || topics_with_alerts_since(admin, &topics, from))?;
    if topics.is_empty() {
        return Ok(());
    }
    let resend = Resend { from, until, topics };
    match confirm(&resend) {
        true => Ok(()),
        false => Err(DistributionError::NotConfirmed { resend: resend.to_string() }),
    }
}

/// The time range whose alerts a start sends again if the topics hold them already; `None`: it sends none again.
fn range_sent_again(
    settings: &Settings,
    request: &Request,
    state: Option<&CheckpointState>,
    now: Timestamp,
) -> Result<Option<(Timestamp, Option<Timestamp>)>, DistributionError> {
    let distribution = &settings.distribution;
    if request.is_job() {
        // A job for a given time range is how alerts are sent again on purpose.
        let is_whole_table = request.from.is_none_or(|start| start.time(now) == Some(Timestamp::EPOCH));
        return Ok((state.is_none() && is_whole_table).then_some((Timestamp::EPOCH, request.until)));
    }
    let start = request.from.unwrap_or(distribution.start);
    match state {
        Some(state) if start.time(now).is_none() || state.origin() == start.to_string() => Ok(None),
        Some(state) => {
            let (from, until) = (start_time(start, distribution, now)?, state.watermark());
            Ok((from < until).then_some((from, Some(until))))
        }
        // Without `--from`, the service does not start if its topics hold alerts.
        None if request.from.is_none() => Ok(None),
        None => Ok(Some((start_time(start, distribution, now)?, None))),
    }
}

/// The topics to which messages were written since `from`: an alert is sent after its row was written.
fn topics_with_alerts_since(admin: &Admin, topics: &[&str], from: Timestamp) -> Result<Vec<String>, KafkaError> {
    let partitions: Vec<Watermarks> =
        admin.watermarks(topics)?.into_iter().filter(|partition| partition.high > 0).collect();
    let places: Vec<(String, i32)> =
        partitions.iter().map(|partition| (partition.topic.clone(), partition.partition)).collect();
    let since = match from {
        Timestamp::EPOCH => vec![Some(0); places.len()],
        from => admin.offsets_for_time(&places, from.as_millis())?,
    };
    let mut found: Vec<String> = Vec::new();
    for ((topic, _), since) in places.into_iter().zip(since) {
        if since.is_some() && !found.contains(&topic) {
            found.push(topic);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, Environment, RequiredLogin};
    use crate::distribution::settings::Start;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn range(from: Option<Start>, until: Option<i64>, origin: Option<&str>) -> Option<(i64, Option<i64>)> {
        let configuration = Configuration::load(None, &[], &Environment::default()).expect("defaults");
        let settings = configuration.settings(RequiredLogin::None).expect("defaults");
        let request = Request { from, until: until.map(at), ..Request::default() };
        let state = origin.map(|origin| CheckpointState::service("live", origin, at(5_000)));
        let range = range_sent_again(&settings, &request, state.as_ref(), at(9_000)).expect("a range");
        range.map(|(from, until)| (from.as_millis(), until.map(Timestamp::as_millis)))
    }

    #[test]
    fn a_service_that_moves_back_or_has_lost_its_checkpoint_sends_alerts_again() {
        assert_eq!(range(Some(Start::Earliest), None, Some("latest")), Some((0, Some(5_000))));
        assert_eq!(range(Some(Start::At(4_000)), None, Some("latest")), Some((4_000, Some(5_000))));
        assert_eq!(range(Some(Start::Earliest), None, None), Some((0, None)));
        assert_eq!(range(Some(Start::Now), None, None), Some((9_000, None)));
    }

    #[test]
    fn a_service_that_resumes_or_moves_ahead_sends_nothing_again() {
        assert_eq!(range(None, None, Some("latest")), None);
        assert_eq!(range(Some(Start::Earliest), None, Some("earliest")), None);
        assert_eq!(range(Some(Start::Now), None, Some("latest")), None);
        assert_eq!(range(None, None, None), None, "such a start is refused");
    }

    #[test]
    fn a_job_for_the_whole_table_is_confirmed_and_one_for_a_time_range_is_not() {
        assert_eq!(range(None, Some(8_000), None), Some((0, Some(8_000))));
        assert_eq!(range(Some(Start::Earliest), Some(8_000), None), Some((0, Some(8_000))));
        assert_eq!(range(Some(Start::At(1)), Some(8_000), None), None);
        assert_eq!(range(None, Some(8_000), Some("job")), None, "it resumes");
    }

    #[test]
    fn the_question_says_in_dates_what_is_sent_again() {
        let resend = |from, until| Resend { from, until, topics: vec!["t".to_owned()] }.to_string();
        assert!(resend(at(0), None).ends_with("the whole table would be sent again"));
        let (from, until) = (at(1_572_566_400_000), at(1_572_566_460_000));
        assert!(
            resend(from, Some(until))
                .ends_with("alerts written from 2019-11-01T00:00:00Z to 2019-11-01T00:01:00Z could be sent again")
        );
    }
}

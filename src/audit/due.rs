//! The time up to which the alerts of a stream must be on its topic.

use std::time::Duration;

use super::error::AuditError;
use super::topic::KAFKA_TIMEOUT;
use crate::cancel::CancellationToken;
use crate::distribution::DistributionError;
use crate::distribution::checkpoint_state::{CheckpointState, MissedByStream};
use crate::distribution::settings::{DistributionSettings, StreamSettings};
use crate::kafka::KafkaSettings;
use crate::kafka::{Admin, Error as KafkaError, Identity, checkpoint};
use crate::timestamp::Timestamp;
use crate::units::format_timestamp;

/// How the keys of a service's records begin in the checkpoint.
const SERVICE_PREFIX: &str = "live";
const STATE_SUFFIX: &str = "/state";
/// A watermark that is behind the settled time by more than this is logged.
const MAX_WATERMARK_LAG: Duration = Duration::from_secs(600);

/// For each stream the time up to which all of its alerts are done: the watermark of the service that sends it, or an earlier time if the stream is
/// paused or was; `now` minus `distribution.repair` if there was never a service.
///
/// # Errors
/// Kafka does not answer, the checkpoint is damaged, or `cancel` was cancelled.
pub(super) fn due(
    kafka: &KafkaSettings,
    distribution: &DistributionSettings,
    streams: &[StreamSettings],
    now: Timestamp,
    cancel: &CancellationToken,
) -> Result<Vec<Timestamp>, AuditError> {
    let states = service_states(kafka, distribution, cancel)?;
    let settled = now - distribution.repair;
    let due = |stream: &StreamSettings| {
        let sends = |prefix: &str| match prefix.strip_prefix(SERVICE_PREFIX) {
            Some("") => true,
            Some(names) => names.trim_start_matches(':').split('+').any(|name| name == stream.name),
            None => false,
        };
        let done_until = |state: &CheckpointState| {
            let missed_from = state.missed().of(&stream.name).and_then(MissedByStream::from);
            missed_from.map_or(state.watermark(), |from| from.min(state.watermark()))
        };
        let of_services = states.iter().filter(|(prefix, _)| sends(prefix)).map(|(_, state)| done_until(state));
        let Some(watermark) = of_services.max() else { return settled };
        if watermark < settled - MAX_WATERMARK_LAG {
            log::warn!(
                "stream `{}`: the service has sent what was written before {}; alerts written since count as not due",
                stream.name,
                format_timestamp(watermark.as_millis())
            );
        }
        watermark
    };
    Ok(streams.iter().map(due).collect())
}

/// The states of all services, by their prefix in the checkpoint. Records in open transactions are ignored.
fn service_states(
    kafka: &KafkaSettings,
    distribution: &DistributionSettings,
    cancel: &CancellationToken,
) -> Result<Vec<(String, CheckpointState)>, AuditError> {
    let topic = checkpoint::topic_of(&distribution.name);
    let user = Admin::open(kafka, Identity::User, KAFKA_TIMEOUT)?;
    let partitions = user.partitions(&topic)?.unwrap_or_default();
    let mut states = Vec::new();
    for partition in 0..partitions {
        let records = match checkpoint::read_stable(&user, &topic, partition, cancel) {
            Ok(records) => records,
            Err(error @ KafkaError::NotAuthorized { .. }) => {
                log::warn!("{error}; alerts older than distribution.repair are expected on their topics");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let prefixes = records.keys().filter_map(|key| std::str::from_utf8(key).ok()?.strip_suffix(STATE_SUFFIX));
        for prefix in prefixes.filter(|prefix| prefix.starts_with(SERVICE_PREFIX)) {
            let state = CheckpointState::load(prefix, &records).map_err(DistributionError::from)?;
            states.extend(state.map(|state| (prefix.to_owned(), state)));
        }
    }
    Ok(states)
}

//! Up to which time a stream's alerts have to be on their topic.

use std::time::Duration;

use super::error::AuditError;
use super::topic::KAFKA_TIMEOUT;
use crate::config::{DistributionSettings, KafkaSettings, StreamSettings, format_timestamp};
use crate::distribution::DistributionError;
use crate::distribution::checkpoint_state::CheckpointState;
use crate::kafka::client::Identity;
use crate::kafka::{Admin, Error as KafkaError, checkpoint};

/// How the checkpoint's records of a service begin.
const SERVICE_PREFIX: &str = "live";
const STATE_SUFFIX: &str = "/state";

/// For each stream the time (ms since 1970) up to which all of its alerts are done: the watermark of the service that sends it, or `now` less
/// `distribution.repair` where no service ever did.
///
/// # Errors
/// Kafka does not answer, or the checkpoint is damaged.
pub(super) fn due(
    kafka: &KafkaSettings,
    distribution: &DistributionSettings,
    streams: &[StreamSettings],
    now: i64,
    give_up: &dyn Fn() -> bool,
) -> Result<Vec<i64>, AuditError> {
    let watermarks = watermarks(kafka, distribution, give_up)?;
    let settled = now - i64::try_from(distribution.repair.as_millis()).unwrap_or(i64::MAX / 4);
    let of = |stream: &StreamSettings| {
        let sends = |prefix: &str| match prefix.strip_prefix(SERVICE_PREFIX) {
            Some("") => true,
            Some(names) => names.trim_start_matches(':').split('+').any(|name| name == stream.name),
            None => false,
        };
        let of_services = watermarks.iter().filter(|(prefix, _)| sends(prefix)).map(|(_, watermark)| *watermark);
        match of_services.max() {
            Some(watermark) => {
                if watermark < settled - i64::try_from(Duration::from_secs(600).as_millis()).unwrap_or_default() {
                    log::warn!(
                        "stream `{}`: the service's checkpoint stands at {}; alerts written since are not judged, since it will send them",
                        stream.name,
                        format_timestamp(watermark)
                    );
                }
                watermark
            }
            None => settled,
        }
    };
    Ok(streams.iter().map(of).collect())
}

/// The watermarks of all services, by their prefix in the checkpoint. What an open transaction hides is left out.
fn watermarks(
    kafka: &KafkaSettings,
    distribution: &DistributionSettings,
    give_up: &dyn Fn() -> bool,
) -> Result<Vec<(String, i64)>, AuditError> {
    let topic = checkpoint::topic_of(&distribution.name);
    let user = Admin::open(kafka, Identity::User, KAFKA_TIMEOUT)?;
    let partitions = user.partitions(&topic)?.unwrap_or_default();
    let mut watermarks = Vec::new();
    for partition in 0..partitions {
        let records = match checkpoint::read_stable(&user, &topic, partition, give_up) {
            Ok(records) => records,
            Err(error @ KafkaError::NotAuthorized { .. }) => {
                log::warn!("{error}; alerts that are older than distribution.repair are expected on their topics");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let prefixes = records.keys().filter_map(|key| std::str::from_utf8(key).ok()?.strip_suffix(STATE_SUFFIX));
        for prefix in prefixes.filter(|prefix| prefix.starts_with(SERVICE_PREFIX)) {
            let progress = CheckpointState::load(prefix, &records).map_err(DistributionError::from)?;
            watermarks.extend(progress.map(|progress| (prefix.to_owned(), progress.watermark().as_millis())));
        }
    }
    Ok(watermarks)
}

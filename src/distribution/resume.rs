//! Where a distribution begins: at its checkpoint, or where the user says.

use super::checkpoint_partition::SERVICE;
use super::checkpoint_state::{CheckpointState, CheckpointStateError, Record};
use super::error::DistributionError;
use super::kafka_sink::KafkaSink;
use super::offset_file;
use super::request::Request;
use crate::distribution::settings::{DistributionSettings, Start};
use crate::kafka::checkpoint::Records;
use crate::timestamp::Timestamp;
use crate::window::Window;

/// The state in which a distribution begins, and the records that delete what it no longer needs. `records` is the checkpoint, `prefix` the
/// checkpoint name, `now` the time of the command. `sink` is `None` in a dry run.
///
/// # Errors
/// The checkpoint is damaged or missing; the offset file cannot be read; the window of a job is empty.
pub(super) fn resume(
    request: &Request,
    settings: &DistributionSettings,
    prefix: &str,
    sink: Option<&KafkaSink>,
    records: &Records,
    now: Timestamp,
) -> Result<(CheckpointState, Vec<Record>), DistributionError> {
    let (found, has_lost_state) = match CheckpointState::load(prefix, records) {
        Err(CheckpointStateError::NoState { .. }) if request.from.is_some() => (None, true),
        found => (found?, false),
    };
    let is_new_service = found.is_none() && !request.is_job() && request.from.is_none();
    if is_new_service && let Some(sink) = sink {
        if let Some(topic) = sink.topic_with_messages()? {
            return Err(DistributionError::NoCheckpoint { name: settings.name.clone(), topic: topic.to_owned() });
        }
        if prefix == SERVICE && sink.had_checkpoint()? {
            let (topic, _) = sink.checkpoint_partition();
            return Err(DistributionError::LostCheckpoint { name: settings.name.clone(), topic: topic.to_owned() });
        }
    }
    let (state, outdated) = starting_state(request, found, prefix, settings, now)?;
    // Wherever the user begins, what the ledger lists is not sent again.
    let state = if has_lost_state { state.with_ledger(records)? } else { state };
    Ok((state, outdated))
}

/// The state in which to begin after `found`, and the records that delete what it no longer needs.
///
/// `--from` and `distribution.start` say where a *new* checkpoint begins. A service that is started again with the same start resumes at its
/// checkpoint, so that a supervisor may restart it at any time; another start moves the watermark.
fn starting_state(
    request: &Request,
    found: Option<CheckpointState>,
    prefix: &str,
    settings: &DistributionSettings,
    now: Timestamp,
) -> Result<(CheckpointState, Vec<Record>), DistributionError> {
    let start = request.from.unwrap_or(if request.is_job() { Start::Earliest } else { settings.start });
    let from = || start_time(start, settings, now);
    let state = match (found, request.until) {
        (Some(state), Some(_)) => state,
        (None, Some(until)) => {
            let from = from()?;
            let window = Window::new(from, until).ok_or(DistributionError::EmptyWindow { from, until })?;
            CheckpointState::job(prefix, window)
        }
        (Some(state), None) if start == Start::Latest || state.origin() == start.to_string() => state,
        (Some(state), None) => {
            let (origin, from) = (start.to_string(), from()?);
            log::warn!(
                "the watermark of the checkpoint, which began with `{}`, moves from {} to {}, because the start is `{origin}` now",
                state.origin(),
                state.watermark().rfc3339(),
                from.with_millis()
            );
            return Ok(state.moved_to(&origin, from));
        }
        (None, None) => CheckpointState::service(prefix, &start.to_string(), from()?),
    };
    Ok((state, Vec::new()))
}

/// The time of a start; `latest` is the time in the offset file, else the beginning of the table.
///
/// # Errors
/// The offset file cannot be read.
pub(super) fn start_time(
    start: Start,
    settings: &DistributionSettings,
    now: Timestamp,
) -> Result<Timestamp, DistributionError> {
    let from = match (start.time(now), &settings.offset_file) {
        (None, Some(path)) => offset_file::read(path, now)?,
        (time, _) => time,
    };
    Ok(from.unwrap_or(Timestamp::EPOCH))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> DistributionSettings {
        DistributionSettings {
            name: "fink".to_owned(),
            start: Start::Latest,
            poll: Duration::from_millis(500),
            settle: Duration::ZERO,
            overlap: Duration::from_secs(30),
            repair: Duration::from_secs(600),
            repair_every: Duration::from_secs(60),
            status: true,
            offset_file: None,
            memory: 1 << 28,
            rejected_topic: "fink_rejected".to_owned(),
            durability: crate::kafka::topics::Durability::default(),
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn begin(request: &Request, found: Option<CheckpointState>) -> i64 {
        starting_state(request, found, "live", &settings(), at(5000))
            .expect("a place to begin")
            .0
            .watermark()
            .as_millis()
    }

    fn from(start: Start) -> Request {
        Request { from: Some(start), ..Request::default() }
    }

    #[test]
    fn a_restart_with_the_same_start_resumes_at_the_checkpoint() {
        let found = || Some(CheckpointState::service("live", "now", at(77)));
        assert_eq!(begin(&from(Start::Now), found()), 77);
        assert_eq!(begin(&Request::default(), found()), 77);
        assert_eq!(begin(&from(Start::At(9)), found()), 9);
    }

    #[test]
    fn a_new_checkpoint_begins_where_it_is_told() {
        assert_eq!(begin(&from(Start::Earliest), None), 0);
        assert_eq!(begin(&from(Start::Now), None), 5000);
        assert_eq!(begin(&Request::default(), None), 0);
    }

    #[test]
    fn without_a_checkpoint_the_offset_file_counts() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("offset");
        std::fs::write(&path, "distributed till, 1234")?;
        let settings = DistributionSettings { offset_file: Some(path), ..settings() };
        let (progress, _) = starting_state(&Request::default(), None, "live", &settings, at(5000))?;
        assert_eq!(progress.watermark(), at(1234));
        Ok(())
    }

    #[test]
    fn a_job_that_ends_before_it_begins_is_refused() {
        let request = Request { from: Some(Start::At(10)), until: Some(at(10)), ..Request::default() };
        assert!(starting_state(&request, None, "job", &settings(), at(5000)).is_err());
    }
}

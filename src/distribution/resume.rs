//! Where a distribution begins: at its checkpoint, or where the user says.

use super::checkpoint_state::{CheckpointState, CheckpointStateError, Record};
use super::publisher::Publisher;
use super::{DistributionError, Request};
use crate::config::Settings;
use crate::kafka::checkpoint::Records;
use crate::timestamp::Timestamp;

/// What decides where a distribution begins.
pub(super) struct Begin<'a> {
    pub settings: &'a Settings,
    pub request: &'a Request,
    pub prefix: &'a str,
    /// the moment of the command
    pub now: Timestamp,
}

impl Begin<'_> {
    /// Where to begin, given the checkpoint's records; and records that are outdated by that.
    pub fn progress(
        &self,
        publisher: &Publisher,
        records: &Records,
    ) -> Result<(CheckpointState, Vec<Record>), DistributionError> {
        let Self { settings, request, prefix, now } = self;
        let (found, lost_state) = match CheckpointState::load(prefix, records) {
            // Whatever the user says, what the ledger lists is not sent again.
            Err(CheckpointStateError::NoState { .. }) if request.from.is_some() => (None, true),
            found => (found?, false),
        };
        let is_new_service = found.is_none() && !request.is_job() && request.from.is_none();
        if is_new_service && let Some(sink) = publisher.sink() {
            let written = sink.written_topics()?;
            if let Some((topic, _)) = written.iter().find(|(_, is_written)| *is_written) {
                let name = settings.distribution.name.clone();
                return Err(DistributionError::NoCheckpoint { name, topic: (*topic).to_owned() });
            }
        }
        let (progress, outdated) = request.begin(found, prefix, &settings.distribution, *now)?;
        match lost_state {
            true => Ok((progress.with_ledger(records)?, outdated)),
            false => Ok((progress, outdated)),
        }
    }
}

//! A standby: it waits until no other process writes the checkpoint of the service. It opens no producer, which would end that process.

use std::time::{Duration, Instant};

use super::checkpoint_partition::SERVICE;
use super::error::DistributionError;
use super::instruments::ServerHealth;
use super::kafka_watch::KafkaWatch;
use super::owner::{Owner, OwnerState};
use super::settings::Settings;
use super::sink_error::{ATTEMPT_TIMEOUT, SinkError, retry_existing, retry_transient};
use crate::cancel::CancellationToken;
use crate::kafka::checkpoint::{self, SERVICE_PARTITION};
use crate::kafka::{Admin, Identity};

/// Time between two looks at the checkpoint.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// An active process commits at least every 5 s. After this time without a commit, the standby looks whether it has ended.
const SILENCE: Duration = Duration::from_secs(6);
/// After this time without a commit, in which Kafka has answered, the active process is gone.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Waits until the service's checkpoint has no active writer.
///
/// # Errors
/// Kafka refuses a request; or `cancel` is cancelled.
pub(crate) fn wait_for_turn(settings: &Settings, cancel: &CancellationToken) -> Result<(), DistributionError> {
    let admin = Admin::open(&settings.kafka, Identity::User, ATTEMPT_TIMEOUT).map_err(SinkError::from)?;
    let topic = checkpoint::topic_of(&settings.distribution.name);
    let watch = KafkaWatch::start(&settings.kafka, &ServerHealth::default());
    let owner = || -> Result<OwnerState, SinkError> {
        let read = || checkpoint::read_stable(&admin, &topic, SERVICE_PARTITION, cancel);
        Ok(Owner::state_of(SERVICE, &retry_existing(cancel, read)?))
    };
    if retry_transient(cancel, || admin.partitions(&topic))?.is_none() {
        return Ok(());
    }
    watch.set_topic(&topic);
    match owner()? {
        OwnerState::Active(process) => log::info!(
            "standby: {process} is the active process of distribution `{}`; waiting until it ends",
            settings.distribution.name
        ),
        OwnerState::Ended | OwnerState::None => return Ok(()),
    }
    let partition = [(topic.clone(), SERVICE_PARTITION)];
    let mut progress = Progress::new(Instant::now());
    loop {
        if cancel.wait(POLL_INTERVAL) {
            return Err(DistributionError::Cancelled);
        }
        let end = retry_existing(cancel, || admin.high_watermarks(&partition))?.first().copied().unwrap_or(0);
        match progress.update(end, Instant::now()) {
            Silence::Short => {}
            Silence::Long => {
                if let OwnerState::Ended | OwnerState::None = owner()? {
                    log::info!("standby: the active process has ended; taking over");
                    return Ok(());
                }
            }
            Silence::TimedOut => {
                log::warn!("standby: the active process has not committed for {} s; taking over", TIMEOUT.as_secs());
                return Ok(());
            }
        }
    }
}

/// How long the active process has not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    Short,
    /// long enough to look whether it has ended; returned once
    Long,
    TimedOut,
}

/// The commits of the active process, as seen by looks at the end of the partition.
#[derive(Debug)]
struct Progress {
    end: i64,
    /// the time in which Kafka has answered and the end has not moved
    silent: Duration,
    looked: Instant,
    is_reported: bool,
}

impl Progress {
    fn new(now: Instant) -> Self {
        Self { end: -1, silent: Duration::ZERO, looked: now, is_reported: false }
    }

    fn update(&mut self, end: i64, now: Instant) -> Silence {
        let passed = now - self.looked;
        self.looked = now;
        if end != self.end {
            *self = Self { end, ..Self::new(now) };
            return Silence::Short;
        }
        // A look that took long, or a machine that was suspended, says nothing about the active process.
        self.silent += passed.min(POLL_INTERVAL * 2);
        if self.silent >= TIMEOUT {
            return Silence::TimedOut;
        }
        match self.silent >= SILENCE && !std::mem::replace(&mut self.is_reported, self.silent >= SILENCE) {
            true => Silence::Long,
            false => Silence::Short,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_kafka_answers_counts_as_silence() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        let mut at = start;
        let mut pass = |progress: &mut Progress, end: i64, seconds: u64| {
            at += Duration::from_secs(seconds);
            progress.update(end, at)
        };
        assert_eq!(pass(&mut progress, 5, 1), Silence::Short);
        let first: Vec<Silence> = (0..7).map(|_| pass(&mut progress, 5, 1)).collect();
        assert_eq!(first.iter().filter(|silence| **silence == Silence::Long).count(), 1);
        assert_eq!(pass(&mut progress, 5, 600), Silence::Short, "kafka has not answered for ten minutes");
        assert_eq!(pass(&mut progress, 6, 1), Silence::Short);
        let silences: Vec<Silence> = (0..40).map(|_| pass(&mut progress, 6, 1)).collect();
        assert_eq!(silences.last(), Some(&Silence::TimedOut));
        assert!(!silences[..38].contains(&Silence::TimedOut));
    }
}

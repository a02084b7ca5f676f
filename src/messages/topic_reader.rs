//! Reads topics in batches: knows how far it is, commits offsets, tells when to end, and logs when the brokers are away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::lag_watch::LagWatch;
use super::outage::{Notice, Outage};
use super::positions::{Place, Positions};
use crate::kafka::consumer::{Consumer, Event, OffsetCommit};
use crate::kafka::{Error, Message};

/// The longest wait for messages between two checks for a stop request.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The most messages, and the most bytes of them, in one batch.
const MAX_BATCH_MESSAGES: usize = 500;
const MAX_BATCH_BYTES: usize = 4 << 20;
/// Time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for a surplus alert after the expected number.
const SURPLUS_TIMEOUT: Duration = Duration::from_secs(2);
/// Silence after which it is asked whether the brokers can be reached.
const SILENCE: Duration = Duration::from_secs(3);
/// Time between two questions to brokers that are away, and how long an answer may take.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// Broken messages that are named each; further ones are only counted.
const MAX_NAMED_BROKEN: u64 = 100;

/// When to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// after this many alerts
    pub limit: Option<u64>,
    /// at what is there at the start
    pub until_end: bool,
    /// after this long without a message
    pub idle: Option<Duration>,
    /// after this long
    pub exit_after: Option<Duration>,
    /// when this many alerts have come and no more are there
    pub expect: Option<u64>,
}

/// How far a reader is, for a line of progress.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// alerts that are printed, saved or loaded
    pub alerts: u64,
    /// messages that are not read yet, where that is known
    pub behind: Option<u64>,
    /// ms between the newest message read and now, where messages are left
    pub late: Option<i64>,
    /// partitions that are read
    pub partitions: usize,
}

/// A consumer with its positions.
pub struct TopicReader {
    consumer: Consumer,
    limits: Limits,
    deadline: Option<Instant>,
    lag: Option<LagWatch>,
    positions: Positions,
    is_assigned: bool,
    last_message: Instant,
    last_commit: Instant,
    /// time of the newest message, ms since 1970
    newest: Option<i64>,
    broken: u64,
    outage: Outage,
    last_probe: Instant,
}

impl TopicReader {
    /// Reads with `consumer`, whose time begins now. `lag` tells how many messages are left.
    pub fn new(consumer: Consumer, limits: Limits, lag: Option<LagWatch>) -> Self {
        let now = Instant::now();
        Self {
            consumer,
            limits,
            deadline: limits.exit_after.and_then(|time| now.checked_add(time)),
            lag,
            positions: Positions::default(),
            is_assigned: false,
            last_message: now,
            last_commit: now,
            newest: None,
            broken: 0,
            outage: Outage::default(),
            last_probe: now,
        }
    }

    /// Whether the time is over.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether `alerts` are all that are wanted.
    pub fn has_enough(&self, alerts: u64) -> bool {
        self.limits.limit.is_some_and(|limit| alerts >= limit)
    }

    /// Whether everything that is wanted has been read; `alerts`: how many came.
    pub fn is_done(&self, alerts: u64) -> bool {
        let Limits { limit, until_end, idle, expect, .. } = self.limits;
        let silence = self.last_message.elapsed();
        self.has_enough(alerts)
            || until_end && self.is_assigned && self.positions.has_ended()
            || self.is_assigned && idle.is_some_and(|idle| silence >= idle)
            || limit.is_none()
                && !until_end
                && expect.is_some_and(|expect| alerts >= expect && silence >= SURPLUS_TIMEOUT)
    }

    /// Whether everything is read that was there at the start, where that is the end; what was read need not be dealt with.
    pub fn is_read_to_end(&self) -> bool {
        self.limits.until_end && self.is_assigned && self.positions.is_read_to_end()
    }

    /// Fills the batch with the messages that are there, up to the first other event, which is returned.
    ///
    /// # Errors
    /// Kafka refuses.
    pub fn collect(&mut self, batch: &mut Vec<Message>) -> Result<Option<Event>, Error> {
        let (mut bytes, mut wait) = (0, POLL_INTERVAL);
        let mut event = None;
        while batch.len() < MAX_BATCH_MESSAGES && bytes < MAX_BATCH_BYTES {
            match self.consumer.next(wait)? {
                Some(Event::Message(message)) => {
                    bytes += message.value.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len);
                    batch.push(message);
                    wait = Duration::ZERO;
                }
                other => {
                    event = other;
                    break;
                }
            }
        }
        let is_same = |one: &Message, other: &Message| (one.partition, &one.topic) == (other.partition, &other.topic);
        for last in batch.chunk_by(is_same).filter_map(<[Message]>::last) {
            self.positions.mark_read(&last.topic, last.partition, last.offset + 1);
        }
        if let Some(Event::EndOfPartition { topic, partition, offset }) = &event {
            self.positions.mark_read(topic, *partition, *offset);
        }
        if let Some(last) = batch.last() {
            self.last_message = Instant::now();
            self.newest = last.timestamp.or(self.newest);
        }
        Ok(event)
    }

    /// These partitions are read from now on.
    ///
    /// # Errors
    /// Kafka does not tell where they end.
    pub fn assign(&mut self, places: Vec<Place>) -> Result<(), Error> {
        let ends: BTreeMap<Place, i64> = match self.limits.until_end {
            true => self.consumer.lag()?.into_iter().map(|lag| ((lag.topic, lag.partition), lag.end)).collect(),
            false => BTreeMap::new(),
        };
        for place in places {
            let end = ends.get(&place).copied();
            self.positions.assign(place, end);
        }
        self.is_assigned = true;
        self.last_message = Instant::now();
        log::debug!("reading {} partitions", self.positions.len());
        Ok(())
    }

    /// These partitions are read by another consumer of the group from now on. Their offsets are to be committed before.
    pub fn revoke(&mut self, places: &[Place]) {
        places.iter().for_each(|place| self.positions.revoke(place));
        log::debug!("{} partitions went to another consumer of the group", places.len());
    }

    /// Everything before this offset is dealt with.
    pub fn advance(&mut self, topic: &str, partition: i32, next: i64) {
        self.positions.advance(topic, partition, next);
    }

    /// Reads a partition again from an offset on.
    ///
    /// # Errors
    /// The partition is not assigned to this consumer.
    pub fn rewind(&mut self, place: &Place, offset: i64) -> Result<(), Error> {
        self.consumer.seek(&place.0, place.1, offset)?;
        self.positions.rewind(place, offset);
        Ok(())
    }

    /// Commits offsets, `now` or when it is time. `unsaved` says from which offset on alerts of a partition are not safe yet. While brokers
    /// are away nothing is committed, which is an error only where the reader `is_stopping`.
    ///
    /// # Errors
    /// Kafka refuses.
    pub fn commit(
        &mut self,
        now: bool,
        is_stopping: bool,
        unsaved: impl Fn(&Place) -> Option<i64>,
    ) -> Result<(), Error> {
        if !now && self.last_commit.elapsed() < COMMIT_INTERVAL {
            return Ok(());
        }
        self.last_commit = Instant::now();
        let offsets = self.positions.uncommitted(unsaved);
        match self.consumer.commit(&offsets) {
            Ok(OffsetCommit::Committed) => self.positions.mark_committed(&offsets),
            Ok(OffsetCommit::Lost) => {
                log::warn!("this consumer was removed from its group: offsets are not committed")
            }
            Err(error) if error.is_transient() && !is_stopping => {
                log::warn!("offsets are not committed yet: {error}");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Counts a message that cannot be decoded or loaded, and names it in the log, or the first ones of many.
    pub fn name_broken(&mut self, topic: &str, partition: i32, offset: i64, reason: &str) {
        self.broken += 1;
        match self.broken {
            ..=MAX_NAMED_BROKEN => log::error!("{topic}[{partition}] at {offset}: {reason}"),
            count if count == MAX_NAMED_BROKEN + 1 => log::error!("further broken messages are only counted"),
            _ => {}
        }
    }

    /// How many messages were broken.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// Logs once a minute that the brokers are unreachable.
    pub fn check_connection(&mut self) {
        let is_silent = self.last_message.elapsed() >= SILENCE;
        let fault = || self.consumer.connection().status().fault();
        if is_silent && fault().is_some() && self.last_probe.elapsed() >= PROBE_INTERVAL {
            self.consumer.probe_connection(PROBE_TIMEOUT);
            self.last_probe = Instant::now();
        }
        let fault = is_silent.then(fault).flatten();
        if fault.is_some() {
            // Silence of brokers that are away does not count as the silence of a topic.
            self.last_message = self.last_message.max(Instant::now() - SILENCE);
        }
        match (self.outage.observe(fault.is_some(), Instant::now()), fault) {
            (Some(Notice::Away), Some(fault)) => {
                log::warn!("kafka cannot be reached: {}; waiting for it", fault.reason);
            }
            (Some(Notice::Back), _) => log::info!("kafka can be reached again"),
            _ => {}
        }
    }

    /// How far the reader is; `alerts`: how many of them are done.
    pub fn snapshot(&self, alerts: u64) -> Snapshot {
        let behind = self.lag.as_ref().and_then(|lag| lag.behind(&self.positions));
        let late = match behind {
            Some(1..) => self.newest.map(|newest| jiff::Timestamp::now().as_millisecond() - newest),
            _ => None,
        };
        Snapshot { alerts, behind, late, partitions: self.positions.len() }
    }
}

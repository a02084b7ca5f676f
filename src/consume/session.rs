//! Runs a consumer: reads batches, decodes and filters alerts, passes them to the output, and commits the offsets of alerts that are safely
//! stored.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::decode::{Alert, DecodeError, MessageDecoder};
use super::error::ConsumeError;
use super::lag_watch::LagWatch;
use super::notices::Notices;
use super::outage::{Notice, Outage};
use super::outcome::{Added, Due};
use super::output::Output;
use super::positions::{Place, Positions};
use super::selection::{Chosen, Selection};
use crate::kafka::Message;
use crate::kafka::consumer::{Consumer, Event, OffsetCommit};
use crate::signals::Stop;

/// The longest wait for messages between two checks for a stop request.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The most messages, and the most bytes of them, in one batch.
const MAX_BATCH_MESSAGES: usize = 500;
const MAX_BATCH_BYTES: usize = 4 << 20;
/// Time between two commits of printed alerts.
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

/// What has been done.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// alerts printed or saved
    pub alerts: u64,
    /// bytes of their data
    pub bytes: u64,
    /// alerts that the choices refused
    pub refused: u64,
    /// alerts that files had already
    pub known: u64,
    /// messages that could not be decoded
    pub broken: u64,
    /// files written
    pub files: u64,
    /// their bytes
    pub file_bytes: u64,
    /// alerts by topic
    pub by_topic: BTreeMap<String, u64>,
}

/// How things stand, for a line of progress.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// what has been done
    pub summary: &'a Summary,
    /// messages that are not read yet, where that is known
    pub behind: Option<u64>,
    /// ms between the newest message read and now, where messages are left
    pub late: Option<i64>,
    /// partitions that are read
    pub partitions: usize,
}

/// A consumer at work.
pub struct Session<'a> {
    consumer: Consumer,
    decoder: MessageDecoder,
    selection: Selection,
    output: Output,
    limits: Limits,
    lag: Option<LagWatch>,
    notices: Option<Notices>,
    stop: &'a Stop,
    positions: Positions,
    summary: Summary,
    is_assigned: bool,
    last_message: Instant,
    last_commit: Instant,
    newest: Option<i64>,
    outage: Outage,
    last_probe: Instant,
}

/// What is read from.
pub struct Source {
    /// the consumer, opened
    pub consumer: Consumer,
    /// decodes its messages
    pub decoder: MessageDecoder,
    /// chooses among their alerts
    pub selection: Selection,
    /// tells how many messages are left
    pub lag: Option<LagWatch>,
    /// tells of the alerts that are kept
    pub notices: Option<Notices>,
}

impl<'a> Session<'a> {
    /// Puts the parts together.
    pub fn new(source: Source, output: Output, limits: Limits, stop: &'a Stop) -> Self {
        let Source { consumer, decoder, selection, lag, notices } = source;
        let now = Instant::now();
        Self {
            consumer,
            decoder,
            selection,
            output,
            limits,
            lag,
            notices,
            stop,
            positions: Positions::default(),
            summary: Summary::default(),
            is_assigned: false,
            last_message: now,
            last_commit: now,
            newest: None,
            outage: Outage::default(),
            last_probe: now,
        }
    }

    /// Reads until a limit is reached or a signal comes; then what was taken is flushed and committed. `progress` is called now and then.
    ///
    /// # Errors
    /// Kafka refuses, or an alert cannot be printed, saved or judged. Everything that was flushed before is committed.
    pub fn run(mut self, progress: &mut dyn FnMut(&Snapshot<'_>)) -> Result<Summary, ConsumeError> {
        let deadline = self.limits.exit_after.map(|time| Instant::now() + time);
        let mut batch: Vec<Message> = Vec::new();
        loop {
            if self.stop.requested() || deadline.is_some_and(|deadline| deadline <= Instant::now()) || self.is_done() {
                break;
            }
            let event = self.collect(&mut batch)?;
            self.process(&batch)?;
            batch.clear();
            if self.has_enough() {
                // The end of a partition would say that the messages left in the batch are dealt with too.
                break;
            }
            if let Some(event) = event {
                self.handle(event)?;
            }
            if let Some(due) = self.output.due() {
                self.flush(due)?;
            }
            self.check_connection();
            self.report(progress);
        }
        self.flush(Due::Flush)?;
        self.commit(true)?;
        self.report(progress);
        if let Some(notices) = self.notices.take() {
            notices.finish();
        }
        Ok(self.summary)
    }

    fn has_enough(&self) -> bool {
        self.limits.limit.is_some_and(|limit| self.summary.alerts >= limit)
    }

    fn is_done(&self) -> bool {
        let Limits { limit, until_end, idle, expect, .. } = self.limits;
        let silence = self.last_message.elapsed();
        self.has_enough()
            || until_end && self.is_assigned && self.positions.has_ended()
            || self.is_assigned && idle.is_some_and(|idle| silence >= idle)
            || limit.is_none()
                && !until_end
                && expect.is_some_and(|expect| self.summary.alerts >= expect && silence >= SURPLUS_TIMEOUT)
    }

    /// Fills the batch with the messages that are there, up to the first other event, which is returned.
    fn collect(&mut self, batch: &mut Vec<Message>) -> Result<Option<Event>, ConsumeError> {
        let (mut bytes, mut wait) = (0, POLL_INTERVAL);
        while batch.len() < MAX_BATCH_MESSAGES && bytes < MAX_BATCH_BYTES {
            match self.consumer.next(wait)? {
                Some(Event::Message(message)) => {
                    bytes += message.value.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len);
                    batch.push(message);
                    wait = Duration::ZERO;
                }
                other => return Ok(other),
            }
        }
        Ok(None)
    }

    fn process(&mut self, batch: &[Message]) -> Result<(), ConsumeError> {
        let Some(last) = batch.last() else { return Ok(()) };
        self.last_message = Instant::now();
        self.newest = last.timestamp.or(self.newest);
        let mut alerts: Vec<(usize, Alert<'_>)> = Vec::with_capacity(batch.len());
        let mut broken: Vec<(usize, String)> = Vec::new();
        for (at, message) in batch.iter().enumerate() {
            match self.decoder.decode(message) {
                Ok(found) => alerts.extend(found.into_iter().map(|alert| (at, alert))),
                Err(DecodeError::Broken(reason)) => broken.push((at, reason)),
                Err(DecodeError::Failed(error)) => return Err(error),
            }
        }
        let chosen = self.selection.choose(batch, &alerts, self.stop)?;
        let mut alerts = alerts.into_iter().zip(chosen).peekable();
        let mut broken = broken.into_iter().peekable();
        for (at, message) in batch.iter().enumerate() {
            if self.has_enough() {
                break;
            }
            if let Some((_, reason)) = broken.next_if(|(of, _)| *of == at) {
                self.name_broken(message, &reason);
            }
            while let Some(((_, whole), chosen)) = alerts.next_if(|((of, _), _)| *of == at) {
                let alert = match chosen {
                    Chosen::No => None,
                    Chosen::Whole => Some(whole),
                    Chosen::Part(part) => Some(part),
                };
                let Some(alert) = alert else {
                    self.summary.refused += 1;
                    continue;
                };
                match self.output.add(message, &alert)? {
                    Added::New => {
                        if let Some(notices) = &mut self.notices {
                            notices.add(&alert);
                        }
                        self.summary.alerts += 1;
                        self.summary.bytes += alert.datum.len() as u64;
                        *self.summary.by_topic.entry(message.topic.clone()).or_default() += 1;
                    }
                    Added::Known => self.summary.known += 1,
                }
            }
            self.positions.advance(&message.topic, message.partition, message.offset + 1);
        }
        Ok(())
    }

    fn name_broken(&mut self, message: &Message, reason: &str) {
        self.summary.broken += 1;
        match self.summary.broken {
            ..=MAX_NAMED_BROKEN => {
                log::error!("{}[{}] at {}: {reason}", message.topic, message.partition, message.offset);
            }
            count if count == MAX_NAMED_BROKEN + 1 => {
                log::error!("further messages that cannot be decoded are only counted");
            }
            _ => {}
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), ConsumeError> {
        match event {
            Event::Message(_) => {}
            Event::EndOfPartition { topic, partition, offset } => self.positions.advance(&topic, partition, offset),
            Event::Assigned(places) => {
                let ends: BTreeMap<Place, i64> = match self.limits.until_end {
                    true => self.consumer.lag()?.into_iter().map(|lag| ((lag.topic, lag.partition), lag.end)).collect(),
                    false => BTreeMap::new(),
                };
                self.output.assign();
                for place in places {
                    let end = ends.get(&place).copied();
                    self.positions.assign(place, end);
                }
                self.is_assigned = true;
                self.last_message = Instant::now();
                log::debug!("reading {} partitions", self.positions.len());
            }
            Event::Revoked(places) => {
                self.flush(Due::Flush)?;
                self.commit(true)?;
                self.output.revoke(&places);
                places.iter().for_each(|place| self.positions.revoke(place));
                log::debug!("{} partitions went to another consumer of the group", places.len());
            }
        }
        Ok(())
    }

    /// Makes what was taken safe, and commits its offsets.
    fn flush(&mut self, due: Due) -> Result<(), ConsumeError> {
        let flushed = self.output.flush(due)?;
        self.summary.files += flushed.files;
        self.summary.file_bytes += flushed.bytes;
        for (place, offset) in &flushed.rewind {
            log::warn!(
                "{}[{}]: another process has saved these alerts meanwhile; reading again from offset {offset}",
                place.0,
                place.1
            );
            self.consumer.seek(&place.0, place.1, *offset)?;
            self.positions.rewind(place, *offset);
        }
        self.commit(flushed.files > 0)?;
        if let Some(notices) = &mut self.notices {
            notices.send();
        }
        Ok(())
    }

    /// Commits offsets, now or when it is time.
    fn commit(&mut self, now: bool) -> Result<(), ConsumeError> {
        if !now && self.last_commit.elapsed() < COMMIT_INTERVAL {
            return Ok(());
        }
        self.last_commit = Instant::now();
        let offsets = self.positions.uncommitted(|place| self.output.unsaved(place));
        match self.consumer.commit(&offsets) {
            Ok(OffsetCommit::Committed) => self.positions.mark_committed(&offsets),
            Ok(OffsetCommit::Lost) => {
                log::warn!("this consumer was removed from its group: offsets are not committed")
            }
            Err(error) if error.is_transient() && !self.stop.requested() => {
                log::warn!("offsets are not committed yet: {error}");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Logs once a minute that the brokers are unreachable.
    fn check_connection(&mut self) {
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

    fn report(&self, progress: &mut dyn FnMut(&Snapshot<'_>)) {
        let behind = self.lag.as_ref().and_then(|lag| lag.behind(&self.positions));
        let late = match behind {
            Some(1..) => self.newest.map(|newest| jiff::Timestamp::now().as_millisecond() - newest),
            _ => None,
        };
        progress(&Snapshot { summary: &self.summary, behind, late, partitions: self.positions.len() });
    }
}

//! Runs a consumer: reads batches, decodes and filters alerts, passes them to the output, and commits the offsets of alerts that are safely
//! stored.

use std::collections::BTreeMap;

use super::error::ConsumeError;
use super::notices::Notices;
use super::outcome::{Added, Due};
use super::output::Output;
use super::selection::{Chosen, Selection};
use crate::kafka::Message;
use crate::kafka::consumer::Event;
use crate::messages::{Alert, DecodeError, MessageDecoder, Snapshot, TopicReader};
use crate::signals::Stop;

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

/// A consumer at work.
pub struct PollLoop<'a> {
    reader: TopicReader,
    decoder: MessageDecoder,
    selection: Selection,
    output: Output,
    notices: Option<Notices>,
    stop: &'a Stop,
    summary: Summary,
}

/// What is read from.
pub struct Source {
    /// reads the messages
    pub reader: TopicReader,
    /// decodes them
    pub decoder: MessageDecoder,
    /// chooses among their alerts
    pub selection: Selection,
    /// tells of the alerts that are kept
    pub notices: Option<Notices>,
}

impl<'a> PollLoop<'a> {
    /// Puts the parts together.
    pub fn new(source: Source, output: Output, stop: &'a Stop) -> Self {
        let Source { reader, decoder, selection, notices } = source;
        Self { reader, decoder, selection, output, notices, stop, summary: Summary::default() }
    }

    /// Reads until a limit is reached or a signal comes; then what was taken is flushed and committed. `progress` is called now and then.
    ///
    /// # Errors
    /// Kafka refuses, or an alert cannot be printed, saved or judged. Everything that was flushed before is committed.
    pub fn run(mut self, progress: &mut dyn FnMut(&Snapshot)) -> Result<Summary, ConsumeError> {
        let mut batch: Vec<Message> = Vec::new();
        loop {
            if self.stop.requested() || self.reader.is_late() || self.reader.is_done(self.summary.alerts) {
                break;
            }
            let event = self.reader.collect(&mut batch)?;
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
            self.reader.check_connection();
            progress(&self.reader.snapshot(self.summary.alerts));
        }
        self.flush(Due::Flush)?;
        self.commit(true)?;
        progress(&self.reader.snapshot(self.summary.alerts));
        if let Some(notices) = self.notices.take() {
            notices.finish();
        }
        Ok(self.summary)
    }

    fn has_enough(&self) -> bool {
        self.reader.has_enough(self.summary.alerts)
    }

    fn process(&mut self, batch: &[Message]) -> Result<(), ConsumeError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut alerts: Vec<(usize, Alert<'_>)> = Vec::with_capacity(batch.len());
        let mut broken: Vec<(usize, String)> = Vec::new();
        for (at, message) in batch.iter().enumerate() {
            match self.decoder.decode(message) {
                Ok(found) => alerts.extend(found.into_iter().map(|alert| (at, alert))),
                Err(DecodeError::Broken(reason)) => broken.push((at, reason)),
                Err(DecodeError::Failed(error)) => return Err(error.into()),
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
                self.reader.name_broken(&message.topic, message.partition, message.offset, &reason);
                self.summary.broken = self.reader.broken();
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
            self.reader.advance(&message.topic, message.partition, message.offset + 1);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), ConsumeError> {
        match event {
            Event::Message(_) => {}
            Event::EndOfPartition { topic, partition, offset } => self.reader.advance(&topic, partition, offset),
            Event::Assigned(places) => {
                self.output.assign();
                self.reader.assign(places)?;
            }
            Event::Revoked(places) => {
                self.flush(Due::Flush)?;
                self.commit(true)?;
                self.output.revoke(&places);
                self.reader.revoke(&places);
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
            self.reader.rewind(place, *offset)?;
        }
        self.commit(flushed.files > 0)?;
        if let Some(notices) = &mut self.notices {
            notices.send();
        }
        Ok(())
    }

    /// Commits offsets, now or when it is time.
    fn commit(&mut self, now: bool) -> Result<(), ConsumeError> {
        let is_stopping = self.stop.requested();
        Ok(self.reader.commit(now, is_stopping, |place| self.output.unsaved(place))?)
    }
}

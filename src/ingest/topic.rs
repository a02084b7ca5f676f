//! Loads the alerts of topics: one thread reads and decodes messages, several write rows, and offsets are committed once the rows of all
//! messages before them are written. A crash leads to messages that are read again, whose rows exist already.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::error::IngestError;
use super::loader::{Loader, Sample};
use super::options::IngestOptions;
use super::store_session::SharedOutage;
use super::topic_writers::{TopicAlert, TopicBatch, TopicWriters};
use crate::alert::Decoder;
use crate::avro::Schema;
use crate::cancel::CancellationToken;
use crate::kafka::Message;
use crate::kafka::consumer::Event;
use crate::messages::{
    DecodeError, MessageDecoder, Notice, Outage, Place, RegistryError, SchemaSetError, Snapshot, TopicReader,
};
use crate::science_db::ScienceDbSettings;
use crate::signals::Stop;

/// Batches that the writers have while the next is read.
const MAX_PENDING: usize = 2;
/// The most alerts that are taken for samples of a new table.
const MAX_SAMPLES: usize = 256;
/// Alerts of which none can be loaded into the table, after which that is a failure.
const MAX_UNSUITABLE: usize = 500;
const MAX_UNSUITABLE_BYTES: usize = 64 << 20;
/// The longest wait for writers between two lines of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two requests to a registry or a science database that is away, before anything can be written.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the writers may take at the end. What they have not written then is read again by the next process.
const GRACE: Duration = Duration::from_secs(10);

/// Where alerts are read.
pub(crate) struct TopicSource {
    /// reads the messages
    pub reader: TopicReader,
    /// decodes them
    pub decoder: MessageDecoder,
}

/// The result of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicSummary {
    /// table, `namespace:name`; `None`: there was no alert to load
    pub table: Option<String>,
    /// alerts written
    pub alerts: u64,
    /// alerts not written because their rows exist
    pub existing: u64,
    /// bytes of Avro data of the alerts written
    pub bytes: u64,
    /// messages read
    pub messages: u64,
    /// messages with something that could not be loaded
    pub broken: u64,
    /// what was waited for when the loading ended, with messages left that were not loaded
    pub waiting_for: Option<String>,
}

/// Loads the alerts of topics until a limit of the reader is reached, or `stop` is requested. A message that cannot be loaded is named in
/// the log and counted. Waits for brokers, a registry and a science database that are away.
///
/// # Errors
/// Kafka, the registry or the science database refuses; or the alerts do not fit the catalog or the options. What was written before is
/// committed.
pub(crate) fn load_topics(
    settings: &ScienceDbSettings,
    options: &IngestOptions,
    source: TopicSource,
    stop: &Stop,
    progress: &mut dyn FnMut(&Snapshot),
) -> Result<TopicSummary, IngestError> {
    // Not that of the signal: what is under way is completed.
    let cancel = CancellationToken::new();
    let loader = OnceLock::new();
    let (loader, cancel) = (&loader, &cancel);
    std::thread::scope(|scope| {
        let mut start = |samples: &[Sample]| -> Result<(String, TopicWriters<'_>), IngestError> {
            let mut opened = Loader::open(settings, options, samples, cancel)?;
            opened.wait_for_store();
            let loader: &Loader<'_> = loader.get_or_init(|| opened);
            Ok((loader.table().to_owned(), TopicWriters::start(scope, loader)))
        };
        let load = Load {
            source,
            stop,
            writers: None,
            unread: Vec::new(),
            waiting: TopicBatch::default(),
            registry: Outage::default(),
            store: SharedOutage::default(),
            taken: 0,
            unstarted: None,
            summary: TopicSummary::default(),
        };
        load.run(cancel, &mut start, progress)
    })
}

/// Starts the writers of the table for alerts such as the samples.
type StartWriters<'a, 'scope> = dyn FnMut(&[Sample]) -> Result<(String, TopicWriters<'scope>), IngestError> + 'a;

struct Load<'a, 'scope> {
    source: TopicSource,
    stop: &'a Stop,
    /// `None`: no alert has come that can be loaded
    writers: Option<TopicWriters<'scope>>,
    /// messages that wait for the schema of the first of them
    unread: Vec<Message>,
    /// alerts that wait for the writers to be started
    waiting: TopicBatch,
    registry: Outage,
    store: SharedOutage,
    /// alerts decoded
    taken: u64,
    /// why the writers cannot be started so far: the store is away, or no alert can be loaded
    unstarted: Option<IngestError>,
    summary: TopicSummary,
}

impl<'scope> Load<'_, 'scope> {
    fn run(
        mut self,
        cancel: &CancellationToken,
        start: &mut StartWriters<'_, 'scope>,
        progress: &mut dyn FnMut(&Snapshot),
    ) -> Result<TopicSummary, IngestError> {
        let ended = self.read(start, progress);
        // Also after an error: what was sent to the writers is written and committed.
        let written = self.finish(cancel, progress);
        ended.and(written)?;
        if !self.unread.is_empty() {
            self.summary.waiting_for.get_or_insert_with(|| "the schema registry".to_owned());
        }
        match self.unstarted {
            Some(IngestError::ScienceDb(error)) => self.summary.waiting_for = Some(error.to_string()),
            Some(error) => return Err(error),
            None => {}
        }
        self.summary.broken = self.source.reader.broken();
        Ok(self.summary)
    }

    fn read(
        &mut self,
        start: &mut StartWriters<'_, 'scope>,
        progress: &mut dyn FnMut(&Snapshot),
    ) -> Result<(), IngestError> {
        let (mut messages, mut event) = (Vec::new(), None);
        loop {
            if self.must_end() || self.writers_have_ended() {
                return Ok(());
            }
            // Alerts that cannot be loaded, and no more to come.
            if self.unstarted.is_some() && !self.is_waiting() && self.source.reader.is_read_to_end() {
                return Ok(());
            }
            if self.is_waiting() {
                self.stop.wait(RETRY_INTERVAL);
                messages.append(&mut self.unread);
            } else if self.source.reader.is_done(self.summary.alerts + self.summary.existing) {
                return Ok(());
            } else {
                event = self.source.reader.collect(&mut messages)?;
                self.summary.messages += messages.len() as u64;
            }
            self.decode(&mut messages)?;
            self.send(start)?;
            if self.source.reader.has_enough(self.taken) {
                // An event would say that the messages left are dealt with too.
                return Ok(());
            }
            if !self.is_waiting()
                && let Some(event) = event.take()
            {
                self.handle(event, progress)?;
            }
            self.wait_for_writers(MAX_PENDING, progress);
            self.source.reader.commit(false, false, |_| None)?;
            self.source.reader.check_connection();
            progress(&self.snapshot());
        }
    }

    /// Whether to end without the messages that are left.
    fn must_end(&self) -> bool {
        self.stop.requested() || self.source.reader.is_late()
    }

    /// Whether nothing can be read on before a server that is away answers.
    fn is_waiting(&self) -> bool {
        !self.unread.is_empty() || matches!(self.unstarted, Some(IngestError::ScienceDb(_)))
    }

    /// Whether a writer has failed.
    fn writers_have_ended(&self) -> bool {
        self.writers.as_ref().is_some_and(TopicWriters::have_ended)
    }

    fn snapshot(&self) -> Snapshot {
        self.source.reader.snapshot(self.summary.alerts + self.summary.existing)
    }

    /// Decodes messages, up to one whose schema is not available now.
    fn decode(&mut self, messages: &mut Vec<Message>) -> Result<(), IngestError> {
        let TopicSource { reader, decoder } = &mut self.source;
        let mut left = std::mem::take(messages).into_iter();
        while let Some(message) = left.next() {
            if reader.has_enough(self.taken) {
                return Ok(());
            }
            let place = Arc::new((message.topic.clone(), message.partition));
            match decoder.decode(&message) {
                Ok(found) => {
                    for alert in found {
                        self.taken += 1;
                        let (place, decoder) = (Arc::clone(&place), alert.decoder);
                        let datum = alert.datum.into_owned();
                        self.waiting.alerts.push(TopicAlert { place, offset: message.offset, decoder, datum });
                    }
                }
                Err(DecodeError::Broken(reason)) => {
                    reader.name_broken(&message.topic, message.partition, message.offset, &reason);
                }
                Err(DecodeError::Failed(SchemaSetError::Registry(error @ RegistryError::Away(_)))) => {
                    if self.registry.observe(true, Instant::now()) == Some(Notice::Away) {
                        log::warn!("{error}; trying again until it answers");
                    }
                    self.unread.push(message);
                    self.unread.extend(left);
                    return Ok(());
                }
                Err(DecodeError::Failed(error)) => return Err(IngestError::Source(error.to_string())),
            }
            if self.registry.observe(false, Instant::now()) == Some(Notice::Back) {
                log::info!("the schema registry answers again");
            }
            note(&mut self.waiting.offsets, place, message.offset + 1);
        }
        Ok(())
    }

    /// Passes the decoded alerts to the writers, which are started for the first of them that can be loaded.
    fn send(&mut self, start: &mut StartWriters<'_, 'scope>) -> Result<(), IngestError> {
        if self.writers.is_none() && !self.waiting.alerts.is_empty() {
            self.unstarted = match start(&samples(&self.waiting.alerts)) {
                Ok((table, writers)) => {
                    self.store.answered();
                    (self.summary.table, self.writers) = (Some(table), Some(writers));
                    None
                }
                Err(IngestError::ScienceDb(error)) if error.is_transient() => {
                    self.store.failed(&error);
                    Some(error.into())
                }
                // Further alerts may fit; these are then named as broken.
                Err(error @ (IngestError::Layout(_) | IngestError::Mismatch { .. })) if self.has_room() => {
                    if self.unstarted.is_none() {
                        log::warn!("{error}; waiting for alerts that can be loaded");
                    }
                    Some(error)
                }
                Err(error) => return Err(error),
            };
        }
        match &mut self.writers {
            Some(writers) if !self.waiting.offsets.is_empty() => writers.send(std::mem::take(&mut self.waiting)),
            None if self.waiting.alerts.is_empty() => {
                advance(&mut self.source.reader, std::mem::take(&mut self.waiting.offsets));
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether further alerts may be added to those that cannot be loaded.
    fn has_room(&self) -> bool {
        let bytes: usize = self.waiting.alerts.iter().map(|alert| alert.datum.len()).sum();
        self.waiting.alerts.len() < MAX_UNSUITABLE && bytes < MAX_UNSUITABLE_BYTES
    }

    fn handle(&mut self, event: Event, progress: &mut dyn FnMut(&Snapshot)) -> Result<(), IngestError> {
        match event {
            Event::Message(_) => {}
            Event::EndOfPartition { topic, partition, offset } => {
                note(&mut self.waiting.offsets, Arc::new((topic, partition)), offset);
                let is_idle = self.writers.as_ref().is_none_or(|writers| writers.pending() == 0);
                if is_idle && self.waiting.alerts.is_empty() {
                    advance(&mut self.source.reader, std::mem::take(&mut self.waiting.offsets));
                }
            }
            Event::Assigned(places) => self.source.reader.assign(places)?,
            Event::Revoked(places) => {
                self.wait_for_writers(0, progress);
                self.source.reader.commit(true, self.stop.requested(), |_| None)?;
                self.source.reader.revoke(&places);
            }
        }
        Ok(())
    }

    /// Waits until at most `pending` batches are under way, or it is time to end; takes the results that are there.
    fn wait_for_writers(&mut self, pending: usize, progress: &mut dyn FnMut(&Snapshot)) {
        let is_busy = |load: &Self| load.writers.as_ref().is_some_and(|writers| writers.pending() > pending);
        while is_busy(self) && !self.must_end() && !self.writers_have_ended() {
            self.take_written(Instant::now() + REPORT_INTERVAL);
            progress(&self.snapshot());
        }
        while self.take_written(Instant::now()) {}
    }

    /// Takes the result of a writer. Returns whether there was one until `deadline`.
    fn take_written(&mut self, deadline: Instant) -> bool {
        let Some(written) = self.writers.as_mut().and_then(|writers| writers.wait(deadline)) else { return false };
        self.summary.alerts += written.alerts;
        self.summary.existing += written.existing;
        self.summary.bytes += written.bytes;
        let reader = &mut self.source.reader;
        for broken in written.broken {
            reader.name_broken(&broken.place.0, broken.place.1, broken.offset, &broken.reason);
        }
        advance(reader, written.offsets);
        true
    }

    /// Ends the writers and commits what they have written.
    fn finish(&mut self, cancel: &CancellationToken, progress: &mut dyn FnMut(&Snapshot)) -> Result<(), IngestError> {
        let deadline = Instant::now() + GRACE;
        let mut result = Ok(());
        let is_busy = |load: &Self| load.writers.as_ref().is_some_and(|writers| writers.pending() > 0);
        while is_busy(self) && !self.writers_have_ended() && Instant::now() < deadline {
            self.take_written(deadline.min(Instant::now() + REPORT_INTERVAL));
            progress(&self.snapshot());
        }
        while self.take_written(Instant::now()) {}
        let is_incomplete = is_busy(self);
        if let Some(writers) = self.writers.take() {
            let has_failed = writers.have_ended();
            if is_incomplete {
                cancel.cancel();
            }
            result = writers.join();
            if is_incomplete && !has_failed {
                // The writers were cancelled while they waited for the store.
                let reason = result.err().map_or("the science database".to_owned(), |error| error.to_string());
                (self.summary.waiting_for, result) = (Some(reason), Ok(()));
            }
        }
        self.source.reader.commit(true, self.stop.requested(), |_| None)?;
        result
    }
}

/// Everything before these offsets is dealt with.
fn advance(reader: &mut TopicReader, offsets: Vec<(Arc<Place>, i64)>) {
    for (place, next) in offsets {
        reader.advance(&place.0, place.1, next);
    }
}

/// Notes the next offset of a partition.
fn note(offsets: &mut Vec<(Arc<Place>, i64)>, place: Arc<Place>, next: i64) {
    match offsets.iter_mut().find(|(known, _)| *known == place) {
        Some((_, offset)) => *offset = next,
        None => offsets.push((place, next)),
    }
}

/// The first alerts, by their schemas.
fn samples(alerts: &[TopicAlert]) -> Vec<Sample> {
    let mut samples: Vec<(&Arc<Decoder>, Sample)> = Vec::new();
    for alert in alerts.iter().take(MAX_SAMPLES) {
        match samples.iter_mut().find(|(decoder, _)| Arc::ptr_eq(decoder, &alert.decoder)) {
            Some((_, sample)) => sample.data.push(alert.datum.clone()),
            None => {
                let schema = Schema::clone(alert.decoder.schema());
                let sample = Sample { schema_json: schema.to_string(), schema, data: vec![alert.datum.clone()] };
                samples.push((&alert.decoder, sample));
            }
        }
    }
    samples.into_iter().map(|(_, sample)| sample).collect()
}

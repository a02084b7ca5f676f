//! Compares what the science database holds with what the topics hold, alert by alert.
//!
//! Both sides become records of fixed size in temporary files ([`record`], [`spill`]), which are then compared part by part ([`compare`]): so
//! memory does not grow with the number of alerts. What is missing can be published ([`repair`]).

mod compare;
mod database;
mod datum;
mod due;
mod error;
mod keys;
mod night;
mod record;
mod repair;
mod spill;
mod tally;
mod topic;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub use compare::Kind;
pub use error::AuditError;
pub use night::Night;
pub use spill::SpillError;
pub use tally::{Count, Counts, Tally};

use crate::catalog::Catalog;
use crate::config::{KafkaSettings, Login, Settings, StreamSettings};
use crate::distribution::batch::{Batch, Verdict};
use crate::distribution::selection::Selection;
use crate::distribution::sieve::Filters;
use crate::distribution::{GiveUp, Request as Distribution};
use crate::kafka::consumer::StartAt;
use crate::kafka::partition;
use crate::ledger::AlertId;
use crate::window::Window;
use compare::{Difference, Records, Scope};
use database::Source;
use datum::Identities;
use keys::KeyFile;
use record::{Record, Side};
use repair::Missing;

/// Threads that read the science database.
const READERS: usize = 3;
/// Most rows of a page; fewer where filters judge fewer at a time.
const PAGE: usize = 500;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Request {
    /// the alerts: when their rows were written
    pub window: Window,
    /// only these streams; empty: all
    pub streams: Vec<String>,
    /// where temporary files are made
    pub temp_dir: PathBuf,
    /// o'clock UTC at which observing nights begin
    pub night_hour: u8,
    /// who reads the topics; `None`: the user of `[kafka]`, who often may only write to them
    pub reader: Option<Login>,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// a topic is about to be read, that holds about so many messages
    Topic(&'a str, u64),
    /// so many more messages were read
    Messages(u64),
    /// the science database is about to be read
    Database,
    /// so many more rows were read
    Rows(u64),
    /// so many alerts are about to be published
    Publish(u64),
    /// so many more alerts were published
    Published(u64),
}

/// An alert that differs between science database and topic.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// how
    pub kind: Kind,
    /// on which stream
    pub stream: &'a StreamSettings,
    /// the row's key
    pub row_key: Option<Vec<u8>>,
    /// when the row was written, ms since 1970
    pub timestamp: i64,
    /// its messages on the topic, as partition and offset; of many the first
    pub messages: Vec<(i32, i64)>,
    /// whether it is missing because it cannot be encoded; it should be on the rejected topic
    pub is_unencodable: bool,
}

/// What was found.
pub struct Findings {
    /// counts
    pub tally: Tally,
    missing: Vec<Missing>,
    keys: KeyFile,
    open: Vec<Option<(i32, i64)>>,
}

impl Findings {
    /// How many alerts of each stream can be published: those that are missing and can be encoded.
    pub fn repairable(&self) -> Vec<u64> {
        let mut counts = vec![0; self.open.len()];
        for missing in &self.missing {
            counts[missing.stream] += 1;
        }
        counts
    }
}

/// An audit, ready to begin.
pub struct Audit<'a> {
    settings: &'a Settings,
    /// as whom topics are read
    reader: KafkaSettings,
    request: &'a Request,
    streams: Vec<StreamSettings>,
    selection: Selection,
    table: String,
    give_up: GiveUp,
    started: i64,
}

impl<'a> Audit<'a> {
    /// Loads the catalog and binds the streams to it. Opens no connection, but starts the streams' Python filters.
    ///
    /// # Errors
    /// An unknown stream; a catalog, rules, schema or filter that cannot be used.
    pub fn new(settings: &'a Settings, request: &'a Request, give_up: &GiveUp) -> Result<Self, AuditError> {
        let picked = Distribution { streams: request.streams.clone(), ..Distribution::default() };
        let streams = picked.pick(&settings.streams)?;
        let catalog = Catalog::load(&settings.science_db.catalog)?;
        let filters = Filters::start(&settings.filters, &streams, &catalog, &**give_up)?;
        // What the status column says is ignored: whether an alert was sent is what the audit finds out.
        let selection = Selection::new(&catalog, &streams, &settings.science_db, false, filters, None)?;
        let table = settings.science_db.table_of(&catalog);
        let login = request.reader.as_ref().or(settings.kafka.login.as_ref()).cloned();
        let reader = KafkaSettings { login, ..settings.kafka.clone() };
        Ok(Self { settings, reader, request, streams, selection, table, give_up: Arc::clone(give_up), started: now() })
    }

    /// The streams that are compared, in the order of the counts.
    pub fn streams(&self) -> &[StreamSettings] {
        &self.streams
    }

    /// Reads topics and science database, and calls `found` with each alert that differs. Memory does not depend on the number of alerts,
    /// but for 40 bytes for each that is missing.
    ///
    /// # Errors
    /// A server refused or does not answer, temporary files cannot be written, or the caller gave up.
    pub fn compare<E: From<AuditError>>(
        &self,
        report: &(dyn Fn(Step<'_>) + Sync),
        found: &mut dyn FnMut(&Finding<'_>) -> Result<(), E>,
    ) -> Result<Findings, E> {
        let (records, keys, mut tally, scopes, open) = self.read(report)?;
        let mut keys = keys;
        let mut missing = Vec::new();
        let mut each = |difference: &Difference| -> Result<(), Either<E>> {
            if difference.kind == Kind::Missing && !difference.is_unencodable {
                missing.extend(Missing::of(difference));
            }
            let row_key = difference.key.map(|place| keys.get(place)).transpose()?;
            found(&Finding {
                kind: difference.kind,
                stream: &self.streams[difference.stream],
                row_key,
                timestamp: difference.timestamp,
                messages: difference.messages.clone(),
                is_unencodable: difference.is_unencodable,
            })
            .map_err(Either::Caller)
        };
        match records.compare(&scopes, &mut tally, &mut each) {
            Ok(()) => Ok(Findings { tally, missing, keys, open }),
            Err(Either::Spill(error)) => Err(AuditError::from(error).into()),
            Err(Either::Caller(error)) => Err(error),
        }
    }

    #[allow(clippy::type_complexity, reason = "the parts of one reading")]
    fn read(
        &self,
        report: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<(Records, KeyFile, Tally, Vec<Scope>, Vec<Option<(i32, i64)>>), AuditError> {
        let (settings, folder) = (self.settings, &self.request.temp_dir);
        let mut keys = KeyFile::new(folder)?;
        let mut records = Records::new(folder);
        let mut tally = Tally::new(self.streams.len(), self.request.night_hour);
        // The checkpoint first: what it says is done is on the topics then.
        let due = due::due(&settings.kafka, &settings.distribution, &self.streams, self.started)?;
        let mut scopes = Vec::with_capacity(due.len());
        let mut open = Vec::with_capacity(due.len());
        for (index, due) in due.into_iter().enumerate() {
            let (scope, end) = self.read_topic(index, due, &mut records, &mut tally, report)?;
            scopes.push(scope);
            open.push(end);
        }
        self.read_rejected(&mut records, report)?;
        report(Step::Database);
        self.read_database(&scopes, &mut records, &mut keys, &mut tally, report)?;
        Ok((records, keys, tally, scopes, open))
    }

    fn read_topic(
        &self,
        index: usize,
        due: i64,
        records: &mut Records,
        tally: &mut Tally,
        report: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<(Scope, Option<(i32, i64)>), AuditError> {
        let (stream, window) = (&self.streams[index], self.request.window);
        let mut identities = Identities::default();
        let mut has_unnumbered = false;
        let mut each = |message: &crate::kafka::Message| {
            report(Step::Messages(1));
            let Some(timestamp) = topic::timestamp(message) else {
                tally.add_timeless(index, Count::Foreign);
                return Ok(());
            };
            if !window.contains(timestamp) {
                return Ok(());
            }
            tally.add(index, timestamp, Count::OnTopic);
            let (id, value) = (topic::alert_id(message), message.value.as_deref().unwrap_or_default());
            has_unnumbered |= id == 0;
            let identity = match id {
                0 => identities.hash(stream.encoding, message.key.as_deref(), value, message.partition),
                _ => 0,
            };
            records.push(Record {
                id,
                timestamp,
                value: datum::hash(stream.encoding, value),
                identity,
                place: message.offset,
                partition: message.partition,
                stream: index as u32,
                side: Side::Message,
            })?;
            Ok(())
        };
        let total = |total| report(Step::Topic(&stream.topic, total));
        let end = topic::read(&self.reader, &stream.topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        let Some(end) = end else {
            log::warn!("stream `{}`: topic `{}` does not exist", stream.name, stream.topic);
            let held_from = vec![i64::MIN; usize::try_from(stream.partitions).unwrap_or(1)];
            return Ok((Scope { due, held_from, has_unnumbered: false }, None));
        };
        if let Some((partition, offset)) = end.open {
            log::warn!(
                "topic `{}` partition {partition} has an open transaction from offset {offset} on: what is in it counts as missing",
                stream.topic
            );
        }
        if end.held_from.iter().any(|from| *from > window.from()) {
            log::warn!(
                "topic `{}` no longer holds its oldest messages (retention): alerts that may have been among them are not judged",
                stream.topic
            );
        }
        Ok((Scope { due, held_from: end.held_from, has_unnumbered }, end.open))
    }

    fn read_rejected(&self, records: &mut Records, report: &(dyn Fn(Step<'_>) + Sync)) -> Result<(), AuditError> {
        let topic = &self.settings.distribution.rejected_topic;
        let mut each = |message: &crate::kafka::Message| {
            report(Step::Messages(1));
            let Some(timestamp) = topic::timestamp(message).filter(|at| self.request.window.contains(*at)) else {
                return Ok(());
            };
            let name = topic::header(message, "fink-stream");
            let stream = self.streams.iter().position(|stream| Some(stream.name.as_bytes()) == name);
            let (Some(stream), Some(key)) = (stream, topic::header(message, "fink-row-key")) else { return Ok(()) };
            records.push(Record {
                id: AlertId::new(key, timestamp).hash(),
                timestamp,
                value: 0,
                identity: 0,
                place: message.offset,
                partition: message.partition,
                stream: stream as u32,
                side: Side::Rejected,
            })?;
            Ok(())
        };
        let total = |total| report(Step::Topic(topic, total));
        topic::read(&self.reader, topic, StartAt::Earliest, &*self.give_up, &mut each, &total)?;
        Ok(())
    }

    fn source<'s>(&'s self, give_up: &'s (dyn Fn() -> bool + Sync)) -> Source<'s> {
        let page = match self.selection.has_filters() {
            true => self.settings.filters.batch.min(PAGE),
            false => PAGE,
        };
        Source { settings: &self.settings.science_db, table: &self.table, selection: &self.selection, page, give_up }
    }

    fn read_database(
        &self,
        scopes: &[Scope],
        records: &mut Records,
        keys: &mut KeyFile,
        tally: &mut Tally,
        report: &(dyn Fn(Step<'_>) + Sync),
    ) -> Result<(), AuditError> {
        let has_failed = AtomicBool::new(false);
        let give_up = || has_failed.load(Ordering::Relaxed) || (self.give_up)();
        let source = self.source(&give_up);
        let window = self.request.window;
        // Up to the present the newest cells are read too: a row completed by a later write is then whole.
        let repair = i64::try_from(self.settings.distribution.repair.as_millis()).unwrap_or(i64::MAX / 4);
        let cells = match window.until() < self.started - 2 * repair {
            true => window,
            false => Window::since(window.from()),
        };
        let ranges = source.key_ranges()?;
        let next = AtomicUsize::new(0);
        let shared = Mutex::new((records, keys, tally));
        let work = |number: usize| {
            let mut identities = Identities::default();
            let mut page = Vec::new();
            let mut each = |batch: &Batch, rows: usize| {
                let mut counted = Tally::new(self.streams.len(), self.request.night_hour);
                self.observe(batch, scopes, &mut identities, &mut counted, &mut page);
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let (records, keys, tally) = &mut *shared;
                tally.merge(&counted);
                let mut key = (usize::MAX, 0);
                for (alert, record) in page.drain(..) {
                    if key.0 != alert {
                        key = (alert, keys.push(batch.bytes(&batch.alerts()[alert].key))?);
                    }
                    records.push(Record { place: key.1, ..record })?;
                }
                report(Step::Rows(rows as u64));
                Ok(())
            };
            let outcome = source.reader(number).scan(&ranges, &next, window, cells, &mut each);
            if outcome.is_err() {
                has_failed.store(true, Ordering::Relaxed);
            }
            outcome
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..READERS).map(|number| scope.spawn(move || work(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(AuditError::Panicked))).collect()
        });
        // One that failed made the others stop.
        let (stopped, failed): (Vec<_>, Vec<_>) =
            outcomes.into_iter().filter_map(Result::err).partition(|error| matches!(error, AuditError::Stopped));
        failed.into_iter().chain(stopped).next().map_or(Ok(()), Err)
    }

    /// Turns a page into records, each with its alert's index in the batch; their places are yet to be set.
    fn observe(
        &self,
        batch: &Batch,
        scopes: &[Scope],
        identities: &mut Identities,
        tally: &mut Tally,
        page: &mut Vec<(usize, Record)>,
    ) {
        for (index, alert) in batch.alerts().iter().enumerate() {
            let timestamp = alert.entry.timestamp;
            let blank = Record {
                id: alert.entry.id.hash(),
                timestamp,
                value: 0,
                identity: 0,
                place: 0,
                partition: 0,
                stream: u32::MAX,
                side: Side::Refused,
            };
            for stream in 0..self.streams.len() {
                tally.add(stream, timestamp, Count::InDatabase);
            }
            for refusal in batch.refusals(alert) {
                tally.add(refusal.stream(), timestamp, Count::Refused);
            }
            let messages = batch.messages(alert);
            if messages.is_empty() {
                page.push((index, blank));
            }
            for message in messages {
                tally.add(message.stream, timestamp, Count::Kept);
                let (stream, scope) = (&self.streams[message.stream], &scopes[message.stream]);
                let partitions = i32::try_from(scope.held_from.len()).unwrap_or(i32::MAX);
                let partition = partition::of_object(batch.bytes(&alert.object), partitions);
                let record = Record { partition, stream: message.stream as u32, ..blank };
                page.push((
                    index,
                    match &message.verdict {
                        Verdict::Reject(_) => Record { side: Side::Unencodable, ..record },
                        Verdict::Send(value) => {
                            let value = batch.bytes(value);
                            let key = self.selection.constant_key(message.stream);
                            let identity = match scope.has_unnumbered {
                                true => identities.hash(stream.encoding, key, value, partition),
                                false => 0,
                            };
                            let value = datum::hash(stream.encoding, value);
                            Record { value, identity, side: Side::Expected, ..record }
                        }
                    },
                ));
            }
        }
    }
}

/// What ends a comparison: the temporary files, or the caller's own error.
enum Either<E> {
    Spill(SpillError),
    Caller(E),
}

impl<E> From<SpillError> for Either<E> {
    fn from(error: SpillError) -> Self {
        Self::Spill(error)
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

//! Compares what the science database holds with what the topics hold, alert by alert.
//!
//! Both sides become records of fixed size in temporary files (`record`, `spill`), which are then compared part by part (`compare`): so
//! memory does not grow with the number of alerts. What is missing can be published (`repair`).

mod alert_reader;
mod compare;
mod confirm;
mod due;
mod error;
mod identity;
mod key_file;
mod messages;
mod night;
mod record;
mod repair;
mod rows;
mod spill;
mod topic;
mod totals;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use compare::DifferenceKind;
pub use error::AuditError;
pub use night::Night;
pub use spill::SpillError;
pub use totals::{AuditTotals, Category, StreamTotals};

use crate::catalog::Catalog;
use crate::config::{KafkaSettings, Login, Settings, StreamSettings};
use crate::distribution::pipeline::Pipeline;
use crate::distribution::stream_filters::UnboundFilters;
use crate::distribution::{GiveUp, Request as Distribution};
use crate::window::Window;
use compare::{Records, TopicScope};
use confirm::Confirmation;
use key_file::KeyFile;
use repair::Missing;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct AuditRequest {
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
pub enum AuditProgress<'a> {
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
pub struct Difference<'a> {
    /// how
    pub kind: DifferenceKind,
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
pub struct Comparison {
    /// counts
    pub totals: AuditTotals,
    missing: Vec<Missing>,
    keys: KeyFile,
    /// for each stream and partition: the first offset that was not read
    ends: Vec<Vec<i64>>,
}

impl Comparison {
    /// How many alerts of each stream can be published: those that are missing and can be encoded.
    pub fn repairable(&self) -> Vec<u64> {
        let mut counts = vec![0; self.ends.len()];
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
    request: &'a AuditRequest,
    streams: Vec<StreamSettings>,
    pipeline: Pipeline,
    table: String,
    give_up: GiveUp,
    started: i64,
}

impl<'a> Audit<'a> {
    /// Loads the catalog and binds the streams to it. Opens no connection, but starts the streams' Python filters.
    ///
    /// # Errors
    /// An unknown stream; a catalog, rules, schema or filter that cannot be used.
    pub fn new(settings: &'a Settings, request: &'a AuditRequest, give_up: &GiveUp) -> Result<Self, AuditError> {
        let picked = Distribution { streams: request.streams.clone(), ..Distribution::default() };
        let streams = picked.select_streams(&settings.streams)?;
        let catalog = Catalog::load(&settings.science_db.catalog)?;
        let filters = UnboundFilters::start(&settings.filters, &streams, &catalog, &**give_up)?;
        // What the status column says is ignored: whether an alert was sent is what the audit finds out.
        let pipeline = Pipeline::new(&catalog, &streams, &settings.science_db, false, filters, None)?;
        let table = settings.science_db.table_of(&catalog);
        let login = request.reader.as_ref().or(settings.kafka.login.as_ref()).cloned();
        let reader = KafkaSettings { login, ..settings.kafka.clone() };
        Ok(Self { settings, reader, request, streams, pipeline, table, give_up: Arc::clone(give_up), started: now() })
    }

    /// The streams that are compared, in the order of the counts.
    pub fn streams(&self) -> &[StreamSettings] {
        &self.streams
    }

    /// Reads topics and science database, and calls `found` with each alert that differs. Memory does not depend on the number of alerts,
    /// but for 48 bytes for each that is missing.
    ///
    /// # Errors
    /// A server refused or does not answer, temporary files cannot be written, the caller gave up, or `found` failed.
    pub fn compare<E: From<AuditError>>(
        &self,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
        found: &mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    ) -> Result<Comparison, E> {
        let AuditInput { records, keys, mut totals, scopes } = self.read(report)?;
        let give_up = || (self.give_up)();
        let source = self.source(&give_up);
        let mut confirmation = Confirmation::new(self, source.reader(), keys, found);
        records.compare(&scopes, &mut totals, &mut |difference| confirmation.add(difference))?;
        let (confirmed, missing, keys) = confirmation.end()?;
        totals.merge(&confirmed);
        Ok(Comparison { totals, missing, keys, ends: scopes.into_iter().map(|scope| scope.ends).collect() })
    }

    fn read(&self, report: &(dyn Fn(AuditProgress<'_>) + Sync)) -> Result<AuditInput, AuditError> {
        let (settings, folder) = (self.settings, &self.request.temp_dir);
        let mut keys = KeyFile::new(folder)?;
        let mut records = Records::new(folder);
        let mut totals = AuditTotals::new(self.streams.len(), self.request.night_hour);
        // The checkpoint first: what it says is done is on the topics then.
        let due = due::due(&settings.kafka, &settings.distribution, &self.streams, self.started, &*self.give_up)?;
        let mut scopes = Vec::with_capacity(due.len());
        for (index, due) in due.into_iter().enumerate() {
            scopes.push(self.read_topic(index, due, &mut records, &mut totals, report)?);
        }
        self.read_rejected(&mut records, report)?;
        report(AuditProgress::Database);
        self.read_database(&scopes, &mut records, &mut keys, &mut totals, report)?;
        Ok(AuditInput { records, keys, totals, scopes })
    }
}

/// Both sides, ready to be compared.
struct AuditInput {
    records: Records,
    keys: KeyFile,
    totals: AuditTotals,
    scopes: Vec<TopicScope>,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

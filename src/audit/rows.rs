//! Turns the rows of the science database into records.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::alert_reader::DatabaseScan;
use super::compare::{Records, TopicScope};
use super::identity::{self, IdentityHasher};
use super::key_file::KeyFile;
use super::record::{Record, RecordKind};
use super::totals::{AuditTotals, Category};
use super::{Audit, AuditError, AuditProgress};
use crate::distribution::batch::{Batch, Verdict};
use crate::kafka::partition;
use crate::science_db::{Sessions, Timeouts};
use crate::timestamp::Timestamp;
use crate::window::Window;

/// Threads that read the science database.
const READERS: usize = 3;
/// Most rows of a page; fewer where filters judge fewer at a time.
const MAX_PAGE_ROWS: usize = 500;

impl Audit<'_> {
    /// The science database, for readers that end when `give_up` says so.
    pub(super) fn source<'s>(&'s self, give_up: &'s (dyn Fn() -> bool + Sync)) -> DatabaseScan<'s> {
        let page = match self.pipeline.has_filters() {
            true => self.settings.filters.batch.min(MAX_PAGE_ROWS),
            false => MAX_PAGE_ROWS,
        };
        DatabaseScan {
            sessions: Sessions::new(&self.settings.science_db, &self.table, Timeouts::default()),
            pipeline: &self.pipeline,
            page,
            give_up,
        }
    }

    /// Reads the science database, with several threads.
    ///
    /// # Errors
    /// It refused or cannot be reached, a filter failed, or temporary files cannot be written.
    pub(super) fn read_database(
        &self,
        scopes: &[TopicScope],
        records: &mut Records,
        keys: &mut KeyFile,
        totals: &mut AuditTotals,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<(), AuditError> {
        let has_failed = AtomicBool::new(false);
        let give_up = || has_failed.load(Ordering::Relaxed) || (self.give_up)();
        let source = self.source(&give_up);
        let window = self.request.window;
        // Up to the present the newest cells are read too: a row completed by a later write is then whole.
        let repair = self.settings.distribution.repair;
        let cells = match window.until() < Timestamp::from_millis(self.started) - repair.saturating_mul(2) {
            true => window,
            false => Window::since(window.from()),
        };
        let ranges = source.key_ranges()?;
        let next = AtomicUsize::new(0);
        let shared = Mutex::new((records, keys, totals));
        let work = || {
            let mut identities = IdentityHasher::default();
            let mut page = Vec::new();
            let mut each = |batch: &Batch, rows: usize| {
                let mut counted = AuditTotals::new(self.streams.len(), self.request.night_hour);
                self.observe(batch, scopes, &mut identities, &mut counted, &mut page);
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let (records, keys, totals) = &mut *shared;
                totals.merge(&counted);
                let mut key = (usize::MAX, 0);
                for (alert, record) in page.drain(..) {
                    if key.0 != alert {
                        key = (alert, keys.push(batch.bytes(&batch.alerts()[alert].key))?);
                    }
                    records.push(Record { offset: key.1, ..record })?;
                }
                report(AuditProgress::Rows(rows as u64));
                Ok(())
            };
            let outcome = source.reader().scan(&ranges, &next, window, cells, &mut each);
            if outcome.is_err() {
                has_failed.store(true, Ordering::Relaxed);
            }
            outcome
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..READERS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(AuditError::Panicked))).collect()
        });
        // One that failed made the others stop.
        let (stopped, failed): (Vec<_>, Vec<_>) =
            outcomes.into_iter().filter_map(Result::err).partition(|error| matches!(error, AuditError::Stopped));
        failed.into_iter().chain(stopped).next().map_or(Ok(()), Err)
    }

    /// Turns a page into records, each with its alert's index in the batch; their offsets are yet to be set.
    fn observe(
        &self,
        batch: &Batch,
        scopes: &[TopicScope],
        identities: &mut IdentityHasher,
        totals: &mut AuditTotals,
        page: &mut Vec<(usize, Record)>,
    ) {
        for (index, alert) in batch.alerts().iter().enumerate() {
            let timestamp = alert.entry.timestamp.as_millis();
            let blank = Record {
                id: alert.entry.id.hash(),
                timestamp,
                value: 0,
                identity: 0,
                offset: 0,
                partition: 0,
                stream: u32::MAX,
                kind: RecordKind::Refused,
            };
            for stream in 0..self.streams.len() {
                totals.add(stream, timestamp, Category::InDatabase);
            }
            for refusal in batch.refusals(alert) {
                totals.add(refusal.stream(), timestamp, Category::Refused);
            }
            let messages = batch.messages(alert);
            if messages.is_empty() {
                page.push((index, blank));
            }
            for message in messages {
                totals.add(message.stream, timestamp, Category::Kept);
                let (stream, scope) = (&self.streams[message.stream], &scopes[message.stream]);
                let partitions = i32::try_from(scope.retained_from.len()).unwrap_or(i32::MAX);
                let partition = partition::of_object(batch.bytes(&alert.object), partitions);
                let record = Record { partition, stream: message.stream as u32, ..blank };
                page.push((
                    index,
                    match &message.verdict {
                        Verdict::Reject(_) => Record { kind: RecordKind::Unencodable, ..record },
                        Verdict::Send(value) => {
                            let value = batch.bytes(value);
                            let key = self.pipeline.constant_key(message.stream);
                            let identity = match scope.has_messages_without_id {
                                true => identities.hash(stream.encoding, key, value, partition),
                                false => 0,
                            };
                            let value = identity::hash_datum(stream.encoding, value);
                            Record { value, identity, kind: RecordKind::Expected, ..record }
                        }
                    },
                ));
            }
        }
    }
}

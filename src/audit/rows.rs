//! Turns the rows of the science database into records.

use std::num::NonZeroU128;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use super::auditor::Audit;
use super::compare::Records;
use super::error::AuditError;
use super::identity::{self, IdentityHasher};
use super::key_file::KeyFile;
use super::record::{Record, RecordKind};
use super::request::AuditProgress;
use super::topic_scope::TopicScope;
use super::totals::{AuditTotals, Category};
use crate::distribution::batch::AlertBatch;
use crate::distribution::verdict::Verdict;
use crate::kafka::partition;
use crate::window::Window;

/// Threads that read the science database.
const READERS: usize = 3;

impl Audit<'_> {
    /// Reads the science database in several threads.
    ///
    /// # Errors
    /// The science database or a filter failed, a temporary file cannot be written, or the audit was cancelled.
    pub(super) fn read_database(
        &self,
        scopes: &[TopicScope],
        records: &mut Records,
        keys: &mut KeyFile,
        totals: &mut AuditTotals,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
    ) -> Result<(), AuditError> {
        // The error of one thread cancels the others.
        let cancel = self.cancel.child();
        let database = self.database_scan(&cancel);
        let window = self.request.window;
        // A later write may have completed a row. For recent rows the cells up to now are read, so that such a row is whole.
        let repair = self.settings.distribution.repair;
        let cells = match window.until() < self.started - repair.saturating_mul(2) {
            true => window,
            false => Window::since(window.from()),
        };
        let ranges = database.key_ranges()?;
        let next = AtomicUsize::new(0);
        let shared = Mutex::new((records, keys, totals));
        let work = || {
            let mut identities = IdentityHasher::default();
            let mut page = Vec::new();
            let mut each = |batch: &AlertBatch, rows: usize| {
                let mut counted = AuditTotals::new(self.streams.len(), self.request.night_hour);
                self.observe(batch, scopes, &mut identities, &mut counted, &mut page);
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let (records, keys, totals) = &mut *shared;
                totals.merge(&counted);
                for records_of_alert in page.chunk_by(|(one, _), (other, _)| one == other) {
                    let mut offset = None;
                    for (alert, record) in records_of_alert {
                        let key = &batch.alerts()[*alert].key;
                        let offset = *match &mut offset {
                            Some(offset) => offset,
                            none => none.insert(keys.push(batch.bytes(key))?),
                        };
                        records.push(Record { offset, ..*record })?;
                    }
                }
                page.clear();
                report(AuditProgress::Rows(rows as u64));
                Ok(())
            };
            let result = database.reader().scan(&ranges, &next, window, cells, &mut each);
            if result.is_err() {
                cancel.cancel();
            }
            result
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..READERS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(AuditError::Panicked))).collect()
        });
        // Threads that were cancelled by the error of another one failed with `Stopped`; the error itself is reported.
        let (stopped, failed): (Vec<_>, Vec<_>) =
            results.into_iter().filter_map(Result::err).partition(|error| matches!(error, AuditError::Stopped));
        failed.into_iter().chain(stopped).next().map_or(Ok(()), Err)
    }

    /// Turns a page into records, each with the index of its alert in the batch. Their offsets are not set yet.
    fn observe(
        &self,
        batch: &AlertBatch,
        scopes: &[TopicScope],
        identities: &mut IdentityHasher,
        totals: &mut AuditTotals,
        page: &mut Vec<(usize, Record)>,
    ) {
        for (index, alert) in batch.alerts().iter().enumerate() {
            let timestamp = alert.entry.timestamp;
            let refused = Record {
                id: NonZeroU128::new(alert.entry.id.hash()),
                timestamp,
                value: 0,
                identity: 0,
                offset: 0,
                partition: 0,
                stream: None,
                kind: RecordKind::Refused,
            };
            for stream in 0..self.streams.len() {
                totals.add(stream, timestamp, Category::InDatabase);
            }
            let first = page.len();
            for (number, verdict) in batch.verdicts(alert) {
                if let Verdict::Refuse(_) = verdict {
                    totals.add(number, timestamp, Category::Refused);
                    continue;
                }
                totals.add(number, timestamp, Category::Kept);
                let (stream, scope) = (&self.streams[number], &scopes[number]);
                let partition = partition::of_object(batch.bytes(&alert.object), scope.partitions);
                let record = Record { partition: partition.cast_unsigned(), stream: Some(number as u32), ..refused };
                let record = match verdict {
                    Verdict::Send(message) => {
                        let value = batch.bytes(&message.value);
                        let key = self.pipeline.constant_key(number);
                        let identity = match scope.has_messages_without_id {
                            true => identities.hash(stream.encoding, key, value, record.partition),
                            false => 0,
                        };
                        let value = identity::hash_datum(stream.encoding, value);
                        Record { value, identity, kind: RecordKind::Expected, ..record }
                    }
                    _ => Record { kind: RecordKind::Unencodable, ..record },
                };
                page.push((index, record));
            }
            if page.len() == first {
                page.push((index, refused));
            }
        }
    }
}

//! Reads the rows of missing alerts a second time, and reports each difference.
//!
//! A scan of a time window may return a version of a row that a later one has replaced, since HBase removes it only when it flushes; and a
//! row may be written again during the audit. The service does not send a version that no longer exists, so such an alert is not missing.

use std::collections::HashMap;

use super::alert_reader::AlertReader;
use super::auditor::Audit;
use super::comparison::Missing;
use super::difference::{Difference, DifferenceKind, DifferenceRecord};
use super::error::AuditError;
use super::key_file::KeyFile;
use super::totals::{AuditTotals, Category};
use crate::timestamp::Timestamp;

/// Rows of one request.
const BATCH_ROWS: usize = 500;

/// Confirms differences and reports them.
pub(super) struct Confirmation<'a, E> {
    audit: &'a Audit<'a>,
    reader: AlertReader<'a>,
    keys: KeyFile,
    found: &'a mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    unconfirmed: Vec<DifferenceRecord>,
    missing: Vec<Missing>,
    totals: AuditTotals,
}

impl<'a, E: From<AuditError>> Confirmation<'a, E> {
    /// Calls `found` with each confirmed difference. `keys` has the row keys.
    pub fn new(
        audit: &'a Audit<'a>,
        reader: AlertReader<'a>,
        keys: KeyFile,
        found: &'a mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    ) -> Self {
        let totals = AuditTotals::new(audit.streams.len(), audit.request.night_hour);
        Self { audit, reader, keys, found, unconfirmed: Vec::new(), missing: Vec::new(), totals }
    }

    /// Adds a difference.
    ///
    /// # Errors
    /// The science database or a temporary file failed, or `found` did.
    pub fn add(&mut self, difference: DifferenceRecord) -> Result<(), E> {
        if difference.kind != DifferenceKind::Missing {
            let key = difference.key.map(|offset| self.keys.get(offset)).transpose().map_err(AuditError::from)?;
            return self.report(&difference, key);
        }
        self.unconfirmed.push(difference);
        if self.unconfirmed.len() >= BATCH_ROWS {
            self.confirm()?;
        }
        Ok(())
    }

    /// Confirms the remaining differences, and returns the counts, the missing alerts and the row keys.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn finish(mut self) -> Result<(AuditTotals, Vec<Missing>, KeyFile), E> {
        self.confirm()?;
        Ok((self.totals, self.missing, self.keys))
    }

    fn confirm(&mut self) -> Result<(), E> {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let keys = unconfirmed.iter().map(|difference| difference.key.map(|offset| self.keys.get(offset)).transpose());
        let keys: Vec<Option<Vec<u8>>> = keys.collect::<Result<_, _>>().map_err(AuditError::from)?;
        let mut unique: Vec<&[u8]> = keys.iter().flatten().map(Vec::as_slice).collect();
        unique.sort_unstable();
        unique.dedup();
        let present: HashMap<Vec<u8>, Timestamp> = match unique.is_empty() {
            true => HashMap::new(),
            false => self.reader.triggers(&unique)?,
        };
        for (difference, key) in unconfirmed.iter().zip(keys) {
            let is_gone = key.as_ref().and_then(|key| present.get(key)) != Some(&difference.timestamp);
            let category = if is_gone { Category::Gone } else { Category::Missing };
            self.totals.add(difference.stream, difference.timestamp, category);
            if !is_gone {
                if !difference.is_unencodable {
                    self.missing.extend(Missing::of(difference));
                }
                self.report(difference, key)?;
            }
        }
        Ok(())
    }

    fn report(&mut self, difference: &DifferenceRecord, row_key: Option<Vec<u8>>) -> Result<(), E> {
        (self.found)(&Difference {
            kind: difference.kind,
            stream: &self.audit.streams[difference.stream],
            row_key,
            timestamp: difference.timestamp,
            messages: difference.messages.clone(),
            is_unencodable: difference.is_unencodable,
        })
    }
}

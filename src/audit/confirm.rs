//! Looks a second time at the rows of what seems missing, and names each alert that differs.
//!
//! A scan of a time window may return a version of a row that a later one has replaced: HBase removes it only when it flushes. And a row
//! may be written again while the audit runs. The service never sends a version that is gone, so it is not missing.

use std::collections::HashMap;

use super::alert_reader::AlertReader;
use super::compare::{DifferenceKind, DifferenceRecord};
use super::error::AuditError;
use super::key_file::KeyFile;
use super::repair::Missing;
use super::totals::{AuditTotals, Category};
use super::{Audit, Difference};
use crate::timestamp::Timestamp;

/// Rows that are looked at together.
const CONFIRM_BATCH_ROWS: usize = 500;

/// What differs, on its way to the caller.
pub(super) struct Confirmation<'a, E> {
    audit: &'a Audit<'a>,
    reader: AlertReader<'a>,
    keys: KeyFile,
    found: &'a mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    waiting: Vec<DifferenceRecord>,
    missing: Vec<Missing>,
    totals: AuditTotals,
}

impl<'a, E: From<AuditError>> Confirmation<'a, E> {
    /// Calls `found` with what is confirmed; the row keys are in `keys`.
    pub fn new(
        audit: &'a Audit<'a>,
        reader: AlertReader<'a>,
        keys: KeyFile,
        found: &'a mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    ) -> Self {
        let totals = AuditTotals::new(audit.streams.len(), audit.request.night_hour);
        Self { audit, reader, keys, found, waiting: Vec::new(), missing: Vec::new(), totals }
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
        self.waiting.push(difference);
        match self.waiting.len() < CONFIRM_BATCH_ROWS {
            true => Ok(()),
            false => self.confirm(),
        }
    }

    /// Confirms the rest, and gives back what was counted, what is missing, and the row keys.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn end(mut self) -> Result<(AuditTotals, Vec<Missing>, KeyFile), E> {
        self.confirm()?;
        Ok((self.totals, self.missing, self.keys))
    }

    fn confirm(&mut self) -> Result<(), E> {
        let waiting = std::mem::take(&mut self.waiting);
        let keys = waiting.iter().map(|difference| difference.key.map(|offset| self.keys.get(offset)).transpose());
        let keys: Vec<Option<Vec<u8>>> = keys.collect::<Result<_, _>>().map_err(AuditError::from)?;
        let mut wanted: Vec<&[u8]> = keys.iter().flatten().map(Vec::as_slice).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let present: HashMap<Vec<u8>, Timestamp> = match wanted.is_empty() {
            true => HashMap::new(),
            false => self.reader.triggers(&wanted)?,
        };
        for (difference, key) in waiting.iter().zip(keys) {
            let is_gone =
                key.as_ref().and_then(|key| present.get(key)) != Some(&Timestamp::from_millis(difference.timestamp));
            let count = if is_gone { Category::Gone } else { Category::Missing };
            self.totals.add(difference.stream, difference.timestamp, count);
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

//! Reads topics and science database, and compares them.

use super::auditor::Audit;
use super::compare::Records;
use super::comparison::Comparison;
use super::confirm::Confirmation;
use super::difference::Difference;
use super::due;
use super::error::AuditError;
use super::key_file::KeyFile;
use super::request::AuditProgress;
use super::topic_scope::TopicScope;
use super::totals::AuditTotals;

/// Both sides, ready to be compared.
struct AuditInput {
    records: Records,
    keys: KeyFile,
    totals: AuditTotals,
    scopes: Vec<TopicScope>,
}

impl Audit<'_> {
    /// Reads topics and science database, and calls `found` with each alert that differs. Memory does not grow with the number of alerts,
    /// except by 48 bytes for each missing alert.
    ///
    /// # Errors
    /// A server failed or does not answer, a temporary file cannot be used, the audit was cancelled, or `found` failed.
    pub fn compare<E: From<AuditError>>(
        &self,
        report: &(dyn Fn(AuditProgress<'_>) + Sync),
        found: &mut dyn FnMut(&Difference<'_>) -> Result<(), E>,
    ) -> Result<Comparison, E> {
        let AuditInput { records, keys, mut totals, scopes } = self.read(report)?;
        let database = self.database_scan(&self.cancel);
        let mut confirmation = Confirmation::new(self, database.reader(), keys, found);
        records.compare(&scopes, &mut totals, &mut |difference| confirmation.add(difference))?;
        let (confirmed, missing, keys) = confirmation.finish()?;
        totals.merge(&confirmed);
        Ok(Comparison { totals, missing, keys, ends: scopes.into_iter().map(|scope| scope.ends).collect() })
    }

    fn read(&self, report: &(dyn Fn(AuditProgress<'_>) + Sync)) -> Result<AuditInput, AuditError> {
        let (settings, folder) = (self.settings, &self.request.temp_dir);
        let mut keys = KeyFile::new(folder)?;
        let mut records = Records::new(folder);
        let mut totals = AuditTotals::new(self.streams.len(), self.request.night_hour);
        // The checkpoint is read before the topics: alerts that it calls done are on the topics by then.
        let due = due::due(&settings.kafka, &settings.distribution, &self.streams, self.started, &self.cancel)?;
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

//! An audit that is ready to begin.

use std::sync::Arc;

use super::alert_reader::DatabaseScan;
use super::error::AuditError;
use super::request::AuditRequest;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::distribution::Request;
use crate::distribution::page_reader::PageLimits;
use crate::distribution::pipeline::{FilterSet, Pipeline};
use crate::distribution::settings::{Settings, StreamSettings};
use crate::kafka::KafkaSettings;
use crate::science_db::{Sessions, Timeouts};
use crate::timestamp::Timestamp;

/// An audit that is ready to begin.
pub(crate) struct Audit<'a> {
    pub(super) settings: &'a Settings,
    /// the settings of the user that reads topics
    pub(super) reader: KafkaSettings,
    pub(super) request: &'a AuditRequest,
    pub(super) streams: Vec<StreamSettings>,
    pub(super) pipeline: Arc<Pipeline>,
    table: String,
    pub(super) cancel: CancellationToken,
    pub(super) started: Timestamp,
}

impl<'a> Audit<'a> {
    /// Loads the catalog, binds the streams to it and starts their Python filters. Opens no connection.
    ///
    /// # Errors
    /// A stream is unknown, or its rules, schema or filters or the catalog cannot be used.
    pub fn new(
        settings: &'a Settings,
        request: &'a AuditRequest,
        cancel: &CancellationToken,
    ) -> Result<Self, AuditError> {
        let selection = Request { streams: request.streams.clone(), ..Request::default() };
        let streams = selection.select_streams(&settings.streams)?;
        let catalog = Catalog::load(&settings.science_db.catalog)?;
        let filters = FilterSet::start(&settings.filters, &streams, &catalog, cancel)?;
        // The status column is ignored: whether an alert was sent is what the audit finds out.
        let pipeline = Arc::new(Pipeline::new(&catalog, &streams, &settings.science_db, false, filters, None)?);
        let table = settings.science_db.table_of(&catalog);
        let login = request.reader.as_ref().or(settings.kafka.login.as_ref()).cloned();
        let reader = KafkaSettings { login, ..settings.kafka.clone() };
        let (cancel, started) = (cancel.clone(), Timestamp::now());
        Ok(Self { settings, reader, request, streams, pipeline, table, cancel, started })
    }

    /// The streams that are compared, in the order of the counts.
    pub fn streams(&self) -> &[StreamSettings] {
        &self.streams
    }

    /// A scan of the science database that `cancel` ends.
    pub(super) fn database_scan<'s>(&'s self, cancel: &'s CancellationToken) -> DatabaseScan<'s> {
        let mut limits = PageLimits::default();
        if self.pipeline.has_filters() {
            limits.rows = limits.rows.min(self.settings.filters.batch);
        }
        let sessions = Sessions::new(&self.settings.science_db, &self.table, Timeouts::default());
        DatabaseScan { sessions, pipeline: &self.pipeline, limits, cancel }
    }
}

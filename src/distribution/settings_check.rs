//! Settings as a distribution uses them: the catalog, filters, rules, schemas and notices of the streams.

use super::error::DistributionError;
use super::pipeline::{FilterSet, NoticePlan, Pipeline};
use super::request::Request;
use super::settings::{Settings, StreamSettings};
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::timestamp::Timestamp;

/// The pipeline of the streams, with filters that have started.
pub(super) struct OpenedPipeline {
    pub catalog: Catalog,
    pub pipeline: Pipeline,
    /// whether alerts are announced on Slack
    pub has_notices: bool,
}

/// Loads the catalog, starts the filters and binds the streams to the catalog. Opens no connection.
///
/// # Errors
/// The settings do not fit the catalog, or a filter cannot be started.
pub(super) fn open_pipeline(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    cancel: &CancellationToken,
) -> Result<OpenedPipeline, DistributionError> {
    let catalog = Catalog::load(&settings.science_db.catalog)?;
    // The status speaks of all streams: a job or a service for some of them neither reads nor writes it.
    let has_status = settings.distribution.status && request.is_of_all(streams, settings.streams.len());
    let filters = FilterSet::start(&settings.filters, streams, &catalog, cancel)?;
    // Alerts that a job sends are not news, and a dry run sends nothing.
    let channels = settings.slack.channels.as_deref().filter(|_| !request.is_job() && !request.dry_run);
    let notices = channels.map(|channels| NoticePlan::new(channels, &catalog)).transpose()?;
    let has_notices = notices.is_some();
    let pipeline = Pipeline::new(&catalog, streams, &settings.science_db, has_status, filters, notices)?;
    Ok(OpenedPipeline { catalog, pipeline, has_notices })
}

/// Checks everything about settings that can be checked without a server.
///
/// # Errors
/// As at the start of a distribution.
pub(crate) fn check_settings(
    settings: &Settings,
    request: &Request,
    cancel: &CancellationToken,
) -> Result<(), DistributionError> {
    let streams = request.check(settings, Timestamp::now())?;
    open_pipeline(settings, request, &streams, cancel).map(drop)
}

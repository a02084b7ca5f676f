//! Opens everything that a distribution runs on: the one place where settings become workers.

use std::sync::Arc;
use std::time::Duration;

use super::background_scan::{BackgroundScan, FutureRowScan};
use super::checkpoint_watch::CheckpointWatch;
use super::error::DistributionError;
use super::kafka_sink::KafkaSink;
use super::ledger_memory::LedgerMemory;
use super::memory_budget::MemoryBudget;
use super::page_reader::PageLimits;
use super::pipeline::{FilterSet, NoticeError, NoticePlan, Pipeline};
use super::publisher::{OffsetFile, Outputs, Publisher};
use super::readers::{READER_THREADS, Readers};
use super::request::Request;
use super::retry::{Connector, RetryingSession};
use super::stats::Stats;
use super::status_column::StatusWriter;
use crate::cancel::CancellationToken;
use crate::catalog::Catalog;
use crate::distribution::settings::{Settings, StreamSettings};
use crate::kafka::checkpoint::Records;
use crate::notify::Notifier;
use crate::timestamp::Timestamp;

/// The largest page, in rows and bytes, that is passed to filters.
const MAX_FILTERED_PAGE_ROWS: usize = 2000;
const MAX_FILTERED_PAGE_BYTES: usize = 32 << 20;

/// How long a commit that is under way may take after the distribution was cancelled.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// What reads the science database.
pub(super) struct Workers {
    /// for the history and the live lane
    pub readers: Readers,
    pub sweep: BackgroundScan,
    pub repair: BackgroundScan,
    pub future_rows: FutureRowScan,
}

impl Workers {
    /// Cancels all tasks.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.sweep.cancel();
        self.repair.cancel();
        self.future_rows.cancel();
    }
}

/// What a distribution runs on.
pub(super) struct Opened<'a> {
    /// the checkpoint name of this distribution
    pub prefix: String,
    /// what the checkpoint holds; empty in a dry run
    pub records: Records,
    pub pipeline: Arc<Pipeline>,
    pub publisher: Publisher<'a>,
    pub workers: Workers,
    pub session: RetryingSession,
    pub ledger_memory: LedgerMemory,
    /// `None`: a dry run
    pub checkpoint_watch: Option<CheckpointWatch>,
}

/// Opens the catalog, the filters, the pipeline, the science database and Kafka, in this order, and starts the threads. `now` is the time of the
/// command.
///
/// # Errors
/// The settings do not fit the catalog; a permanent error of a server. Waits for servers that are away, until `cancel` is cancelled.
pub(super) fn open<'a>(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    now: Timestamp,
    cancel: &CancellationToken,
    report: &'a mut dyn FnMut(&Stats),
) -> Result<Opened<'a>, DistributionError> {
    let catalog = Catalog::load(&settings.science_db.catalog)?;
    // The status speaks of all streams: a job or a service for some of them neither reads nor writes it.
    let has_status = settings.distribution.status && request.is_of_all(streams, settings.streams.len());
    let filters = FilterSet::start(&settings.filters, streams, &catalog, cancel)?;
    // Alerts that a job sends are not news, and a dry run sends nothing.
    let channels = settings.slack.channels.as_deref().filter(|_| !request.is_job() && !request.dry_run);
    let notices = channels.map(|channels| NoticePlan::new(channels, &catalog)).transpose()?;
    let notifier = notices.as_ref().map(|_| Notifier::start(&settings.slack.endpoint, settings.slack.token.as_ref()));
    let notifier = notifier.transpose().map_err(NoticeError::from)?;
    let pipeline = Pipeline::new(&catalog, streams, &settings.science_db, has_status, filters, notices)?;
    let pipeline = Arc::new(pipeline);

    let connector = Arc::new(Connector::new(&settings.science_db, &settings.science_db.table_of(&catalog)));
    let mut session = RetryingSession::new(&connector);
    // A missing table is an error now, not after the first alerts.
    session.ask(cancel, |db| db.key_ranges())?;
    if request.until.is_some_and(|until| until > now - settings.distribution.repair) {
        log::warn!(
            "the job does not see rows written before --until that become visible after it has read their key range"
        );
    }

    let prefix = request.checkpoint_prefix(streams, settings.streams.len());
    let transactional_id = request.transactional_id(&settings.distribution, &prefix);
    let commit_cancel = cancel.child_with_grace(COMMIT_TIMEOUT);
    let sink = match request.dry_run {
        true => None,
        false => {
            let ids = (transactional_id.as_str(), prefix.as_str());
            Some(KafkaSink::open(settings, streams, &pipeline, ids, (cancel, &commit_cancel))?)
        }
    };
    let (sink, records) = sink.unzip();
    let checkpoint_watch = sink.as_ref().map(|sink| {
        let tokens = [cancel.clone(), commit_cancel.clone()];
        CheckpointWatch::start(&settings.kafka, sink.checkpoint_partition(), tokens)
    });

    let memory = settings.distribution.memory as usize;
    let status = pipeline.columns().status().filter(|_| !request.dry_run);
    let status = status.map(|column| StatusWriter::start(&connector, column, &prefix, memory / 16));
    let offset_file = settings.distribution.offset_file.clone().filter(|_| !request.is_job()).map(OffsetFile::new);
    let mut stats = Stats::new(streams.len());
    for (index, stream) in stats.streams.iter_mut().enumerate() {
        stream.criteria = pipeline.criteria(index).to_vec();
    }
    let publisher = Publisher::new(Outputs { sink, status, notifier, offset_file }, stats, report);

    let budget = MemoryBudget::new(memory / 4);
    let limits = page_limits(settings, &pipeline);
    let start_readers = |count| Readers::start(count, &connector, &pipeline, &budget, limits);
    let workers = Workers {
        readers: start_readers(READER_THREADS),
        sweep: BackgroundScan::new(start_readers(1)),
        repair: BackgroundScan::new(start_readers(1)),
        future_rows: FutureRowScan::new(start_readers(1)),
    };
    let ledger_memory = LedgerMemory::new(Arc::clone(&budget), memory);
    Ok(Opened {
        prefix,
        records: records.unwrap_or_default(),
        pipeline,
        publisher,
        workers,
        session,
        ledger_memory,
        checkpoint_watch,
    })
}

fn page_limits(settings: &Settings, pipeline: &Pipeline) -> PageLimits {
    let (default, memory) = (PageLimits::default(), settings.distribution.memory as usize);
    match pipeline.has_filters() {
        // Filters are called once a page: the larger the page, the less a call costs.
        true => PageLimits {
            rows: settings.filters.batch.min(MAX_FILTERED_PAGE_ROWS),
            bytes: (memory / 16).clamp(default.bytes, MAX_FILTERED_PAGE_BYTES),
        },
        // Each reader holds a page as it was read, and its encoded alerts.
        false => PageLimits { bytes: default.bytes.min(memory / 64), ..default },
    }
}

//! Opens everything that a distribution runs on: the one place where settings become workers.

use std::sync::Arc;
use std::time::Duration;

use super::background_scan::{BackgroundScan, FutureRowScan};
use super::catalog_watch::CatalogWatch;
use super::checkpoint_partition::SERVICE;
use super::checkpoint_watch::CheckpointWatch;
use super::error::DistributionError;
use super::instruments::Instruments;
use super::kafka_sink::KafkaSink;
use super::kafka_watch::KafkaWatch;
use super::ledger_memory::LedgerMemory;
use super::live_source::LiveSource;
use super::memory_budget::MemoryBudget;
use super::missed::{self, MissedReader};
use super::offset_file::OffsetFile;
use super::page_reader::PageLimits;
use super::pipeline::{NoticeError, Pipeline};
use super::publisher::{Outputs, Publisher};
use super::readers::{READER_THREADS, Readers};
use super::request::Request;
use super::retry::{Connector, RetryingSession};
use super::row_count::RowCount;
use super::schema_registration::register_schemas;
use super::settings_check::{OpenedPipeline, open_pipeline};
use super::start_check::{self, Confirm};
use super::stats::Stats;
use super::status_column::StatusWriter;
use crate::cancel::CancellationToken;
use crate::distribution::settings::{Settings, StreamSettings};
use crate::kafka::checkpoint::Records;
use crate::notify::Notifier;
use crate::row::Rows;
use crate::science_db::{ReplicationSink, StoreKind, TriggerColumn};
use crate::timestamp::Timestamp;

/// The largest page, in rows and bytes, that is passed to filters.
const MAX_FILTERED_PAGE_ROWS: usize = 2000;
const MAX_FILTERED_PAGE_BYTES: usize = 32 << 20;

/// How long a commit that is under way may take after the distribution was cancelled.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that does not answer for a shorter time may be busy.
const MIN_OUTAGE: Duration = Duration::from_secs(10);

/// What reads the science database.
pub(super) struct Workers {
    /// for the history and the live lane
    pub readers: Readers,
    /// tells the live lane of new rows
    pub live_source: LiveSource,
    pub sweep: BackgroundScan,
    pub repair: BackgroundScan,
    /// for streams that were paused
    pub missed: MissedReader,
    pub future_rows: FutureRowScan,
    pub row_count: Option<RowCount>,
}

impl Workers {
    /// Cancels all tasks.
    pub fn cancel(&mut self) {
        self.readers.cancel();
        self.live_source.cancel();
        self.sweep.cancel();
        self.repair.cancel();
        self.missed.cancel();
        self.future_rows.cancel();
        self.row_count.iter_mut().for_each(RowCount::cancel);
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
    /// `None`: a dry run
    pub kafka_watch: Option<KafkaWatch>,
}

impl Opened<'_> {
    /// The server that has not answered for a while, and how long; `None`: both answer.
    pub fn outage(&self, settings: &Settings) -> Option<(String, Duration)> {
        let science_db =
            self.session.connector().outage_duration().map(|duration| (science_db_name(settings), duration));
        let kafka = self.kafka_watch.as_ref().and_then(KafkaWatch::outage_duration);
        let kafka = kafka.map(|duration| (kafka_name(settings), duration));
        science_db.into_iter().chain(kafka).find(|(_, duration)| *duration >= MIN_OUTAGE)
    }
}

/// Opens the catalog, the filters, the pipeline, the science database and Kafka, in this order, and starts the threads. `now` is the time of the
/// command.
///
/// # Errors
/// The settings do not fit the catalog; a permanent error of a server; alerts would be sent again, and the user does not confirm it. Waits for servers that are away, until `cancel` is cancelled.
pub(super) fn open<'a>(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    now: Timestamp,
    (cancel, confirm): (&CancellationToken, Confirm<'_>),
    instruments: &Instruments,
    report: &'a mut dyn FnMut(&Stats),
) -> Result<Opened<'a>, DistributionError> {
    let catalog_watch = CatalogWatch::new(&settings.science_db.catalog);
    let OpenedPipeline { catalog, mut pipeline, has_notices } = open_pipeline(settings, request, streams, cancel)?;
    if !request.dry_run {
        pipeline.set_schema_ids(&register_schemas(streams, &pipeline, cancel)?);
    }
    let pipeline = Arc::new(pipeline);
    let notifier = has_notices.then(|| Notifier::start(&settings.slack.endpoint, settings.slack.token.as_ref()));
    let notifier = notifier.transpose().map_err(NoticeError::from)?;

    let connector = Arc::new(Connector::new(
        &settings.science_db,
        &settings.science_db.table_of(&catalog),
        &instruments.science_db,
    ));
    let mut session = RetryingSession::new(&connector);
    // A missing table is an error now, not after the first alerts.
    session.ask(cancel, |db| db.key_ranges()).map_err(|error| waiting_for(science_db_name(settings), error.into()))?;
    // So is a column that cannot be read. No row has this key.
    session
        .ask(cancel, |db| db.get(&[b"\0"], pipeline.columns().all(), &mut Rows::default()))
        .map_err(|error| waiting_for(science_db_name(settings), error.into()))?;
    if request.until.is_some_and(|until| until > now - settings.distribution.repair) {
        log::warn!(
            "the job does not see rows written before --until that become visible after it has read their key range"
        );
    }

    let prefix = request.checkpoint_prefix(streams, settings.streams.len());
    let transactional_id = request.transactional_id(&settings.distribution, &prefix);
    let commit_cancel = cancel.child_with_grace(COMMIT_TIMEOUT);
    let kafka_watch = (!request.dry_run).then(|| KafkaWatch::start(&settings.kafka, &instruments.kafka));
    let sink = match request.dry_run {
        true => None,
        false => {
            let ids = (transactional_id.as_str(), prefix.as_str());
            let opened = open_sink(settings, request, streams, &pipeline, ids, now, (cancel, &commit_cancel), confirm);
            Some(opened.map_err(|error| waiting_for(kafka_name(settings), error))?)
        }
    };
    let (sink, records) = sink.unzip();
    if let (Some(watch), Some(sink)) = (&kafka_watch, &sink) {
        watch.set_topic(sink.checkpoint_partition().0);
    }
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
        stream.name.clone_from(&streams[index].name);
        stream.topic.clone_from(&streams[index].topic);
        stream.criteria = pipeline.criteria(index).to_vec();
    }
    let publisher =
        Publisher::new(Outputs { sink, status, notifier, offset_file }, catalog_watch, stats, instruments, report);

    let budget = MemoryBudget::new(memory / 8);
    let limits = page_limits(settings, &pipeline);
    let start_with = |count, budget| Readers::start(count, &connector, &pipeline, budget, limits, instruments);
    let start_readers = |count| start_with(count, &budget);
    // Last: from here on HBase sends rows, and only to the process that owns the checkpoint.
    let is_service_of_all = !request.is_job() && !request.dry_run && request.is_of_all(streams, settings.streams.len());
    let live_source = match settings.science_db.push && is_service_of_all {
        true => {
            let trigger = pipeline.columns().trigger();
            let trigger = TriggerColumn::new(&settings.science_db.table_of(&catalog), trigger);
            let sink = ReplicationSink::start(&settings.science_db.replication, trigger)?;
            LiveSource::push(sink, BackgroundScan::new(start_readers(1)), instruments.push_lags.clone())
        }
        false => LiveSource::polling(),
    };
    let workers = Workers {
        readers: start_readers(READER_THREADS),
        live_source,
        sweep: BackgroundScan::new(start_readers(1)),
        repair: BackgroundScan::new(start_readers(1)),
        missed: MissedReader::new(start_with(missed::READER_THREADS, &MemoryBudget::new(memory / 16))),
        future_rows: FutureRowScan::new(start_readers(1)),
        // A Thrift 1 gateway would read the whole table for it.
        row_count: (settings.science_db.kind != StoreKind::Thrift1).then(|| RowCount::new(start_readers(1))),
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
        kafka_watch,
    })
}

/// Opens the sink, after the user has confirmed what is sent again.
#[expect(clippy::too_many_arguments, reason = "only called by `open`")]
fn open_sink(
    settings: &Settings,
    request: &Request,
    streams: &[StreamSettings],
    pipeline: &Pipeline,
    (transactional_id, prefix): (&str, &str),
    now: Timestamp,
    (cancel, commit_cancel): (&CancellationToken, &CancellationToken),
    confirm: Confirm<'_>,
) -> Result<(KafkaSink, Records), DistributionError> {
    if prefix == SERVICE {
        start_check::confirm_service(settings, request, streams, now, (cancel, confirm))?;
    }
    let ids = (transactional_id, prefix);
    let (sink, records) = KafkaSink::open(settings, streams, pipeline, ids, (cancel, commit_cancel))?;
    if prefix != SERVICE {
        let admin = sink.admin();
        start_check::confirm_start(settings, request, streams, prefix, &records, now, admin, (cancel, confirm))?;
    }
    Ok((sink, records))
}

/// The name of the science database for messages.
pub(super) fn science_db_name(settings: &Settings) -> String {
    match settings.science_db.addresses.is_empty() {
        true => format!("the science database {}", settings.science_db.path.display()),
        false => format!("the science database at {}", settings.science_db.addresses.join(", ")),
    }
}

/// The name of Kafka for messages.
pub(super) fn kafka_name(settings: &Settings) -> String {
    format!("kafka at {}", settings.kafka.bootstrap_servers)
}

/// Names the server that a cancelled distribution was waiting for.
fn waiting_for(server: String, error: DistributionError) -> DistributionError {
    match error {
        DistributionError::Cancelled => DistributionError::NoAnswer { server },
        error => error,
    }
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

//! The way of an alert, top to bottom.
//!
//! Readers scan, judge and encode ([`readers`]); one coordinator, here, decides what to read next ([`checkpoint_state`]), sends what they hand over
//! (`history`, `live`) and commits it together with the checkpoint (`publisher`). Whatever goes wrong within a transaction, it is aborted and
//! everything begins again from the checkpoint, as after a crash.

mod abort_backoff;
mod arguments;
mod background_scan;
pub mod batch;
mod checkpoint_partition;
pub mod checkpoint_state;
mod checkpoint_watch;
mod clock;
mod error;
mod history;
mod idempotent_sink;
mod kafka_sink;
mod live;
mod memory_budget;
mod message_encodings;
mod notice_builder;
pub mod offset_file;
mod owner;
pub mod pipeline;
mod publisher;
pub mod readers;
mod request;
mod resume;
mod retry;
mod skipped_rows;
pub mod stats;
mod status_column;
pub mod stream_filters;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use error::DistributionError;
pub use request::{EndReason, Request};

use crate::catalog::Catalog;
use crate::config::Settings;
use crate::filters::FilterError;
use crate::kafka::checkpoint::Records;
use crate::notify::Notifier;
use crate::science_db::KeyRange;
use crate::timestamp::Timestamp;
use abort_backoff::AbortBackoff;
use background_scan::{BackgroundScan, FutureRowScan};
use checkpoint_state::{Action, CheckpointState, Intervals, Record};
use checkpoint_watch::{CheckpointWatch, Lost};
use clock::{Clock, ClockReading};
pub use kafka_sink::{ALERT_HEADER, GiveUp, TIMESTAMP_HEADER};
use kafka_sink::{KafkaSink, SinkError};
use memory_budget::MemoryBudget;
use notice_builder::{NoticeBuilder, NoticeError};
use pipeline::Pipeline;
use publisher::Publisher;
use readers::{PageLimits, Readers};
use resume::Begin;
use retry::{Connector, RetryError, RetryingSession};
use stats::{Lane, Stats};
use status_column::StatusWriter;
use stream_filters::UnboundFilters;

/// Readers for each distribution; the gateways share them out. Two sessions read an HBase of two cores as fast as four do, the third reads
/// while another encodes.
const READER_THREADS: usize = 3;
/// Most rows, and most bytes, of a page that filters judge.
const MAX_FILTERED_PAGE_ROWS: usize = 2000;
const MAX_FILTERED_PAGE_BYTES: usize = 32 << 20;

/// How long a commit that is under way may go on after the distribution was told to stop.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a ledger that takes much memory is told, and rows that are stamped ahead of now.
const WARNING_INTERVAL: Duration = Duration::from_secs(600);
/// A watermark further ahead of the system clock than this is no mere step of a clock.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// A distribution at work.
struct Distribution<'a> {
    intervals: Intervals,
    clock: Clock,
    now: ClockReading,
    progress: CheckpointState,
    publisher: Publisher,
    pipeline: Arc<Pipeline>,
    readers: Readers,
    session: RetryingSession,
    sweep: BackgroundScan,
    repair: BackgroundScan,
    ahead: FutureRowScan,
    budget: Arc<MemoryBudget>,
    /// `distribution.memory`, bytes
    memory: usize,
    ledger_told: Option<Instant>,
    stats: Stats,
    give_up: GiveUp,
    report: &'a mut dyn FnMut(&Stats),
}

/// Distributes alerts until the job is done, time is up or `stopped` says so. `report` is told the counts several times a second.
///
/// # Errors
/// The settings do not fit the catalog, or a server refused for good; servers that are away are waited for.
pub fn run(
    settings: &Settings,
    request: &Request,
    stopped: &GiveUp,
    report: &mut dyn FnMut(&Stats),
) -> Result<(EndReason, Stats), DistributionError> {
    // The moment of the command: `--from now` means this, however long the servers take to answer.
    let mut clock = Clock::start();
    let now = clock.now();
    let deadline = request.exit_after.map(|duration| Instant::now() + duration);
    let lost = Lost::default();
    let give_up: GiveUp = Arc::new({
        let (stopped, lost) = (Arc::clone(stopped), Arc::clone(&lost));
        move || stopped() || lost.get().is_some() || deadline.is_some_and(|deadline| deadline <= Instant::now())
    });
    let nothing = |stats: usize| Ok((request.ended(stopped()), Stats::new(stats)));

    let streams = request.check(settings, now.wall)?;
    let catalog = Catalog::load(&settings.science_db.catalog)?;
    // The status speaks of all streams: it says nothing of a job or a service of some of them.
    let has_status = settings.distribution.status && request.is_of_all(&streams, settings.streams.len());
    let filters = match UnboundFilters::start(&settings.filters, &streams, &catalog, &*give_up) {
        Err(FilterError::Stopped) => return nothing(streams.len()),
        filters => filters?,
    };
    // The past that a job sends is no news, and a dry run sends nothing.
    let channels = settings.slack.channels.as_deref().filter(|_| !request.is_job() && !request.dry_run);
    let notices = channels.map(|channels| NoticeBuilder::new(channels, &catalog)).transpose()?;
    let notifier = match notices {
        None => None,
        Some(_) => {
            Some(Notifier::start(&settings.slack.endpoint, settings.slack.token.as_ref()).map_err(NoticeError::from)?)
        }
    };
    let pipeline = Pipeline::new(&catalog, &streams, &settings.science_db, has_status, filters, notices)?;
    let pipeline = Arc::new(pipeline);
    let open = Arc::new(Connector::new(&settings.science_db, &settings.science_db.table_of(&catalog)));
    let mut session = RetryingSession::new(&open, Arc::clone(&give_up));
    match session.ask(|db| db.key_ranges()) {
        Ok(_) => {}
        Err(RetryError::Cancelled) => return nothing(streams.len()),
        Err(RetryError::Failed(error)) => return Err(error.into()),
    }

    if let Some(until) = request.until
        && until > now.wall - settings.distribution.repair
    {
        log::warn!("rows stamped before --until that become visible after this job has passed them are not seen by it");
    }
    let prefix = request.checkpoint_prefix(&streams, settings.streams.len());
    let transactional_id = request.transactional_id(&settings.distribution, &prefix);
    let give_up_commit = with_grace(&give_up, &lost);
    let sink = match request.dry_run {
        true => None,
        false => {
            let ids = (transactional_id.as_str(), prefix.as_str());
            match KafkaSink::open(settings, &streams, &pipeline, ids, (&give_up, &give_up_commit)) {
                Err(SinkError::Stopped) => return nothing(streams.len()),
                opened => Some(opened?),
            }
        }
    };
    let (sink, records) = sink.unzip();
    let _watch = sink.as_ref().map(|sink| CheckpointWatch::start(&settings.kafka, sink.checkpoint_place(), &lost));
    let memory = settings.distribution.memory as usize;
    let status = pipeline.status_column().filter(|_| !request.dry_run);
    let status = status.map(|column| StatusWriter::start(&open, column, &prefix, memory / 16));
    let offset_file = settings.distribution.offset_file.clone().filter(|_| !request.is_job());
    let budget = MemoryBudget::new(memory / 4);
    let page = page(settings, &pipeline);
    let one_reader = || Readers::start(1, &open, &pipeline, &budget, page);
    let mut stats = Stats::new(streams.len());
    for (index, stream) in stats.streams.iter_mut().enumerate() {
        stream.criteria = pipeline.criteria(index).to_vec();
    }
    let publisher = Publisher::new(sink, status, notifier, offset_file, streams.len());
    let begun = Begin { settings, request, prefix: &prefix, now: now.wall };
    let mut records = records.unwrap_or_default();
    let (progress, mut outdated) = match begun.progress(&publisher, &records) {
        Err(DistributionError::Send(SinkError::Stopped)) => return nothing(streams.len()),
        begun => begun?,
    };
    let mut distribution = Distribution {
        intervals: Intervals::new(&settings.distribution),
        clock,
        now,
        progress,
        publisher,
        pipeline: Arc::clone(&pipeline),
        readers: Readers::start(READER_THREADS, &open, &pipeline, &budget, page),
        session,
        sweep: BackgroundScan::new(one_reader()),
        repair: BackgroundScan::new(one_reader()),
        ahead: FutureRowScan::new(one_reader()),
        budget,
        memory,
        ledger_told: None,
        stats,
        give_up,
        report,
    };
    let mut aborts = AbortBackoff::default();
    loop {
        let worked = distribution.take_up(&records, outdated).and_then(|()| distribution.work(request));
        let recovered = match worked {
            Err(DistributionError::Send(SinkError::Aborted(reason))) => distribution.recover(&mut aborts, reason),
            ended => ended.map(|()| None),
        };
        let again = recovered.and_then(|found| match found {
            Some(found) => begun.progress(&distribution.publisher, &found).map(|progress| Some((found, progress))),
            None => Ok(None),
        });
        match again {
            Ok(Some((found, progress))) => (records, (distribution.progress, outdated)) = (found, progress),
            Ok(None) | Err(DistributionError::Send(SinkError::Stopped)) => break,
            Err(error) => return Err(error),
        }
    }
    if let Some(reason) = lost.get() {
        return Err(DistributionError::CheckpointLost { reason: reason.clone() });
    }
    let give_up: &dyn Fn() -> bool = &|| stopped() || deadline.is_some_and(|deadline| deadline <= Instant::now());
    distribution.publisher.end(give_up)?;
    let ended = match distribution.progress.next_action(distribution.now, &distribution.intervals) {
        Action::Finished => EndReason::Finished,
        _ => request.ended(stopped()),
    };
    distribution.stats.skipped = distribution.pipeline.skipped();
    Ok((ended, distribution.stats))
}

/// Gives a commit that is under way a little time after `give_up`, unless the checkpoint is lost.
fn with_grace(give_up: &GiveUp, lost: &Lost) -> GiveUp {
    let (give_up, lost, since) = (Arc::clone(give_up), Arc::clone(lost), OnceLock::new());
    Arc::new(move || give_up() && (lost.get().is_some() || since.get_or_init(Instant::now).elapsed() >= COMMIT_TIMEOUT))
}

impl Distribution<'_> {
    /// Writes down where the distribution begins, and deletes `outdated` records of the checkpoint.
    fn take_up(&mut self, records: &Records, outdated: Vec<Record>) -> Result<(), DistributionError> {
        self.publisher.restore_status(records)?;
        self.now = self.clock.now();
        self.stats.watermark = self.progress.watermark().as_millis();
        // A job that is done has nothing to send: another one may have used its topics since.
        if self.progress.next_action(self.now, &self.intervals) != Action::Finished {
            self.publisher.restore_idempotent(records, self.progress.watermark())?;
        }
        let mut records = self.progress.records()?;
        records.extend(outdated);
        self.publisher.commit(records, &mut self.stats)?;
        log::info!("distributing what is written from {} on (ms since 1970)", self.progress.watermark());
        self.watch_ledger();
        Ok(())
    }

    /// Ends an aborted transaction, waits a little, and reads the checkpoint again.
    fn recover(&mut self, aborts: &mut AbortBackoff, mut reason: String) -> Result<Option<Records>, DistributionError> {
        self.readers.cancel();
        self.sweep.cancel();
        self.repair.cancel();
        self.ahead.cancel();
        let report = loop {
            match self.publisher.abort() {
                Err(SinkError::Aborted(again)) => {
                    retry::sleep(Duration::from_secs(1), &*self.give_up);
                    if (self.give_up)() {
                        return Err(SinkError::Stopped.into());
                    }
                    reason = again;
                }
                report => break report?,
            }
        };
        let Some(pause) = aborts.pause_after(report, self.publisher.commits()) else {
            return Err(DistributionError::RepeatedAborts { reason });
        };
        log::warn!("{reason}; the transaction was aborted, and its alerts are read again");
        retry::sleep(pause, &*self.give_up);
        Ok(Some(self.publisher.checkpoint()?))
    }

    /// Does what is due, until nothing will be any more.
    fn work(&mut self, request: &Request) -> Result<(), DistributionError> {
        loop {
            self.now = self.clock.now();
            let now = self.now;
            self.stats.watermark = self.progress.watermark().as_millis();
            self.stats.skipped = self.pipeline.skipped();
            (self.report)(&self.stats);
            if (self.give_up)() {
                return Ok(());
            }
            if self.progress.watermark() > now.wall + MAX_CLOCK_DIFFERENCE {
                return Err(DistributionError::WatermarkAhead { now: now.wall, watermark: self.progress.watermark() });
            }
            match self.progress.next_action(now, &self.intervals) {
                Action::StartHistory(window) => {
                    let Some(regions) = self.key_ranges()? else { return Ok(()) };
                    log::info!("reading the past: {window}, {} regions", regions.len());
                    self.progress.start_history(window, &regions);
                }
                Action::History => {
                    self.stats.lane = Lane::History;
                    if !self.history()? {
                        return Ok(());
                    }
                }
                Action::CatchUp(slice) => {
                    self.stats.lane = Lane::Live;
                    if !self.catch_up(slice)? {
                        return Ok(());
                    }
                    self.stats.seen_until = slice.window.until().as_millis();
                }
                Action::Repair(window) => {
                    self.repair.begin(window, true);
                    self.progress.start_repair(window, now.steady);
                    self.ahead.begin(now.wall + self.intervals.overlap);
                }
                Action::Sweep(window) => {
                    self.sweep.begin(window, false);
                    self.progress.start_sweep(now.steady);
                }
                Action::Live(window) => {
                    self.stats.lane = Lane::Live;
                    if !self.live(window)? {
                        return Ok(());
                    }
                    self.stats.seen_until = window.until().as_millis();
                }
                Action::Wait(_) if request.dry_run && !self.repair.is_under_way() && self.progress.is_caught_up() => {
                    return Ok(());
                }
                Action::Wait(until) => self.wait(until),
                Action::Finished => return Ok(()),
            }
            self.publish_background_rows()?;
            self.stats.ahead = self.ahead.poll(now.wall)?;
        }
    }

    fn wait(&self, until: Timestamp) {
        let pause = until.since(self.now.steady).min(Duration::from_millis(100));
        if !self.sweep.has_found() && !self.repair.has_found() {
            retry::sleep(pause, &*self.give_up);
        }
    }

    fn key_ranges(&mut self) -> Result<Option<Vec<KeyRange>>, DistributionError> {
        match self.session.ask(|db| db.key_ranges()) {
            Ok(ranges) => Ok(Some(ranges)),
            Err(RetryError::Cancelled) => Ok(None),
            Err(RetryError::Failed(error)) => Err(error.into()),
        }
    }

    /// Measures the ledger's memory: beyond a quarter of the whole it takes the place of alerts under way.
    fn watch_ledger(&mut self) {
        let (bytes, share) = (self.progress.ledger().memory(), self.memory / 4);
        self.budget.reserve(bytes.saturating_sub(share));
        if bytes > share / 5 * 4 && self.ledger_told.is_none_or(|told| told.elapsed() >= WARNING_INTERVAL) {
            self.ledger_told = Some(Instant::now());
            log::warn!(
                "the ledger of the last distribution.repair lists {} alerts and takes {} MB of distribution.memory ({} MB): raise                  distribution.memory, or shorten distribution.repair",
                self.progress.ledger().len(),
                bytes >> 20,
                self.memory >> 20
            );
        }
    }
}

/// Python `filters` are called for a page at a time: calls cost less where pages are larger.
fn page(settings: &Settings, pipeline: &Pipeline) -> PageLimits {
    match pipeline.has_filters() {
        true => PageLimits {
            rows: settings.filters.batch.min(MAX_FILTERED_PAGE_ROWS),
            bytes: (settings.distribution.memory as usize / 16)
                .clamp(PageLimits::default().bytes, MAX_FILTERED_PAGE_BYTES),
        },
        // Each reader holds a page as it was read, and what was made of it.
        false => PageLimits {
            bytes: PageLimits::default().bytes.min(settings.distribution.memory as usize / 64),
            ..PageLimits::default()
        },
    }
}

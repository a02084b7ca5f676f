//! The way of an alert, top to bottom.
//!
//! Readers scan, judge and encode ([`readers`]); one coordinator, here, decides what to read next ([`progress`]), sends what they hand over
//! (`history`, `live`) and commits it together with the checkpoint (`publisher`). Whatever goes wrong within a transaction, it is aborted and
//! everything begins again from the checkpoint, as after a crash.

mod abort;
mod arguments;
pub mod batch;
mod begin;
mod budget;
mod checkpoint_partition;
mod checkpoint_watch;
mod clock;
pub mod counts;
mod error;
mod forms;
mod history;
mod live;
mod notices;
pub mod offset_file;
mod outlet;
mod owner;
mod patience;
mod plain;
pub mod progress;
mod publisher;
pub mod readers;
mod request;
mod search;
pub mod selection;
pub mod sieve;
mod skipped_rows;
mod status;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use error::DistributionError;
pub use request::{Ended, Request};

use crate::catalog::Catalog;
use crate::config::{DistributionSettings, Settings};
use crate::filters::FilterError;
use crate::kafka::checkpoint::Records;
use crate::notify::Notifier;
use crate::science_db::KeyRange;
use abort::Aborts;
use begin::Begin;
use budget::Budget;
use checkpoint_watch::{CheckpointWatch, Lost};
use clock::{Clock, Now};
use counts::{Counts, Lane};
use notices::{Notices, NoticesError};
pub use outlet::{ALERT, GiveUp, TIMESTAMP};
use outlet::{Outlet, SendError};
use patience::{Halt, Open, Session};
use progress::{Pace, Progress, Record, Step};
use publisher::Publisher;
use readers::{Page, Readers};
use search::{AheadSearch, Search};
use selection::Selection;
use sieve::Filters;
use status::StatusWriter;

/// Readers for each distribution; the gateways share them out. Two sessions read an HBase of two cores as fast as four do, the third reads
/// while another encodes.
const READERS: usize = 3;
/// Most rows, and most bytes, of a page that filters judge.
const LARGEST_SIFTED_PAGE: usize = 2000;
const LARGEST_SIFTED_BYTES: usize = 32 << 20;

/// How long a commit that is under way may go on after the distribution was told to stop.
const COMMIT_GRACE: Duration = Duration::from_secs(5);
/// How often a ledger that takes much memory is told, and rows that are stamped ahead of now.
const REMINDER: Duration = Duration::from_secs(600);
/// A watermark so far ahead of the system clock, ms, is no mere step of a clock.
const AHEAD: i64 = 1_000;

/// A distribution at work.
struct Distribution<'a> {
    pace: Pace,
    clock: Clock,
    now: Now,
    progress: Progress,
    publisher: Publisher,
    selection: Arc<Selection>,
    readers: Readers,
    session: Session,
    sweep: Search,
    repair: Search,
    ahead: AheadSearch,
    budget: Arc<Budget>,
    /// `distribution.memory`, bytes
    memory: usize,
    ledger_told: Option<Instant>,
    counts: Counts,
    give_up: GiveUp,
    report: &'a mut dyn FnMut(&Counts),
}

/// Distributes alerts until the job is done, time is up or `stopped` says so. `report` is told the counts several times a second.
///
/// # Errors
/// The settings do not fit the catalog, or a server refused for good; servers that are away are waited for.
pub fn run(
    settings: &Settings,
    request: &Request,
    stopped: &GiveUp,
    report: &mut dyn FnMut(&Counts),
) -> Result<(Ended, Counts), DistributionError> {
    // The moment of the command: `--from now` means this, however long the servers take to answer.
    let mut clock = Clock::start();
    let now = clock.now();
    let deadline = request.exit_after.map(|duration| Instant::now() + duration);
    let lost = Lost::default();
    let give_up: GiveUp = Arc::new({
        let (stopped, lost) = (Arc::clone(stopped), Arc::clone(&lost));
        move || stopped() || lost.get().is_some() || deadline.is_some_and(|deadline| deadline <= Instant::now())
    });
    let nothing = |counts: usize| Ok((request.ended(stopped()), Counts::new(counts)));

    let streams = request.check(settings, now.wall)?;
    let catalog = Catalog::load(&settings.science_db.catalog)?;
    // The status speaks of all streams: it says nothing of a job or a service of some of them.
    let has_status = settings.distribution.status && request.is_of_all(&streams, settings.streams.len());
    let filters = match Filters::start(&settings.filters, &streams, &catalog, &*give_up) {
        Err(FilterError::Stopped) => return nothing(streams.len()),
        filters => filters?,
    };
    // The past that a job sends is no news, and a dry run sends nothing.
    let channels = settings.slack.channels.as_deref().filter(|_| !request.is_job() && !request.dry_run);
    let notices = channels.map(|channels| Notices::new(channels, &catalog)).transpose()?;
    let notifier = match notices {
        None => None,
        Some(_) => {
            Some(Notifier::start(&settings.slack.endpoint, settings.slack.token.as_ref()).map_err(NoticesError::from)?)
        }
    };
    let selection = Selection::new(&catalog, &streams, &settings.science_db, has_status, filters, notices)?;
    let selection = Arc::new(selection);
    let open = Arc::new(Open::new(&settings.science_db, &settings.science_db.table_of(&catalog)));
    let mut session = Session::new(&open, Arc::clone(&give_up));
    match session.ask(|db| db.key_ranges()) {
        Ok(_) => {}
        Err(Halt::Cancelled) => return nothing(streams.len()),
        Err(Halt::Failed(error)) => return Err(error.into()),
    }

    if let Some(until) = request.until
        && until > now.wall - pace(&settings.distribution).repair
    {
        log::warn!("rows stamped before --until that become visible after this job has passed them are not seen by it");
    }
    let prefix = request.checkpoint_prefix(&streams, settings.streams.len());
    let transactional_id = request.transactional_id(&settings.distribution, &prefix);
    let give_up_commit = with_grace(&give_up, &lost);
    let outlet = match request.dry_run {
        true => None,
        false => {
            let ids = (transactional_id.as_str(), prefix.as_str());
            match Outlet::open(settings, &streams, &selection, ids, (&give_up, &give_up_commit)) {
                Err(SendError::Stopped) => return nothing(streams.len()),
                opened => Some(opened?),
            }
        }
    };
    let (outlet, records) = outlet.unzip();
    let _watch =
        outlet.as_ref().map(|outlet| CheckpointWatch::start(&settings.kafka, outlet.checkpoint_place(), &lost));
    let memory = settings.distribution.memory as usize;
    let status = selection.status_column().filter(|_| !request.dry_run);
    let status = status.map(|column| StatusWriter::start(&open, column, &prefix, memory / 16));
    let offset_file = settings.distribution.offset_file.clone().filter(|_| !request.is_job());
    let budget = Budget::new(memory / 4);
    let page = page(settings, &selection);
    let one_reader = || Readers::start(1, &open, &selection, &budget, page);
    let mut counts = Counts::new(streams.len());
    for (index, stream) in counts.streams.iter_mut().enumerate() {
        stream.refusers = selection.refusers(index).to_vec();
    }
    let publisher = Publisher::new(outlet, status, notifier, offset_file, streams.len());
    let begun = Begin { settings, request, prefix: &prefix, now: now.wall };
    let mut records = records.unwrap_or_default();
    let (progress, mut outdated) = match begun.progress(&publisher, &records) {
        Err(DistributionError::Send(SendError::Stopped)) => return nothing(streams.len()),
        begun => begun?,
    };
    let mut distribution = Distribution {
        pace: pace(&settings.distribution),
        clock,
        now,
        progress,
        publisher,
        selection: Arc::clone(&selection),
        readers: Readers::start(READERS, &open, &selection, &budget, page),
        session,
        sweep: Search::new(one_reader()),
        repair: Search::new(one_reader()),
        ahead: AheadSearch::new(one_reader()),
        budget,
        memory,
        ledger_told: None,
        counts,
        give_up,
        report,
    };
    let mut aborts = Aborts::default();
    loop {
        let worked = distribution.take_up(&records, outdated).and_then(|()| distribution.work(request));
        let recovered = match worked {
            Err(DistributionError::Send(SendError::Aborted(reason))) => distribution.recover(&mut aborts, reason),
            ended => ended.map(|()| None),
        };
        let again = recovered.and_then(|found| match found {
            Some(found) => begun.progress(&distribution.publisher, &found).map(|progress| Some((found, progress))),
            None => Ok(None),
        });
        match again {
            Ok(Some((found, progress))) => (records, (distribution.progress, outdated)) = (found, progress),
            Ok(None) | Err(DistributionError::Send(SendError::Stopped)) => break,
            Err(error) => return Err(error),
        }
    }
    if let Some(reason) = lost.get() {
        return Err(DistributionError::CheckpointLost { reason: reason.clone() });
    }
    let give_up: &dyn Fn() -> bool = &|| stopped() || deadline.is_some_and(|deadline| deadline <= Instant::now());
    distribution.publisher.end(give_up)?;
    let ended = match distribution.progress.next(distribution.now, &distribution.pace) {
        Step::Finished => Ended::Finished,
        _ => request.ended(stopped()),
    };
    distribution.counts.skipped = distribution.selection.skipped();
    Ok((ended, distribution.counts))
}

/// Gives a commit that is under way a little time after `give_up`, unless the checkpoint is lost.
fn with_grace(give_up: &GiveUp, lost: &Lost) -> GiveUp {
    let (give_up, lost, since) = (Arc::clone(give_up), Arc::clone(lost), OnceLock::new());
    Arc::new(move || give_up() && (lost.get().is_some() || since.get_or_init(Instant::now).elapsed() >= COMMIT_GRACE))
}

impl Distribution<'_> {
    /// Writes down where the distribution begins, and deletes `outdated` records of the checkpoint.
    fn take_up(&mut self, records: &Records, outdated: Vec<Record>) -> Result<(), DistributionError> {
        self.publisher.restore_status(records)?;
        self.now = self.clock.now();
        self.counts.watermark = self.progress.watermark();
        // A job that is done has nothing to send: another one may have used its topics since.
        if self.progress.next(self.now, &self.pace) != Step::Finished {
            self.publisher.take_up_plain(records, self.progress.watermark())?;
        }
        let mut records = self.progress.records()?;
        records.extend(outdated);
        self.publisher.commit(records, &mut self.counts)?;
        log::info!("distributing what is written from {} on (ms since 1970)", self.progress.watermark());
        self.watch_ledger();
        Ok(())
    }

    /// Ends an aborted transaction, waits a little, and reads the checkpoint again.
    fn recover(&mut self, aborts: &mut Aborts, mut reason: String) -> Result<Option<Records>, DistributionError> {
        self.readers.cancel();
        self.sweep.cancel();
        self.repair.cancel();
        self.ahead.cancel();
        let report = loop {
            match self.publisher.abort() {
                Err(SendError::Aborted(again)) => {
                    patience::rest(Duration::from_secs(1), &*self.give_up);
                    if (self.give_up)() {
                        return Err(SendError::Stopped.into());
                    }
                    reason = again;
                }
                report => break report?,
            }
        };
        let Some(pause) = aborts.pause_after(report, self.publisher.commits()) else {
            return Err(DistributionError::KeepsAborting { reason });
        };
        log::warn!("{reason}; the transaction was aborted, and its alerts are read again");
        patience::rest(pause, &*self.give_up);
        Ok(Some(self.publisher.checkpoint()?))
    }

    /// Does what is due, until nothing will be any more.
    fn work(&mut self, request: &Request) -> Result<(), DistributionError> {
        loop {
            self.now = self.clock.now();
            let now = self.now;
            self.counts.watermark = self.progress.watermark();
            self.counts.skipped = self.selection.skipped();
            (self.report)(&self.counts);
            if (self.give_up)() {
                return Ok(());
            }
            if self.progress.watermark() > now.wall + AHEAD {
                return Err(DistributionError::WatermarkAhead { now: now.wall, watermark: self.progress.watermark() });
            }
            match self.progress.next(now, &self.pace) {
                Step::BeginHistory(window) => {
                    let Some(regions) = self.key_ranges()? else { return Ok(()) };
                    log::info!("reading the past: {window}, {} regions", regions.len());
                    self.progress.begin_history(window, &regions);
                }
                Step::History => {
                    self.counts.lane = Lane::History;
                    if !self.history()? {
                        return Ok(());
                    }
                }
                Step::CatchUp(slice) => {
                    self.counts.lane = Lane::Live;
                    if !self.catch_up(slice)? {
                        return Ok(());
                    }
                    self.counts.seen_until = slice.window.until();
                }
                Step::Repair(window) => {
                    self.repair.begin(window, now.steady, true);
                    self.progress.repair_began(window, now.steady);
                    self.ahead.begin(now.wall + self.pace.overlap);
                }
                Step::Sweep(window) => {
                    self.sweep.begin(window, now.steady, false);
                    self.progress.sweep_began(now.steady);
                }
                Step::Live(window) => {
                    self.counts.lane = Lane::Live;
                    if !self.live(window)? {
                        return Ok(());
                    }
                    self.counts.seen_until = window.until();
                }
                Step::Wait(_) if request.dry_run && !self.repair.is_under_way() && self.progress.is_caught_up() => {
                    return Ok(());
                }
                Step::Wait(until) => self.wait(until),
                Step::Finished => return Ok(()),
            }
            self.search_turns()?;
            self.counts.ahead = self.ahead.poll(now.wall)?;
        }
    }

    fn wait(&self, until: i64) {
        let pause = Duration::from_millis((until - self.now.steady).clamp(0, 100) as u64);
        if !self.sweep.has_found() && !self.repair.has_found() {
            patience::rest(pause, &*self.give_up);
        }
    }

    fn key_ranges(&mut self) -> Result<Option<Vec<KeyRange>>, DistributionError> {
        match self.session.ask(|db| db.key_ranges()) {
            Ok(ranges) => Ok(Some(ranges)),
            Err(Halt::Cancelled) => Ok(None),
            Err(Halt::Failed(error)) => Err(error.into()),
        }
    }

    /// Counts the ledger's memory: beyond a quarter of the whole it takes the place of alerts under way.
    fn watch_ledger(&mut self) {
        let (bytes, share) = (self.progress.ledger().memory(), self.memory / 4);
        self.budget.reserve(bytes.saturating_sub(share));
        if bytes > share / 5 * 4 && self.ledger_told.is_none_or(|told| told.elapsed() >= REMINDER) {
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

/// Filters are called for a page at a time: calls cost less where pages are larger.
fn page(settings: &Settings, selection: &Selection) -> Page {
    match selection.has_filters() {
        true => Page {
            rows: settings.filters.batch.min(LARGEST_SIFTED_PAGE),
            bytes: (settings.distribution.memory as usize / 16).clamp(Page::default().bytes, LARGEST_SIFTED_BYTES),
        },
        // Each reader holds a page as it was read, and what was made of it.
        false => {
            Page { bytes: Page::default().bytes.min(settings.distribution.memory as usize / 64), ..Page::default() }
        }
    }
}

fn pace(settings: &DistributionSettings) -> Pace {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    Pace {
        poll: ms(settings.poll),
        settle: ms(settings.settle),
        overlap: ms(settings.overlap),
        repair: ms(settings.repair),
        repair_every: ms(settings.repair_every),
    }
}

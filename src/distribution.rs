//! The way of an alert, top to bottom.
//!
//! Readers scan, judge and encode ([`readers`]); one coordinator, here, decides what to read next ([`progress`]), sends what they hand over
//! and commits it together with the checkpoint (`publisher`). Whatever goes wrong within a transaction, it is aborted and everything is
//! taken up again from the checkpoint, as after a crash.

pub mod batch;
mod budget;
pub mod counts;
mod error;
mod forms;
mod notices;
pub mod offset_file;
mod outlet;
mod patience;
pub mod progress;
mod publisher;
pub mod readers;
mod request;
mod search;
pub mod selection;
pub mod sieve;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

pub use error::DistributionError;
pub use request::{Ended, Request};

use crate::catalog::Catalog;
use crate::config::{DistributionSettings, Settings};
use crate::filters::FilterError;
use crate::notify::Notifier;
use crate::science_db::{KeyRange, open_session};
use crate::window::Window;
use counts::{Counts, Lane};
use notices::{Notices, NoticesError};
pub use outlet::GiveUp;
use outlet::{Outlet, SendError};
use patience::{Halt, Open, Session};
use progress::{Pace, Progress, Step};
use publisher::Publisher;
use readers::{Answer, Found, Page, Readers, Task};
use search::{Search, Turn};
use selection::Selection;
use sieve::Filters;
use status::StatusWriter;

/// Readers for each distribution; the gateways share them out. Two sessions read an HBase of two cores as fast as four do, the third reads
/// while another encodes.
const READERS: usize = 3;
/// Rows fetched whole by one request.
const FETCH: usize = 100;
/// Fetches under way at once, for each reader: one at work and one waiting.
const FETCHES_A_READER: usize = 2;

/// Most rows, and most bytes, of a page that filters judge.
const LARGEST_SIFTED_PAGE: usize = 2000;
const LARGEST_SIFTED_BYTES: usize = 32 << 20;

/// A distribution at work.
struct Distribution<'a> {
    pace: Pace,
    prefix: String,
    progress: Progress,
    publisher: Publisher,
    readers: Readers,
    session: Session,
    sweep: Search,
    repair: Search,
    counts: Counts,
    give_up: GiveUp,
    report: &'a mut dyn FnMut(&Counts),
}

/// Distributes alerts until the job is done, time is up or `stopped` says so. `report` is told the counts several times a second.
///
/// # Errors
/// The settings do not fit the catalog, or a server refused for good; what waiting can mend is waited for.
pub fn run(
    settings: &Settings,
    request: &Request,
    stopped: &GiveUp,
    report: &mut dyn FnMut(&Counts),
) -> Result<(Ended, Counts), DistributionError> {
    let deadline = request.exit_after.map(|duration| Instant::now() + duration);
    let give_up: GiveUp = Arc::new({
        let stopped = Arc::clone(stopped);
        move || stopped() || deadline.is_some_and(|deadline| deadline <= Instant::now())
    });

    let catalog = Catalog::load(&settings.science_db.catalog)?;
    let streams = request.pick(&settings.streams)?;
    // The status speaks of all streams: it says nothing of a job that fills one stream's past.
    let heeds_status = settings.distribution.status && (request.streams.is_empty() || !request.is_job());
    let filters = match Filters::start(&settings.filters, &streams, &catalog, &*give_up) {
        Err(FilterError::Stopped) => return Ok((request.ended(stopped()), Counts::new(streams.len()))),
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
    let selection = Selection::new(&catalog, &streams, &settings.science_db, heeds_status, filters, notices)?;
    let selection = Arc::new(selection);
    let open: Arc<Open> = Arc::new({
        let (science_db, table) = (settings.science_db.clone(), settings.science_db.table_of(&catalog));
        let sessions = AtomicUsize::new(0);
        move || open_session(&science_db, &table, sessions.fetch_add(1, Ordering::Relaxed))
    });
    let mut session = Session::new(&open);
    match session.ask(&*give_up, |db| db.key_ranges()) {
        Ok(_) => {}
        Err(Halt::Cancelled) => return Ok((request.ended(stopped()), Counts::new(streams.len()))),
        Err(Halt::Failed(error)) => return Err(error.into()),
    }

    if let Some(until) = request.until.filter(|until| *until > now()) {
        return Err(DistributionError::FutureJob { until });
    }
    if let Some(until) = request.until
        && until > now() - pace(&settings.distribution).repair
    {
        log::warn!("rows stamped before --until that become visible after this job has passed them are not seen by it");
    }
    let prefix = request.checkpoint_prefix(&streams, settings.streams.len());
    let outlet = match request.dry_run {
        true => None,
        false => Some(Outlet::open(
            settings,
            &streams,
            &selection,
            &request.transactional_id(&settings.distribution, &prefix),
            &give_up,
        )?),
    };
    let status = selection.status_column().filter(|_| !request.dry_run);
    let status = status.map(|(family, qualifier)| StatusWriter::start(&open, family, qualifier));
    let offset_file = settings.distribution.offset_file.clone().filter(|_| !request.is_job());
    let budget = budget::Budget::new(settings.distribution.memory as usize / 4);
    let page = page(settings, &selection);
    let search = || Search::new(Readers::start(1, &open, &selection, &budget, page));
    let mut counts = Counts::new(streams.len());
    for (index, stream) in counts.streams.iter_mut().enumerate() {
        stream.refusers = selection.refusers(index).to_vec();
    }
    let mut distribution = Distribution {
        pace: pace(&settings.distribution),
        progress: Progress::service(&prefix, "", 0),
        publisher: Publisher::new(outlet, status, notifier, offset_file, &prefix, streams.len()),
        prefix,
        readers: Readers::start(READERS, &open, &selection, &budget, page),
        session,
        sweep: search(),
        repair: search(),
        counts,
        give_up,
        report,
    };
    distribution.take_up(settings, request)?;
    loop {
        match distribution.work(request) {
            Ok(()) => break,
            Err(DistributionError::Send(SendError::Aborted(reason))) => {
                log::warn!("{reason}; the transaction was aborted, and its alerts are read again");
                distribution.take_up(settings, request)?;
            }
            Err(DistributionError::Send(SendError::Stopped)) => break,
            Err(error) => return Err(error),
        }
    }
    distribution.publisher.end(stopped())?;
    let ended = match distribution.progress.next(now(), &distribution.pace) {
        Step::Finished => Ended::Finished,
        _ => request.ended(stopped()),
    };
    Ok((ended, distribution.counts))
}

impl Distribution<'_> {
    /// Begins where the checkpoint says, or where the user does.
    fn take_up(&mut self, settings: &Settings, request: &Request) -> Result<(), DistributionError> {
        self.readers.cancel();
        self.sweep.cancel();
        self.repair.cancel();
        self.publisher.abort()?;
        let records = self.publisher.checkpoint()?;
        if let Some(rows) = records.get(self.publisher.status_key()) {
            let rows = status::from_bytes(rows).ok_or(DistributionError::DamagedStatus)?;
            self.publisher.write_status(rows)?;
        }
        let found = Progress::load(&self.prefix, &records)?;
        let (progress, is_new) = request.begin(found, &self.prefix, &settings.distribution, now())?;
        self.progress = progress;
        self.counts.watermark = self.progress.watermark();
        log::info!("distributing what is written from {} on (ms since 1970)", self.progress.watermark());
        if is_new {
            self.publisher.commit(vec![self.progress.state_record()], &mut self.counts)?;
        }
        Ok(())
    }

    /// Does what is due, until nothing will be any more.
    fn work(&mut self, request: &Request) -> Result<(), DistributionError> {
        loop {
            let now = now();
            self.counts.watermark = self.progress.watermark();
            (self.report)(&self.counts);
            if (self.give_up)() {
                return Ok(());
            }
            match self.progress.next(now, &self.pace) {
                Step::BeginHistory(window) => {
                    let Some(ranges) = self.key_ranges()? else { return Ok(()) };
                    log::info!("reading the past: {window}, {} key ranges", ranges.len());
                    self.progress.begin_history(window, ranges);
                }
                Step::History => {
                    self.counts.lane = Lane::History;
                    if !self.history()? {
                        return Ok(());
                    }
                }
                Step::Repair { window, closes_gap } => {
                    self.repair.begin(window, now, !closes_gap);
                    self.progress.repair_began(now);
                }
                Step::Sweep(window) => {
                    self.sweep.begin(window, now, false);
                    self.progress.sweep_began(now);
                }
                Step::Live(window) => {
                    self.counts.lane = Lane::Live;
                    if !self.live(window)? {
                        return Ok(());
                    }
                    self.progress.looked(now);
                    self.counts.seen_until = window.until();
                }
                Step::Wait(_) if request.dry_run && !self.repair.is_under_way() && self.progress.is_caught_up() => {
                    return Ok(());
                }
                Step::Wait(until) => self.wait(until)?,
                Step::Finished => return Ok(()),
            }
            self.search_turns()?;
        }
    }

    fn key_ranges(&mut self) -> Result<Option<Vec<KeyRange>>, DistributionError> {
        match self.session.ask(&*self.give_up, |db| db.key_ranges()) {
            Ok(ranges) => Ok(Some(ranges)),
            Err(Halt::Cancelled) => Ok(None),
            Err(Halt::Failed(error)) => Err(error.into()),
        }
    }

    /// The history lane: every key range of one long window, in row order. `false`: given up on the way.
    fn history(&mut self) -> Result<bool, DistributionError> {
        let Some((window, ranges)) =
            self.progress.history().and_then(|history| Some((history.window()?, history.ranges().to_vec())))
        else {
            return Ok(true);
        };
        // Up to the present the newest cells are read too: a row completed by a later write is then whole.
        let cells = match window.until() < now() - 2 * self.pace.repair {
            true => window,
            false => Window::since(window.from()),
        };
        let mut left = 0;
        for (index, range) in ranges.iter().enumerate().filter(|(_, range)| !range.is_done()) {
            let after = range.after().map(<[u8]>::to_vec);
            self.readers.ask(Task::Scan { range: index, keys: range.keys(), after, window, cells });
            left += 1;
        }
        self.counts.ranges = (ranges.len() - left, ranges.len());
        while left > 0 && !(self.give_up)() {
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Page { range, batch, after, done, rows }, lease)) => {
                    self.publisher.saw(rows as u64);
                    for alert in batch.alerts() {
                        if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                            self.publisher.send(&batch, alert, false)?;
                        }
                    }
                    drop(lease);
                    self.progress.history_reached(range, after.as_deref(), done);
                    if done {
                        left -= 1;
                        self.counts.ranges.0 += 1;
                    }
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            if self.publisher.is_due() {
                self.commit_history()?;
            }
            (self.report)(&self.counts);
        }
        self.readers.cancel();
        self.commit_history()?;
        Ok(left == 0)
    }

    fn commit_history(&mut self) -> Result<(), DistributionError> {
        // The position in the checkpoint says that they are done; no ledger is needed.
        self.publisher.take_entries();
        let records = self.progress.history_records();
        self.counts.watermark = self.progress.watermark();
        self.publisher.commit(records, &mut self.counts)
    }

    /// The live lane: what is new in `window` is fetched whole and published. `false`: given up on the way.
    fn live(&mut self, window: Window) -> Result<bool, DistributionError> {
        self.readers.ask(Task::Look { keys: KeyRange::default(), window });
        let mut fresh = Vec::new();
        loop {
            if (self.give_up)() {
                return Ok(false);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Found { rows, done }, _)) => {
                    self.publisher.saw(rows.len() as u64);
                    fresh.extend(rows.into_iter().filter(|(key, at)| self.progress.is_new(key, *at)));
                    if done {
                        break;
                    }
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
        }
        self.publish(fresh, false)
    }

    /// Takes up what sweep and repair have found, and publishes some of it.
    fn search_turns(&mut self) -> Result<(), DistributionError> {
        self.hear_searches(Duration::ZERO)?;
        if let Some(Turn { rows, late, is_last, .. }) = self.sweep.turn()
            && self.take_turn(rows, late)?
            && is_last
        {
            self.progress.sweep_ended();
        }
        if let Some(Turn { rows, late, began, is_last }) = self.repair.turn()
            && self.take_turn(rows, late)?
            && is_last
        {
            let records = self.progress.repair_ended(began, &self.pace);
            self.counts.watermark = self.progress.watermark();
            self.publisher.commit(records, &mut self.counts)?;
        }
        Ok(())
    }

    fn take_turn(&mut self, mut rows: Vec<Found>, late: bool) -> Result<bool, DistributionError> {
        rows.retain(|(key, at)| self.progress.is_new(key, *at));
        Ok(rows.is_empty() || self.publish(rows, late)?)
    }

    fn hear_searches(&mut self, patience: Duration) -> Result<(), DistributionError> {
        let is_new = |(key, at): &Found| self.progress.is_new(key, *at);
        self.sweep.hear(patience, is_new)?;
        Ok(self.repair.hear(Duration::ZERO, is_new)?)
    }

    fn wait(&mut self, until: i64) -> Result<(), DistributionError> {
        let pause = Duration::from_millis((until - now()).clamp(0, 100) as u64);
        if !self.sweep.has_found() && !self.repair.has_found() {
            patience::rest(pause, &*self.give_up);
        }
        Ok(())
    }

    /// Fetches rows whole and publishes them in the order of their timestamps. `false`: given up on the way.
    fn publish(&mut self, mut rows: Vec<Found>, late: bool) -> Result<bool, DistributionError> {
        rows.sort_by(|(a, a_at), (b, b_at)| a_at.cmp(b_at).then_with(|| a.cmp(b)));
        let mut chunks = rows.chunks(FETCH).enumerate();
        let count = chunks.len();
        let mut ask = || {
            if let Some((sequence, rows)) = chunks.next() {
                self.readers.ask(Task::Fetch { sequence, rows: rows.to_vec() });
            }
        };
        (0..READERS * FETCHES_A_READER).for_each(|_| ask());
        let mut early = std::collections::BTreeMap::new();
        let mut next = 0;
        while next < count {
            if (self.give_up)() {
                self.readers.cancel();
                self.commit_published()?;
                return Ok(false);
            }
            match self.readers.answer(Duration::from_millis(100)) {
                Some((Answer::Fetched { sequence, batch, asked }, _)) => {
                    early.insert(sequence, (batch, asked));
                }
                Some((Answer::Failed(error), _)) => return Err(error.into()),
                Some(_) | None => {}
            }
            while let Some((batch, asked)) = early.remove(&next) {
                next += 1;
                if let Some((sequence, rows)) = chunks.next() {
                    self.readers.ask(Task::Fetch { sequence, rows: rows.to_vec() });
                }
                for alert in batch.alerts() {
                    if self.progress.is_new(batch.bytes(&alert.key), alert.entry.timestamp) {
                        self.publisher.send(&batch, alert, late)?;
                    }
                }
                // Done too where the row has a newer version by now, is gone, or bears the status already.
                self.publisher.note(asked);
            }
            // Also while nothing comes: a transaction that waits for an absent HBase would time out.
            if self.publisher.is_due() {
                self.commit_published()?;
            }
        }
        self.commit_published()?;
        Ok(true)
    }

    fn commit_published(&mut self) -> Result<(), DistributionError> {
        let records = self.progress.published(self.publisher.take_entries());
        self.publisher.commit(records, &mut self.counts)?;
        (self.report)(&self.counts);
        Ok(())
    }
}

/// Filters are called for a page at a time: calls cost less where pages are larger.
fn page(settings: &Settings, selection: &Selection) -> Page {
    match selection.has_filters() {
        true => Page {
            rows: settings.filters.batch.min(LARGEST_SIFTED_PAGE),
            bytes: (settings.distribution.memory as usize / 16).clamp(Page::default().bytes, LARGEST_SIFTED_BYTES),
        },
        false => Page::default(),
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

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

//! The way of an alert, top to bottom.
//!
//! Readers scan, judge and encode ([`readers`]); one coordinator, here, decides what to read next ([`progress`]), sends what they hand over
//! (`history`, `live`) and commits it together with the checkpoint (`publisher`). Whatever goes wrong within a transaction, it is aborted and
//! everything is taken up again from the checkpoint, as after a crash.

pub mod batch;
mod budget;
pub mod counts;
mod error;
mod forms;
mod history;
mod live;
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
use std::time::{Duration, Instant, SystemTime};

pub use error::DistributionError;
pub use request::{Ended, Request};

use crate::catalog::Catalog;
use crate::config::{DistributionSettings, Settings};
use crate::filters::FilterError;
use crate::notify::Notifier;
use crate::science_db::KeyRange;
use counts::{Counts, Lane};
use notices::{Notices, NoticesError};
pub use outlet::GiveUp;
use outlet::{Outlet, SendError};
use patience::{Halt, Open, Session};
use progress::{Pace, Progress, Step};
use publisher::Publisher;
use readers::{Page, Readers};
use search::Search;
use selection::Selection;
use sieve::Filters;
use status::StatusWriter;

/// Readers for each distribution; the gateways share them out. Two sessions read an HBase of two cores as fast as four do, the third reads
/// while another encodes.
const READERS: usize = 3;
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
    let open = Arc::new(Open::new(&settings.science_db, &settings.science_db.table_of(&catalog)));
    let mut session = Session::new(&open, Arc::clone(&give_up));
    match session.ask(|db| db.key_ranges()) {
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
                Step::Wait(until) => self.wait(until),
                Step::Finished => return Ok(()),
            }
            self.search_turns()?;
        }
    }

    fn wait(&self, until: i64) {
        let pause = Duration::from_millis((until - now()).clamp(0, 100) as u64);
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

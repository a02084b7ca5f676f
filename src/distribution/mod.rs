//! The service that takes alerts out of the science database and publishes them to Kafka, and the bounded jobs.
//!
//! [`run`] opens everything ([`mod@open`]), resumes at the checkpoint ([`mod@resume`]) and runs the lanes until the job is done or the service is
//! stopped. Reader threads scan rows and pass them through the [`pipeline`]. One coordinator, [`run_lanes`], asks the
//! [`checkpoint_state`] what to read next; the lanes ([`history`], [`live`], [`repair`]) read it, and the [`publisher`] sends the alerts
//! and commits them together with the checkpoint. Streams are paused by [`stream_control`], and [`missed`] sends them what they have missed. Whatever fails within a transaction: it is aborted, and everything resumes at the
//! checkpoint, as after a crash.

mod abort_backoff;
mod background_scan;
pub(crate) mod batch;
mod catalog_watch;
mod checkpoint_partition;
pub mod checkpoint_state;
pub(crate) mod checkpoint_transfer;
mod checkpoint_watch;
mod clock;
mod error;
mod headers;
mod history;
mod idempotent_sink;
pub(crate) mod instruments;
mod kafka_sink;
mod kafka_watch;
mod ledger_memory;
mod live;
mod live_source;
mod memory_budget;
mod missed;
pub(crate) mod offset_file;
mod open;
mod outage;
#[cfg(test)]
mod overload_tests;
mod owner;
pub(crate) mod page_reader;
pub(crate) mod pipeline;
mod publisher;
mod readers;
mod rejection_log;
mod repair;
mod request;
mod request_check;
mod resume;
mod retry;
mod row_count;
mod row_size;
mod schema_registration;
pub mod settings;
mod settings_check;
mod sink_error;
mod standby;
mod start;
mod start_check;
pub(crate) mod stats;
mod status_column;
mod stream_control;
pub(crate) mod verdict;

use std::time::{Duration, Instant};

pub(crate) use error::DistributionError;
pub(crate) use headers::{ALERT_HEADER, TIMESTAMP_HEADER};
pub(crate) use request::{EndReason, Request};
pub(crate) use settings_check::check_settings;
pub(crate) use standby::wait_for_turn;
pub(crate) use start_check::{Confirm, Resend};
pub(crate) use stream_control::{StreamChange, StreamChangeError, StreamControl};

use crate::cancel::CancellationToken;
use crate::distribution::settings::Settings;
use crate::kafka::checkpoint::Records;
use crate::timestamp::Timestamp;
use abort_backoff::AbortBackoff;
use checkpoint_state::{Action, CheckpointState, Intervals};
use checkpoint_watch::CheckpointWatch;
use clock::Clock;
use history::publish_history;
use instruments::Instruments;
use live::{find_new_rows, publish_rows};
use live_source::publish_pushed;
use missed::publish_missed;
use open::{Opened, Workers, open};
use repair::{continue_repair, continue_sweep};
use resume::resume;
use sink_error::SinkError;
use stats::{HistoryStats, Lane, Stats};
use stream_control::change_streams;

/// The longest pause of the coordinator: it polls background scans and reports the statistics several times a second.
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// A small correction of the clock does not explain a watermark that is further ahead of it.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);
/// Time between two attempts to abort a transaction.
const ABORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a distribution is asked to do.
struct Task<'a> {
    settings: &'a Settings,
    request: &'a Request,
    intervals: Intervals,
    /// the time of the command
    started: Timestamp,
    cancel: CancellationToken,
}

/// Distributes alerts until the job is done, the time is up, or `stop` is cancelled. `report` gets the statistics several times a second,
/// `instruments` the durations and failures. `confirm` is called once at most, before anything is sent, if alerts would be sent again.
///
/// # Errors
/// The settings do not fit the catalog; a permanent error of a server, or of a filter. Waits for servers that are away.
pub(crate) fn run(
    settings: &Settings,
    request: &Request,
    stop: &CancellationToken,
    confirm: Confirm<'_>,
    instruments: &Instruments,
    report: &mut dyn FnMut(&Stats),
) -> Result<(EndReason, Stats), DistributionError> {
    // `--from now` means the time of the command, however long the servers take to answer.
    let mut clock = Clock::start();
    let started = clock.now().wall;
    let streams = request.check(settings, started)?;
    let deadline = request.exit_after.and_then(|duration| Instant::now().checked_add(duration));
    let cancel = request.restart.as_ref().unwrap_or(stop).child_with_deadline(deadline);
    let task = Task { settings, request, intervals: Intervals::new(&settings.distribution), started, cancel };
    let mut opened = match open(settings, request, &streams, started, (&task.cancel, confirm), instruments, report) {
        // A service may be stopped while it waits for a server; the end of its time is a failure then.
        Err(DistributionError::Cancelled | DistributionError::NoAnswer { .. })
            if matches!(request.end_reason(stop.is_cancelled()), EndReason::Stopped | EndReason::Restart) =>
        {
            return Ok((request.end_reason(stop.is_cancelled()), Stats::new(streams.len())));
        }
        opened => opened?,
    };

    let mut records = std::mem::take(&mut opened.records);
    let mut backoff = AbortBackoff::default();
    let is_finished = loop {
        let recovered = match resume_and_run(&task, &records, &mut opened, &mut clock) {
            Ok(()) => break true,
            Err(DistributionError::Sink(SinkError::Aborted(reason))) => {
                recover(reason, &mut opened, &mut backoff, &task.cancel)
            }
            Err(error) => Err(error),
        };
        match recovered {
            Ok(found) => records = found,
            Err(DistributionError::Cancelled) => break false,
            Err(error) => return Err(error),
        }
    };

    if let Some(reason) = opened.checkpoint_watch.as_ref().and_then(CheckpointWatch::loss) {
        return Err(DistributionError::CheckpointLost { reason: reason.to_owned() });
    }
    let end_reason = if is_finished { EndReason::Finished } else { request.end_reason(stop.is_cancelled()) };
    let is_over = !is_finished && !matches!(end_reason, EndReason::Stopped | EndReason::Restart);
    let outage = opened.outage(settings).filter(|_| is_over);
    // A standby must not take over while the process starts again.
    let mut stats = opened.publisher.close(&task.cancel, end_reason != EndReason::Restart)?;
    stats.skipped = opened.pipeline.columns().skipped_rows();
    match outage {
        Some((server, outage)) => Err(DistributionError::EndedInOutage { server, outage }),
        None => Ok((end_reason, stats)),
    }
}

/// Resumes at the checkpoint, which holds `records`, and runs the lanes until they are done.
fn resume_and_run(
    task: &Task<'_>,
    records: &Records,
    opened: &mut Opened<'_>,
    clock: &mut Clock,
) -> Result<(), DistributionError> {
    let Task { settings, request, started, .. } = task;
    let publisher = &mut opened.publisher;
    let (mut state, outdated) =
        resume(request, &settings.distribution, &opened.prefix, publisher.sink(), records, *started)?;
    publisher.restore_status(records)?;
    publisher.set_missed(state.missed());
    publisher.stats().history = HistoryStats::default();
    // A finished job has nothing to send, and other distributions may have written to its topics since.
    match state.next_action(clock.now(), &task.intervals) {
        Action::Finished => log::info!("this job was finished before: nothing is left to send"),
        _ => publisher.restore_idempotent(records, state.watermark())?,
    }
    let mut first = state.records()?;
    first.extend(outdated);
    publisher.commit(first, state.watermark())?;
    log_paused(&state);
    match state.watermark() {
        Timestamp::EPOCH => log::info!("distributing what is written from the beginning of the table on"),
        watermark => log::info!("distributing what is written from {} on", watermark.with_millis()),
    }
    run_lanes(task, &mut state, opened, clock)
}

/// Logs which streams are paused.
fn log_paused(state: &CheckpointState) {
    for (name, missed) in state.missed().streams() {
        if let Some(since) = missed.paused_at() {
            log::info!("stream `{name}` is paused since {}", since.rfc3339());
        }
    }
}

/// Runs the lane that is due, until none will be any more: a job is done, or a dry run has caught up.
fn run_lanes(
    Task { request, intervals: configured, cancel, .. }: &Task<'_>,
    state: &mut CheckpointState,
    opened: &mut Opened<'_>,
    clock: &mut Clock,
) -> Result<(), DistributionError> {
    let Opened { pipeline, publisher, workers, session, ledger_memory, .. } = opened;
    let Workers { readers, live_source, sweep, repair, missed, future_rows, row_count } = workers;
    loop {
        let now = clock.now();
        let intervals = &live_source.intervals(*configured, now);
        live_source.set_live(state.is_live(now, intervals));
        ledger_memory.update(state.ledger());
        let stats = publisher.stats();
        stats.watermark = state.watermark();
        (stats.ledger_alerts, stats.ledger_bytes) = (state.ledger().len() as u64, state.ledger().memory() as u64);
        stats.skipped = pipeline.columns().skipped_rows();
        stats.published_until = (!state.is_job()).then(|| state.published_until(intervals.settle));
        stats.limit_published_until(sweep.oldest().into_iter().chain(repair.oldest()).min());
        publisher.report();
        let action = state.next_action(now, intervals);
        if cancel.is_cancelled() && action != Action::Finished {
            return Err(DistributionError::Cancelled);
        }
        if state.watermark() > now.wall + MAX_CLOCK_DIFFERENCE {
            return Err(DistributionError::WatermarkAhead { now: now.wall, watermark: state.watermark() });
        }
        publisher.keep_alive(state)?;
        change_streams(&request.stream_control, state, publisher, missed, now.wall)?;
        match action {
            Action::StartHistory(window) => {
                let regions = session.ask(cancel, |db| db.key_ranges())?;
                log::info!("reading the past: {}, {} regions", window.alerts(), regions.len());
                state.start_history(window, &regions);
            }
            Action::History => {
                publisher.stats().lane = Lane::History;
                publish_history(state, readers, row_count, publisher, (now, intervals), cancel)?;
                publisher.stats().history = HistoryStats::default();
            }
            Action::CatchUp(slice) => {
                publisher.stats().lane = Lane::Live;
                let rows = find_new_rows(slice.window, state, readers, publisher, cancel)?;
                let finish = |state: &mut CheckpointState| state.finish_slice(slice, now.steady);
                publish_rows(rows, false, state, readers, publisher, cancel, finish)?;
            }
            Action::Live(window) => {
                publisher.stats().lane = Lane::Live;
                if live_source.begin_scan(window) {
                    state.start_background_live_scan(now.steady);
                } else {
                    let started = Instant::now();
                    let rows = find_new_rows(window, state, readers, publisher, cancel)?;
                    live_source.note_scan(started.elapsed(), rows.len());
                    let finish = |state: &mut CheckpointState| state.finish_live_scan(now.steady);
                    publish_rows(rows, false, state, readers, publisher, cancel, finish)?;
                }
            }
            Action::Sweep(window) => {
                sweep.begin(window, false);
                state.start_sweep(now.steady);
            }
            Action::Repair(window) => {
                repair.begin(window, true);
                state.start_repair(window, now.steady, intervals);
                future_rows.begin(now.wall + intervals.overlap);
            }
            Action::Wait(_) if request.dry_run && !repair.is_under_way() && state.is_caught_up() => return Ok(()),
            Action::Wait(until) => {
                if !sweep.has_found() && !repair.has_found() && !live_source.has_found() {
                    live_source.wait(until.since(now.steady).min(MAX_PAUSE), cancel);
                }
            }
            Action::Finished => return Ok(()),
        }
        let now = clock.now();
        if state.is_live(now, intervals) {
            publish_pushed(live_source, state, readers, publisher, (now, intervals), cancel)?;
            publish_missed(missed, state, publisher, session, (now, intervals), cancel)?;
        }
        continue_sweep(sweep, state, readers, publisher, cancel)?;
        continue_repair(repair, state, readers, publisher, intervals, cancel)?;
        publisher.stats().ahead = future_rows.poll(now.wall)?;
    }
}

/// Aborts the open transaction, waits for a while, and reads the checkpoint again.
fn recover(
    mut reason: String,
    Opened { publisher, workers, .. }: &mut Opened<'_>,
    backoff: &mut AbortBackoff,
    cancel: &CancellationToken,
) -> Result<Records, DistributionError> {
    workers.cancel();
    let report = loop {
        match publisher.abort() {
            Err(SinkError::Aborted(again)) => {
                if cancel.wait(ABORT_INTERVAL) {
                    return Err(DistributionError::Cancelled);
                }
                reason = again;
            }
            report => break report?,
        }
    };
    let Some(pause) = backoff.next_pause(&report, publisher.commits()) else {
        return Err(DistributionError::RepeatedAborts { reason });
    };
    log::warn!("{reason}; the transaction was aborted, and its alerts are read again");
    cancel.wait(pause);
    Ok(publisher.checkpoint()?)
}

//! Pauses streams and ends their pauses while a service runs: other threads ask, and the coordinator makes the change and commits it.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::checkpoint_state::CheckpointState;
use super::error::DistributionError;
use super::missed::MissedReader;
use super::publisher::Publisher;
use crate::suggest::suggestion;
use crate::timestamp::Timestamp;

/// What is done with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamChange {
    Pause,
    Resume,
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamChangeError {
    #[error("there is no stream `{name}` in the configuration of the service{suggestion}")]
    NoStream { name: String, suggestion: String },
    #[error(
        "the service is not in the live lane: it starts, reads the past, or waits for a server; nothing has changed"
    )]
    NotLive,
    #[error(
        "the change was not confirmed, because its transaction failed or takes long: `fink status` shows whether it was made"
    )]
    NotConfirmed,
}

/// A change that is asked for.
#[derive(Debug)]
struct Asked {
    number: u64,
    stream: String,
    change: StreamChange,
    /// gets what was done
    reply: SyncSender<Result<String, StreamChangeError>>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: VecDeque<Asked>,
}

/// The changes that are asked for. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamControl(Arc<Mutex<Queue>>);

impl StreamControl {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the service for a change, and waits for it. Returns what was done, in words. A change that has not begun after `timeout` is not made.
    ///
    /// # Errors
    /// It was not made, or not confirmed within twice the time.
    pub fn ask(&self, stream: &str, change: StreamChange, timeout: Duration) -> Result<String, StreamChangeError> {
        let (reply, answer) = sync_channel(1);
        let number = {
            let mut queue = self.lock();
            let number = queue.next;
            queue.next += 1;
            queue.waiting.push_back(Asked { number, stream: stream.to_owned(), change, reply });
            number
        };
        match answer.recv_timeout(timeout) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => return Err(StreamChangeError::NotConfirmed),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let was_waiting = {
            let waiting = &mut self.lock().waiting;
            let before = waiting.len();
            waiting.retain(|asked| asked.number != number);
            waiting.len() < before
        };
        match was_waiting {
            true => Err(StreamChangeError::NotLive),
            false => answer.recv_timeout(timeout).unwrap_or(Err(StreamChangeError::NotConfirmed)),
        }
    }

    fn take(&self) -> Option<Asked> {
        self.lock().waiting.pop_front()
    }
}

/// Makes the changes that are asked for, each in a transaction of its own. To be called while the transaction has no alerts.
///
/// # Errors
/// A commit failed.
pub(super) fn change_streams(
    control: &StreamControl,
    state: &mut CheckpointState,
    publisher: &mut Publisher<'_>,
    missed: &mut MissedReader,
    now: Timestamp,
) -> Result<(), DistributionError> {
    while let Some(Asked { stream, change, reply, .. }) = control.take() {
        let names = publisher.stats().streams.iter().map(|stream| stream.name.as_str());
        let outcome = if names.clone().all(|name| name != stream) {
            Err(StreamChangeError::NoStream { suggestion: suggestion(&stream, names), name: stream })
        } else if state.history().is_some() {
            Err(StreamChangeError::NotLive)
        } else {
            Ok(make_change(&stream, change, state, publisher, missed, now)?)
        };
        // Whoever has asked may have gone.
        let _gone = reply.send(outcome);
    }
    Ok(())
}

/// Makes a change, and says in words what was done.
fn make_change(
    stream: &str,
    change: StreamChange,
    state: &mut CheckpointState,
    publisher: &mut Publisher<'_>,
    missed: &mut MissedReader,
    now: Timestamp,
) -> Result<String, DistributionError> {
    let records = match change {
        StreamChange::Pause => state.pause(stream, now)?,
        StreamChange::Resume => state.resume(stream)?,
    };
    let Some(records) = records else {
        return Ok(match state.missed().of(stream).and_then(|missed| missed.paused_at()) {
            Some(since) => format!("stream `{stream}` is paused already, since {}", since.rfc3339()),
            None => format!("stream `{stream}` is not paused"),
        });
    };
    publisher.commit(records, state.watermark())?;
    publisher.set_missed(state.missed());
    // A scan for this stream must not go on, and one for another continues at its position.
    missed.cancel();
    let missed = state.missed().of(stream);
    let done = match (missed.and_then(|missed| missed.from()), missed.and_then(|missed| missed.until())) {
        (Some(_), None) => format!("stream `{stream}` is paused: it receives no alerts written from now on"),
        (Some(from), Some(until)) => format!(
            "stream `{stream}` is resumed: it receives new alerts; those written from {} to {} follow when the watermark has passed them",
            from.rfc3339(),
            until.rfc3339()
        ),
        (None, _) => format!("stream `{stream}` is resumed, and has missed nothing"),
    };
    log::info!("{done}");
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_nobody_makes_is_withdrawn() {
        let control = StreamControl::default();
        let refused = control.ask("x", StreamChange::Pause, Duration::from_millis(1));
        assert_eq!(refused, Err(StreamChangeError::NotLive));
        assert!(control.take().is_none());
    }

    #[test]
    fn a_change_whose_transaction_fails_is_not_confirmed() {
        let control = StreamControl::default();
        let asking = control.clone();
        let asks = std::thread::spawn(move || asking.ask("x", StreamChange::Resume, Duration::from_secs(60)));
        let asked = std::iter::repeat_with(|| control.take()).find_map(|asked| asked).expect("endless");
        assert_eq!((asked.stream.as_str(), asked.change), ("x", StreamChange::Resume));
        drop(asked);
        assert_eq!(asks.join().expect("no panic"), Err(StreamChangeError::NotConfirmed));
    }

    #[test]
    fn the_answer_reaches_whoever_has_asked() {
        let control = StreamControl::default();
        let asking = control.clone();
        let asks = std::thread::spawn(move || asking.ask("x", StreamChange::Pause, Duration::from_secs(60)));
        let asked = std::iter::repeat_with(|| control.take()).find_map(|asked| asked).expect("endless");
        asked.reply.send(Ok("done".to_owned())).expect("it waits");
        assert_eq!(asks.join().expect("no panic"), Ok("done".to_owned()));
    }
}

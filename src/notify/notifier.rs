//! The thread that sends queued notices.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::message;
use super::notice::{Notice, NotifyError};
use super::queue::{Queue, Totals};
use super::slack::{PostError, SlackClient};
use crate::secret::Secret;

/// The backoff after a failed request; doubled after each further one,
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// up to this one.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Shared(Arc<(Mutex<Queue>, Condvar)>);

impl Shared {
    // After a panic of the thread the counts may be off by one batch; nothing else depends on them.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>, at_most: Option<Duration>) -> MutexGuard<'a, Queue> {
        match at_most {
            Some(time) => self.0.1.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0,
            None => self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn wake(&self) {
        self.0.1.notify_all();
    }
}

/// Sends notices from a thread of its own.
pub struct Notifier {
    shared: Shared,
}

impl Notifier {
    /// Starts the thread. The token is sent to `endpoint` only.
    ///
    /// # Errors
    /// There is no token, or the system cannot start a thread.
    pub fn start(endpoint: &Endpoint, token: Option<&Secret>) -> Result<Self, NotifyError> {
        let slack = SlackClient::new(endpoint.clone(), token.cloned().ok_or(NotifyError::NoToken)?);
        let shared = Shared(Arc::new((Mutex::new(Queue::new()), Condvar::new())));
        let own = shared.clone();
        std::thread::Builder::new()
            .name("slack".to_owned())
            .spawn(move || send(&own, &slack))
            .map_err(NotifyError::Thread)?;
        Ok(Self { shared })
    }

    /// Queues the notices of committed alerts. Never blocks: notices that the full queue has no room for are dropped and counted.
    pub fn enqueue(&self, notices: Vec<Arc<Notice>>) {
        if !notices.is_empty() {
            self.shared.lock().add(notices, Instant::now());
            self.shared.wake();
        }
    }

    /// The outcomes so far.
    pub fn totals(&self) -> Totals {
        self.shared.lock().totals
    }

    /// Sends the queued notices for up to `grace`; drops and counts the rest.
    pub fn shut_down(self, grace: Duration) -> Totals {
        let deadline = Instant::now() + grace;
        let mut queue = self.shared.lock();
        queue.deadline = Some(deadline);
        self.shared.wake();
        while !queue.is_empty()
            && let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            queue = self.shared.wait(queue, Some(left));
        }
        // The thread may still wait for a response. It ends by itself, and records nothing after the deadline.
        queue.deadline = Some(Instant::now());
        queue.drop_queued();
        queue.totals
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if queue.deadline.is_none() {
            queue.deadline = Some(Instant::now());
            queue.drop_queued();
        }
        self.shared.wake();
    }
}

fn send(shared: &Shared, slack: &SlackClient) {
    let mut pause = MIN_BACKOFF;
    let mut queue = shared.lock();
    loop {
        let now = Instant::now();
        let is_over = |queue: &Queue, now| queue.deadline.is_some_and(|deadline| deadline <= now || queue.is_empty());
        if is_over(&queue, now) {
            return;
        }
        let batch = match queue.next_batch(now) {
            Ok(batch) => batch,
            Err(time) => {
                // After the shutdown nothing wakes the thread, so the wait must end at the deadline.
                let left = queue.deadline.map(|deadline| deadline.saturating_duration_since(now));
                queue = shared.wait(queue, time.into_iter().chain(left).min());
                continue;
            }
        };
        drop(queue);
        let outcome = slack.post(&batch.channel, &message::text(&batch.notices));
        queue = shared.lock();
        let now = Instant::now();
        if queue.deadline.is_some_and(|deadline| deadline <= now) {
            return;
        }
        match outcome {
            Ok(()) => {
                pause = MIN_BACKOFF;
                queue.mark_posted(&batch, now);
            }
            Err(PostError::Rejected(reason)) => queue.mark_rejected(&batch, &reason, now),
            Err(PostError::TooLong(reason)) => queue.split(batch, &reason, now),
            Err(PostError::RateLimited(time)) => queue.requeue(batch, time, "slack limits the rate", now),
            Err(PostError::Unavailable(reason)) => {
                queue.requeue(batch, pause, &reason, now);
                pause = (pause * 2).min(MAX_BACKOFF);
            }
        }
        shared.wake();
    }
}

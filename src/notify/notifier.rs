//! The thread that sends notices.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Queue, Totals};
use super::slack::{PostError, SlackClient};
use super::{Notice, NotifyError, message};
use crate::config::{Endpoint, Secret};

/// The pause after a server that is away, doubled each time
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// up to this.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Shared(Arc<(Mutex<Queue>, Condvar)>);

impl Shared {
    // A thread that panicked while it held the lock leaves counts that may be off by one batch, and nothing worse.
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

/// Sends notices in the background. Without `Debug`: it holds the token.
pub struct Notifier {
    shared: Shared,
}

impl Notifier {
    /// Starts the thread. `token` goes to `endpoint` and nowhere else.
    ///
    /// # Errors
    /// There is no token, or the system gives no thread.
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

    /// Hands over notices of alerts that are committed. Never waits: where the queue is full they are dropped and counted.
    pub fn enqueue(&self, notices: Vec<Arc<Notice>>) {
        if !notices.is_empty() {
            self.shared.lock().add(notices, Instant::now());
            self.shared.wake();
        }
    }

    /// What became of the notices so far.
    pub fn totals(&self) -> Totals {
        self.shared.lock().totals
    }

    /// Ends within `grace`: what is not sent by then is dropped and counted.
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
        // The thread may still wait for an answer: it is not waited for, and changes nothing any more.
        queue.deadline = Some(Instant::now());
        queue.drop_rest();
        queue.totals
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if queue.deadline.is_none() {
            queue.deadline = Some(Instant::now());
            queue.drop_rest();
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
                // At the end nobody adds anything, so the thread must not wait for it.
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
            Err(PostError::RateLimited(time)) => queue.requeue(batch, time, "slack asks for a pause", now),
            Err(PostError::Unavailable(reason)) => {
                queue.requeue(batch, pause, &reason, now);
                pause = (pause * 2).min(MAX_BACKOFF);
            }
        }
        shared.wake();
    }
}

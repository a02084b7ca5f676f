//! The queued notices by channel, and when each channel may receive its next message.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message::{MAX_ROWS, count_that_fits};
use super::notice::Notice;

/// The limit of queued notices.
pub(super) const MAX_QUEUED: usize = 2_000;
/// Slack accepts one message a second for each channel.
const CHANNEL_INTERVAL: Duration = Duration::from_secs(1);
/// Older notices are dropped.
const MAX_NOTICE_AGE: Duration = Duration::from_secs(600);
/// The interval between warnings with the same reason.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The outcomes of notices so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// notices that were sent
    pub announced: u64,
    /// messages that contain them
    pub messages: u64,
    /// notices that were dropped
    pub dropped: u64,
}

struct Waiting {
    since: Instant,
    notice: Arc<Notice>,
}

/// Notices of one channel for one message.
#[derive(Debug)]
pub(super) struct Batch {
    pub channel: Arc<str>,
    pub notices: Vec<Arc<Notice>>,
    since: Instant,
}

/// The queued notices.
pub(super) struct Queue {
    channels: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    waiting: usize,
    in_flight: usize,
    next: HashMap<Arc<str>, Instant>,
    paused_until: Option<Instant>,
    last_warned: HashMap<String, Instant>,
    /// the limit of notices in the next message; lower than [`MAX_ROWS`] after a message that was too long
    rows: usize,
    /// set at shutdown: nothing is sent after it
    pub deadline: Option<Instant>,
    pub totals: Totals,
}

impl Queue {
    pub fn new() -> Self {
        Self {
            channels: BTreeMap::new(),
            waiting: 0,
            in_flight: 0,
            next: HashMap::new(),
            paused_until: None,
            last_warned: HashMap::new(),
            rows: MAX_ROWS,
            deadline: None,
            totals: Totals::default(),
        }
    }

    /// Adds notices. Those that exceed [`MAX_QUEUED`] are dropped.
    pub fn add(&mut self, notices: Vec<Arc<Notice>>, now: Instant) {
        for notice in notices {
            if self.waiting >= MAX_QUEUED {
                self.dropped(1, "they arrive faster than slack accepts them", now);
                continue;
            }
            self.waiting += 1;
            self.channels.entry(Arc::clone(&notice.channel)).or_default().push_back(Waiting { since: now, notice });
        }
    }

    /// The next notices to send. The error is the time until there may be some; `None`: the queue is empty.
    pub fn next_batch(&mut self, now: Instant) -> Result<Batch, Option<Duration>> {
        self.drop_stale(now);
        let not_before = |channel: &Arc<str>| {
            let next = self.next.get(channel).copied();
            next.max(self.paused_until).filter(|next| *next > now)
        };
        let fronts = self.channels.iter().filter_map(|(channel, queue)| Some((channel, queue.front()?.since)));
        let (mut best, mut soonest) = (None::<(&Arc<str>, Instant)>, None::<Instant>);
        for (channel, since) in fronts {
            match not_before(channel) {
                None if best.is_none_or(|(_, oldest)| since < oldest) => best = Some((channel, since)),
                None => {}
                Some(next) => soonest = Some(soonest.map_or(next, |soonest| soonest.min(next))),
            }
        }
        let Some((channel, since)) = best else {
            return Err(soonest.map(|soonest| soonest.saturating_duration_since(now)));
        };
        let channel = Arc::clone(channel);
        let queue = self.channels.entry(Arc::clone(&channel)).or_default();
        let mut notices: Vec<Arc<Notice>> =
            queue.iter().take(self.rows).map(|waiting| Arc::clone(&waiting.notice)).collect();
        notices.truncate(count_that_fits(&notices));
        queue.drain(..notices.len());
        self.waiting -= notices.len();
        self.in_flight = notices.len();
        Ok(Batch { channel, notices, since })
    }

    /// Records that a batch was posted.
    pub fn mark_posted(&mut self, batch: &Batch, now: Instant) {
        self.totals.announced += batch.notices.len() as u64;
        self.totals.messages += 1;
        self.rows = (self.rows * 2).min(MAX_ROWS);
        self.complete(batch, now);
    }

    /// Records that Slack rejects a batch.
    pub fn mark_rejected(&mut self, batch: &Batch, reason: &str, now: Instant) {
        self.dropped(batch.notices.len(), &format!("channel {}: {reason}", batch.channel), now);
        self.complete(batch, now);
    }

    /// Returns a batch that is too long for Slack to the queue, to be sent in two messages. A batch of one notice is dropped.
    pub fn split(&mut self, batch: Batch, reason: &str, now: Instant) {
        if batch.notices.len() <= 1 {
            return self.mark_rejected(&batch, reason, now);
        }
        if self.may_warn(reason, now) {
            log::warn!("{reason}; the table of {} alerts is sent in parts", batch.notices.len());
        }
        self.rows = batch.notices.len().div_ceil(2);
        self.complete(&batch, now);
        self.return_to_front(batch);
    }

    /// Returns a batch to the queue and pauses all channels.
    pub fn requeue(&mut self, batch: Batch, pause: Duration, reason: &str, now: Instant) {
        self.paused_until = now.checked_add(pause);
        if self.may_warn(reason, now) {
            log::warn!("{reason}; slack notices are retried after {:.0} s", pause.as_secs_f64());
        }
        self.return_to_front(batch);
    }

    fn return_to_front(&mut self, batch: Batch) {
        self.in_flight = 0;
        self.waiting += batch.notices.len();
        let queue = self.channels.entry(batch.channel).or_default();
        for notice in batch.notices.into_iter().rev() {
            queue.push_front(Waiting { since: batch.since, notice });
        }
    }

    /// Drops the queued notices at shutdown.
    pub fn drop_queued(&mut self) {
        let left = std::mem::take(&mut self.waiting) + std::mem::take(&mut self.in_flight);
        self.channels.clear();
        self.totals.dropped += left as u64;
        if left > 0 {
            log::warn!("dropped {left} slack notices: they were still queued at the shutdown");
        }
    }

    /// Whether nothing is queued or in flight.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }

    fn complete(&mut self, batch: &Batch, now: Instant) {
        self.in_flight = 0;
        self.next.insert(Arc::clone(&batch.channel), now + CHANNEL_INTERVAL);
    }

    fn drop_stale(&mut self, now: Instant) {
        let mut stale = 0;
        for queue in self.channels.values_mut() {
            while queue.front().is_some_and(|waiting| now.saturating_duration_since(waiting.since) > MAX_NOTICE_AGE) {
                queue.pop_front();
                stale += 1;
            }
        }
        if stale > 0 {
            self.waiting -= stale;
            self.dropped(stale, "they were queued for ten minutes", now);
        }
    }

    fn dropped(&mut self, count: usize, reason: &str, now: Instant) {
        self.totals.dropped += count as u64;
        if self.may_warn(reason, now) {
            log::warn!("slack notices are dropped, {} so far: {reason}", self.totals.dropped);
        }
    }

    fn may_warn(&mut self, reason: &str, now: Instant) -> bool {
        self.last_warned.retain(|_, said| now.saturating_duration_since(*said) < WARNING_INTERVAL);
        let is_new = !self.last_warned.contains_key(reason);
        if is_new {
            self.last_warned.insert(reason.to_owned(), now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notices(channel: &str, count: usize) -> Vec<Arc<Notice>> {
        let notice = |number: usize| {
            let object = number.to_string();
            Arc::new(Notice { channel: channel.into(), object, ra: None, dec: None, class: String::new() })
        };
        (0..count).map(notice).collect()
    }

    #[test]
    fn a_channel_receives_one_message_a_second_and_others_do_not_wait_for_it() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", 25), now);
        queue.add(notices("b", 1), now);
        let first = queue.next_batch(now).expect("a batch");
        assert_eq!((&*first.channel, first.notices.len()), ("a", 20));
        queue.mark_posted(&first, now);
        let second = queue.next_batch(now).expect("a batch");
        assert_eq!((&*second.channel, second.notices.len()), ("b", 1));
        queue.mark_posted(&second, now);
        assert_eq!(queue.next_batch(now).err(), Some(Some(CHANNEL_INTERVAL)));
        let third = queue.next_batch(now + CHANNEL_INTERVAL).expect("a batch");
        assert_eq!((&*third.channel, third.notices[0].object.as_str()), ("a", "20"));
        queue.mark_posted(&third, now + CHANNEL_INTERVAL);
        assert_eq!(queue.next_batch(now + CHANNEL_INTERVAL).err(), Some(None));
        assert_eq!(queue.totals, Totals { announced: 26, messages: 3, dropped: 0 });
    }

    #[test]
    fn a_pause_applies_to_all_channels_and_keeps_the_order() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", 3), now);
        let batch = queue.next_batch(now).expect("a batch");
        queue.requeue(batch, Duration::from_secs(7), "busy", now);
        queue.add(notices("b", 1), now);
        assert_eq!(queue.next_batch(now).err(), Some(Some(Duration::from_secs(7))));
        let batch = queue.next_batch(now + Duration::from_secs(7)).expect("a batch");
        let order: Vec<&str> = batch.notices.iter().map(|notice| notice.object.as_str()).collect();
        assert_eq!(order, ["0", "1", "2"]);
    }

    #[test]
    fn notices_that_exceed_the_queue_or_its_age_limit_are_counted() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", MAX_QUEUED + 5), now);
        assert_eq!((queue.waiting, queue.totals.dropped), (MAX_QUEUED, 5));
        let later = now + MAX_NOTICE_AGE + Duration::from_millis(1);
        queue.add(notices("b", 1), later);
        assert!(queue.next_batch(later).is_err(), "the queue was full");
        assert_eq!((queue.waiting, queue.totals.dropped), (0, MAX_QUEUED as u64 + 6));
        assert!(queue.is_empty());
    }
}

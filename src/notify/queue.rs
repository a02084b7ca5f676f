//! The notices that wait, channel by channel, and when each channel may have its next message.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Notice;
use super::message::{MOST_ROWS, fitting};

/// The most notices that wait.
pub(super) const ROOM: usize = 2_000;
/// Slack takes one message a second in each channel.
const PACE: Duration = Duration::from_secs(1);
/// A notice that has waited for so long is no news any more.
const STALE: Duration = Duration::from_secs(600);
/// The same complaint is made once in this time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What became of the notices so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// alerts announced
    pub announced: u64,
    /// messages that took them
    pub messages: u64,
    /// alerts that should have been announced and were not
    pub dropped: u64,
}

struct Waiting {
    since: Instant,
    notice: Arc<Notice>,
}

/// Notices of one channel that are to be sent together.
#[derive(Debug)]
pub(super) struct Parcel {
    pub channel: Arc<str>,
    pub notices: Vec<Arc<Notice>>,
    since: Instant,
}

/// The notices that wait.
pub(super) struct Queue {
    channels: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    waiting: usize,
    under_way: usize,
    next: HashMap<Arc<str>, Instant>,
    paused_until: Option<Instant>,
    complained: HashMap<String, Instant>,
    /// the most alerts in the next message; fewer than [`MOST_ROWS`] after one that was too long
    rows: usize,
    /// set at the end: nothing is sent after it
    pub deadline: Option<Instant>,
    pub tally: Tally,
}

impl Queue {
    pub fn new() -> Self {
        Self {
            channels: BTreeMap::new(),
            waiting: 0,
            under_way: 0,
            next: HashMap::new(),
            paused_until: None,
            complained: HashMap::new(),
            rows: MOST_ROWS,
            deadline: None,
            tally: Tally::default(),
        }
    }

    /// Adds notices; those for which there is no room are dropped.
    pub fn add(&mut self, notices: Vec<Arc<Notice>>, now: Instant) {
        for notice in notices {
            if self.waiting >= ROOM {
                self.dropped(1, "they come faster than slack takes them", now);
                continue;
            }
            self.waiting += 1;
            self.channels.entry(Arc::clone(&notice.channel)).or_default().push_back(Waiting { since: now, notice });
        }
    }

    /// The notices to be sent next; or how long there are none, at most; `None`: nothing waits.
    pub fn take(&mut self, now: Instant) -> Result<Parcel, Option<Duration>> {
        self.drop_stale(now);
        let may_have = |channel: &Arc<str>| {
            let next = self.next.get(channel).copied();
            next.max(self.paused_until).filter(|next| *next > now)
        };
        let fronts = self.channels.iter().filter_map(|(channel, queue)| Some((channel, queue.front()?.since)));
        let (mut best, mut soonest) = (None::<(&Arc<str>, Instant)>, None::<Instant>);
        for (channel, since) in fronts {
            match may_have(channel) {
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
        notices.truncate(fitting(&notices));
        queue.drain(..notices.len());
        self.waiting -= notices.len();
        self.under_way = notices.len();
        Ok(Parcel { channel, notices, since })
    }

    /// Notes that a parcel was posted.
    pub fn posted(&mut self, parcel: &Parcel, now: Instant) {
        self.tally.announced += parcel.notices.len() as u64;
        self.tally.messages += 1;
        self.rows = (self.rows * 2).min(MOST_ROWS);
        self.settled(parcel, now);
    }

    /// Notes that a parcel will never be posted.
    pub fn refused(&mut self, parcel: &Parcel, reason: &str, now: Instant) {
        self.dropped(parcel.notices.len(), &format!("channel {}: {reason}", parcel.channel), now);
        self.settled(parcel, now);
    }

    /// Puts a parcel back that Slack finds too long, to be sent as two; one with a single alert is dropped.
    pub fn divide(&mut self, parcel: Parcel, reason: &str, now: Instant) {
        if parcel.notices.len() <= 1 {
            return self.refused(&parcel, reason, now);
        }
        if self.may_complain(reason, now) {
            log::warn!("{reason}; the table of {} alerts is sent in parts", parcel.notices.len());
        }
        self.rows = parcel.notices.len().div_ceil(2);
        self.settled(&parcel, now);
        self.return_to_front(parcel);
    }

    /// Puts a parcel back, to be sent after a pause in which nothing is.
    pub fn put_back(&mut self, parcel: Parcel, pause: Duration, reason: &str, now: Instant) {
        self.paused_until = now.checked_add(pause);
        if self.may_complain(reason, now) {
            log::warn!("{reason}; slack notices wait for {:.0} s", pause.as_secs_f64());
        }
        self.return_to_front(parcel);
    }

    fn return_to_front(&mut self, parcel: Parcel) {
        self.under_way = 0;
        self.waiting += parcel.notices.len();
        let queue = self.channels.entry(parcel.channel).or_default();
        for notice in parcel.notices.into_iter().rev() {
            queue.push_front(Waiting { since: parcel.since, notice });
        }
    }

    /// Drops whatever is left at the end.
    pub fn drop_rest(&mut self) {
        let left = std::mem::take(&mut self.waiting) + std::mem::take(&mut self.under_way);
        self.channels.clear();
        self.tally.dropped += left as u64;
        if left > 0 {
            log::warn!("{left} alerts are not announced on slack: the end came before their turn");
        }
    }

    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.under_way == 0
    }

    fn settled(&mut self, parcel: &Parcel, now: Instant) {
        self.under_way = 0;
        self.next.insert(Arc::clone(&parcel.channel), now + PACE);
    }

    fn drop_stale(&mut self, now: Instant) {
        let mut stale = 0;
        for queue in self.channels.values_mut() {
            while queue.front().is_some_and(|waiting| now.saturating_duration_since(waiting.since) > STALE) {
                queue.pop_front();
                stale += 1;
            }
        }
        if stale > 0 {
            self.waiting -= stale;
            self.dropped(stale, "they have waited for ten minutes", now);
        }
    }

    fn dropped(&mut self, count: usize, reason: &str, now: Instant) {
        self.tally.dropped += count as u64;
        if self.may_complain(reason, now) {
            log::warn!("alerts are not announced on slack, {} so far: {reason}", self.tally.dropped);
        }
    }

    fn may_complain(&mut self, reason: &str, now: Instant) -> bool {
        self.complained.retain(|_, said| now.saturating_duration_since(*said) < COMPLAIN_EVERY);
        let is_new = !self.complained.contains_key(reason);
        if is_new {
            self.complained.insert(reason.to_owned(), now);
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
    fn a_channel_has_one_message_a_second_and_others_need_not_wait() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", 25), now);
        queue.add(notices("b", 1), now);
        let first = queue.take(now).expect("a parcel");
        assert_eq!((&*first.channel, first.notices.len()), ("a", 20));
        queue.posted(&first, now);
        let second = queue.take(now).expect("a parcel");
        assert_eq!((&*second.channel, second.notices.len()), ("b", 1));
        queue.posted(&second, now);
        assert_eq!(queue.take(now).err(), Some(Some(PACE)));
        let third = queue.take(now + PACE).expect("a parcel");
        assert_eq!((&*third.channel, third.notices[0].object.as_str()), ("a", "20"));
        queue.posted(&third, now + PACE);
        assert_eq!(queue.take(now + PACE).err(), Some(None));
        assert_eq!(queue.tally, Tally { announced: 26, messages: 3, dropped: 0 });
    }

    #[test]
    fn a_pause_is_one_for_all_channels_and_keeps_the_order() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", 3), now);
        let parcel = queue.take(now).expect("a parcel");
        queue.put_back(parcel, Duration::from_secs(7), "busy", now);
        queue.add(notices("b", 1), now);
        assert_eq!(queue.take(now).err(), Some(Some(Duration::from_secs(7))));
        let parcel = queue.take(now + Duration::from_secs(7)).expect("a parcel");
        let order: Vec<&str> = parcel.notices.iter().map(|notice| notice.object.as_str()).collect();
        assert_eq!(order, ["0", "1", "2"]);
    }

    #[test]
    fn what_does_not_fit_or_is_no_news_any_more_is_counted() {
        let (mut queue, now) = (Queue::new(), Instant::now());
        queue.add(notices("a", ROOM + 5), now);
        assert_eq!((queue.waiting, queue.tally.dropped), (ROOM, 5));
        let later = now + STALE + Duration::from_millis(1);
        queue.add(notices("b", 1), later);
        assert!(queue.take(later).is_err(), "the queue was full");
        assert_eq!((queue.waiting, queue.tally.dropped), (0, ROOM as u64 + 6));
        assert!(queue.is_empty());
    }
}

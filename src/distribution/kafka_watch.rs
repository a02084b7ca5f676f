//! Reports outages of Kafka while a distribution runs: librdkafka retries by itself, for as long as it takes, and says so only in log lines of its
//! own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::instruments::ServerHealth;
use super::outage::{Notice, Outage};
use crate::cancel::CancellationToken;
use crate::kafka::{Admin, Error, Identity, KafkaSettings};

/// Time between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// The timeout of one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Checks in a row without an answer, in time and without a reason, that are an outage: a busy broker may be slow for a moment.
const MAX_TIMEOUTS: u32 = 2;

/// After an outage of all brokers each may take so long to join again: those that the first one does not know yet have not left it.
const REJOIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Checks the brokers in a thread, until it is dropped.
pub(crate) struct KafkaWatch {
    stop: CancellationToken,
    /// a topic that exists, for requests that are cheaper than one for all topics
    topic: Arc<OnceLock<String>>,
    outage: Arc<Mutex<Outage>>,
    thread: Option<JoinHandle<()>>,
}

impl KafkaWatch {
    /// Starts to check the brokers. Failures are counted in `health`.
    pub fn start(settings: &KafkaSettings, health: &ServerHealth) -> Self {
        let outage = Arc::new(Mutex::new(Outage::new(health)));
        let (stop, topic) = (CancellationToken::new(), Arc::default());
        let mut watch = Self { stop, topic, outage, thread: None };
        let (stop, topic, outage) = (watch.stop.clone(), Arc::clone(&watch.topic), Arc::clone(&watch.outage));
        let settings = settings.clone();
        watch.thread = Some(std::thread::spawn(move || {
            // The producer reports wrong settings.
            let Ok(admin) = Admin::open(&settings, Identity::User, CHECK_TIMEOUT) else { return };
            let admin = admin.cancelled_by(&stop);
            let mut brokers = Brokers::default();
            // the brokers that accepted a connection at their advertised addresses
            let mut reached = Vec::new();
            let mut timeouts = 0;
            // when the first check of those without an answer began
            let mut begun = Instant::now();
            while !stop.is_cancelled() {
                if timeouts == 0 {
                    begun = Instant::now();
                }
                let found = admin.live_brokers(topic.get().map(String::as_str)).and_then(|found| {
                    if reached != found {
                        admin.require_reachable(&found)?;
                        reached.clone_from(&found);
                    }
                    Ok(found)
                });
                if stop.is_cancelled() {
                    return;
                }
                timeouts = if matches!(found, Err(Error::TimedOut { .. })) { timeouts + 1 } else { 0 };
                let now = Instant::now();
                match found {
                    Ok(found) => {
                        let duration = lock(&outage).answered(now);
                        if let Some(duration) = duration {
                            log::info!("kafka answers again, after {} s", duration.as_secs());
                            brokers.rejoin_until(now + REJOIN_TIMEOUT);
                        }
                        brokers.update(found, now).iter().for_each(BrokerChange::log);
                    }
                    Err(error) if error.is_transient() && !(1..MAX_TIMEOUTS).contains(&timeouts) => {
                        let mut outage = lock(&outage);
                        let is_first = outage.duration(now).is_none();
                        let notice = outage.failed(is_first, begun, now);
                        drop(outage);
                        match notice {
                            Some(Notice::Begin) => log::warn!("{error}; nothing is published until it answers"),
                            Some(Notice::Reminder(duration)) => {
                                log::warn!("{error}; still waiting, after {} s", duration.as_secs());
                            }
                            None => log::debug!("{error}"),
                        }
                    }
                    Err(error) => log::debug!("{error}"),
                }
                stop.wait(CHECK_INTERVAL);
            }
        }));
        watch
    }

    /// Names a topic that exists.
    pub fn set_topic(&self, topic: &str) {
        let _is_set = self.topic.set(topic.to_owned());
    }

    /// How long Kafka has not answered; `None`: it answers.
    pub fn outage_duration(&self) -> Option<Duration> {
        lock(&self.outage).duration(Instant::now())
    }
}

impl Drop for KafkaWatch {
    fn drop(&mut self) {
        self.stop.cancel();
        // librdkafka must not be at work when the process ends.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(outage: &Mutex<Outage>) -> std::sync::MutexGuard<'_, Outage> {
    outage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The brokers of the cluster that were seen so far.
#[derive(Debug, Default)]
struct Brokers {
    /// by id: the address, and since when it is away
    seen: BTreeMap<i32, (String, Option<Instant>)>,
    /// until when brokers join again after an outage of all of them
    rejoin_until: Option<Instant>,
}

/// A broker that has left the cluster or joined it again.
#[derive(Debug, PartialEq, Eq)]
enum BrokerChange {
    Away { id: i32, address: String },
    Back { id: i32, address: String, after: Duration },
}

impl BrokerChange {
    fn log(&self) {
        match self {
            Self::Away { id, address } => {
                log::warn!("kafka broker {id} ({address}) has left the cluster; the others serve its partitions");
            }
            Self::Back { id, address, after } => {
                log::info!("kafka broker {id} ({address}) is back, after {} s", after.as_secs());
            }
        }
    }
}

impl Brokers {
    /// All brokers were away: until then, one that is not there is none that has left.
    fn rejoin_until(&mut self, until: Instant) {
        self.rejoin_until = Some(until);
    }

    /// What has changed since the last call. `found`: the id and the address of each broker that the cluster has now.
    fn update(&mut self, found: Vec<(i32, String)>, now: Instant) -> Vec<BrokerChange> {
        let found: BTreeMap<i32, String> = found.into_iter().collect();
        let is_rejoining = self.rejoin_until.is_some_and(|until| now < until);
        let mut changes = Vec::new();
        for (id, (address, away)) in &mut self.seen {
            match (&away, found.contains_key(id)) {
                (None, false) if is_rejoining => {}
                (None, false) => {
                    *away = Some(now);
                    changes.push(BrokerChange::Away { id: *id, address: address.clone() });
                }
                (Some(since), true) => {
                    changes.push(BrokerChange::Back { id: *id, address: address.clone(), after: now - *since });
                    *away = None;
                }
                (None, true) | (Some(_), false) => {}
            }
        }
        for (id, address) in found {
            self.seen.entry(id).or_insert((address, None));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_leaves_and_joins_again_is_reported_once_each() {
        let (mut brokers, start) = (Brokers::default(), Instant::now());
        let both = || vec![(1, "a:9092".to_owned()), (2, "b:9092".to_owned())];
        let one = || vec![(1, "a:9092".to_owned())];
        assert!(brokers.update(both(), start).is_empty());
        assert_eq!(brokers.update(one(), start), [BrokerChange::Away { id: 2, address: "b:9092".to_owned() }]);
        assert!(brokers.update(one(), start).is_empty());
        let after = Duration::from_secs(30);
        let back = BrokerChange::Back { id: 2, address: "b:9092".to_owned(), after };
        assert_eq!(brokers.update(both(), start + after), [back]);
        assert!(brokers.update(both(), start + after).is_empty());
    }

    #[test]
    fn brokers_that_join_again_one_by_one_after_an_outage_of_all_have_not_left() {
        let (mut brokers, start) = (Brokers::default(), Instant::now());
        let both = || vec![(1, "a:9092".to_owned()), (2, "b:9092".to_owned())];
        let one = || vec![(1, "a:9092".to_owned())];
        assert!(brokers.update(both(), start).is_empty());
        brokers.rejoin_until(start + REJOIN_TIMEOUT);
        assert!(brokers.update(one(), start).is_empty());
        assert!(brokers.update(both(), start + Duration::from_secs(4)).is_empty());
        assert!(brokers.update(one(), start + Duration::from_secs(8)).is_empty());
        let away = BrokerChange::Away { id: 2, address: "b:9092".to_owned() };
        assert_eq!(brokers.update(one(), start + REJOIN_TIMEOUT), [away], "it has not come back");
    }
}

//! Where the partitions end, asked in the background: an answer that is late must not hold up the alerts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};

use super::positions::{Place, Positions};
use crate::kafka::{Admin, Error, Identity, KafkaSettings};

/// Time between two questions.
const INTERVAL: Duration = Duration::from_secs(3);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The ends of all partitions of some topics. Dropping it waits for the thread and its client: at the end of a process OpenSSL cleans up, and
/// a client that is then logging in crashes it.
#[derive(Debug)]
pub struct LagWatch {
    ends: Arc<Mutex<HashMap<Place, i64>>>,
    /// disconnected when the thread is to end
    running: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LagWatch {
    /// Starts to watch the last stable offsets of `topics`.
    ///
    /// # Errors
    /// The settings are refused by librdkafka.
    pub fn start(settings: &KafkaSettings, topics: Vec<String>) -> Result<Self, Error> {
        let admin = Admin::open(settings, Identity::User, TIMEOUT)?;
        let ends = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::clone(&ends);
        let (running, stopped) = crossbeam_channel::bounded(0);
        let watch = move || {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            loop {
                match admin.watermarks(&topics) {
                    Ok(found) => {
                        let found = found.into_iter().map(|end| ((end.topic, end.partition), end.last_stable));
                        *shared.lock().unwrap_or_else(PoisonError::into_inner) = found.collect();
                    }
                    Err(error) => log::debug!("the ends of the topics are not known: {error}"),
                }
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new().name("lag".to_owned()).spawn(watch);
        let thread =
            started.inspect_err(|error| log::debug!("no thread to watch the ends of the topics: {error}")).ok();
        Ok(Self { ends, running: Some(running), thread })
    }

    /// How many offsets are left in the partitions of these positions; `None`: it is not known.
    pub fn behind(&self, positions: &Positions) -> Option<u64> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if positions.is_empty() || ends.is_empty() {
            return None;
        }
        let mut behind = 0;
        for (place, next) in positions.iter() {
            let left = ends.get(place)? - next?;
            behind += u64::try_from(left).unwrap_or(0);
        }
        Some(behind)
    }
}

impl Drop for LagWatch {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::debug!("the thread that watches the ends of the topics has panicked");
        }
    }
}

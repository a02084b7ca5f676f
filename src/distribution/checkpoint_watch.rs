//! Notices that the checkpoint's topic was deleted, or deleted and made again, while a distribution is at work.
//!
//! A distribution that went on would write a checkpoint without its beginning, and the next start would send everything again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::retry;
use crate::config::KafkaSettings;
use crate::kafka::client::Identity;
use crate::kafka::{Admin, Error};

/// Time between two looks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long one look may take. Brokers that are away are the producer's concern.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the checkpoint is lost; set once.
pub type Lost = Arc<OnceLock<String>>;

/// Looks at the checkpoint's partition in a thread of its own, until it is dropped.
pub struct CheckpointWatch {
    stop: Arc<AtomicBool>,
}

impl CheckpointWatch {
    /// Begins to look at a partition, which exists. `lost` is set when it is gone.
    pub fn start(settings: &KafkaSettings, (topic, partition): (&str, i32), lost: &Lost) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (settings, place, lost) = (settings.clone(), (topic.to_owned(), partition), Arc::clone(lost));
        let stopped = Arc::clone(&stop);
        // Not waited for at the end: a look at brokers that are away takes seconds, and changes nothing.
        std::thread::spawn(move || {
            let Ok(admin) = Admin::open(&settings, Identity::User, KAFKA_TIMEOUT) else { return };
            let mut highest = 0;
            while !stopped.load(Ordering::Relaxed) {
                match judge(&admin.high_watermarks(std::slice::from_ref(&place)), &mut highest) {
                    None => retry::sleep(CHECK_INTERVAL, &|| stopped.load(Ordering::Relaxed)),
                    Some(reason) => {
                        let _first = lost.set(format!("topic `{}` partition {} {reason}", place.0, place.1));
                        return;
                    }
                }
            }
        });
        Self { stop }
    }
}

impl Drop for CheckpointWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What has become of the partition, if it is lost.
fn judge(high: &Result<Vec<i64>, Error>, highest: &mut i64) -> Option<String> {
    match high {
        Ok(high) => {
            let high = high.first().copied().unwrap_or_default();
            let before = *highest;
            *highest = before.max(high);
            (high < before)
                .then(|| format!("was deleted and made again: it ended at offset {before}, and ends at {high} now"))
        }
        Err(Error::UnknownTopic { .. }) => Some("was deleted".to_owned()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_topic_that_is_gone_or_shorter_is_lost() {
        let mut highest = 0;
        assert_eq!(judge(&Ok(vec![5]), &mut highest), None);
        assert_eq!(judge(&Err(Error::Stopped("a test".to_owned())), &mut highest), None);
        assert_eq!(judge(&Ok(vec![5]), &mut highest), None);
        assert!(judge(&Ok(vec![2]), &mut highest).is_some_and(|reason| reason.contains("offset 5")));
        let gone = Err(Error::UnknownTopic { topic: "t".to_owned(), hint: String::new() });
        assert_eq!(judge(&gone, &mut highest).as_deref(), Some("was deleted"));
    }
}

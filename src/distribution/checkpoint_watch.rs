//! Notices that the checkpoint topic was deleted, or deleted and created again, while a distribution runs.
//!
//! A distribution that continued would write a checkpoint without its beginning, and the next start would send everything again.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cancel::CancellationToken;
use crate::kafka::Identity;
use crate::kafka::KafkaSettings;
use crate::kafka::{Admin, Error};

/// Time between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// The timeout of one check. Brokers that are away are the producer's concern.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks the checkpoint's partition in a thread, until it is dropped.
pub(crate) struct CheckpointWatch {
    /// ends the thread
    stop: CancellationToken,
    /// why the checkpoint is lost
    loss: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

impl CheckpointWatch {
    /// Starts to check a partition, which exists. `tokens` are cancelled when it is gone.
    pub fn start(settings: &KafkaSettings, (topic, partition): (&str, i32), tokens: [CancellationToken; 2]) -> Self {
        let (stop, loss) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        let (settings, topic_partition) = (settings.clone(), (topic.to_owned(), partition));
        let (stopped, found) = (stop.clone(), Arc::clone(&loss));
        let thread = std::thread::spawn(move || {
            let Ok(admin) = Admin::open(&settings, Identity::User, CHECK_TIMEOUT) else { return };
            let admin = admin.cancelled_by(&stopped);
            let mut highest = 0;
            while !stopped.is_cancelled() {
                if let Some(reason) =
                    find_loss(&admin.high_watermarks(std::slice::from_ref(&topic_partition)), &mut highest)
                {
                    let (topic, partition) = &topic_partition;
                    let _first = found.set(format!("topic `{topic}` partition {partition} {reason}"));
                    tokens.iter().for_each(CancellationToken::cancel);
                    return;
                }
                stopped.wait(CHECK_INTERVAL);
            }
        });
        Self { stop, loss, thread: Some(thread) }
    }

    /// Which partition is lost, and how; `None` while it is there.
    pub fn loss(&self) -> Option<&str> {
        self.loss.get().map(String::as_str)
    }
}

impl Drop for CheckpointWatch {
    fn drop(&mut self) {
        self.stop.cancel();
        // librdkafka must not be at work when the process ends.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// What has happened to the partition, if it is lost.
fn find_loss(high: &Result<Vec<i64>, Error>, highest: &mut i64) -> Option<String> {
    match high {
        Ok(high) => {
            let high = high.first().copied()?;
            let before = *highest;
            *highest = before.max(high);
            (high < before)
                .then(|| format!("was deleted and created again: it ended at offset {before}, and ends at {high} now"))
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
        assert_eq!(find_loss(&Ok(vec![5]), &mut highest), None);
        assert_eq!(find_loss(&Err(Error::Cancelled("a test".to_owned())), &mut highest), None);
        assert_eq!(find_loss(&Ok(vec![5]), &mut highest), None);
        assert!(find_loss(&Ok(vec![2]), &mut highest).is_some_and(|reason| reason.contains("offset 5")));
        let gone = Err(Error::UnknownTopic { topic: "t".to_owned(), hint: String::new() });
        assert_eq!(find_loss(&gone, &mut highest).as_deref(), Some("was deleted"));
    }
}

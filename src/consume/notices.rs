//! Notices of alerts on the user's own Slack channel.

use std::sync::Arc;
use std::time::Duration;

use super::observation::ObservationReader;
use crate::messages::Alert;
use crate::notify::{Notice, Notifier};

/// How long the notices that are left may take at the end.
const GRACE: Duration = Duration::from_secs(20);

/// Tells a channel of alerts, after they are printed or saved.
pub struct Notices {
    notifier: Notifier,
    channel: Arc<str>,
    observations: ObservationReader,
    waiting: Vec<Arc<Notice>>,
}

impl Notices {
    /// To this channel, without its `#`.
    pub fn new(notifier: Notifier, channel: &str) -> Self {
        Self { notifier, channel: channel.into(), observations: ObservationReader::default(), waiting: Vec::new() }
    }

    /// Takes an alert.
    pub fn add(&mut self, alert: &Alert<'_>) {
        // A damaged datum was refused before.
        let Ok(observation) = self.observations.read(&alert.decoder, &alert.datum) else { return };
        self.waiting.push(Arc::new(Notice {
            channel: Arc::clone(&self.channel),
            object: observation.object.unwrap_or_default(),
            ra: observation.ra,
            dec: observation.dec,
            class: observation.class.unwrap_or_default(),
        }));
    }

    /// Sends what was taken, in the background and at Slack's pace.
    pub fn send(&mut self) {
        self.notifier.enqueue(std::mem::take(&mut self.waiting));
    }

    /// Waits for what is under way.
    pub fn finish(mut self) {
        self.send();
        let totals = self.notifier.shut_down(GRACE);
        log::debug!("slack: {totals:?}");
    }
}

//! Alerts ready to be sent: their messages in one buffer, as a reader hands them to the coordinator.

use std::ops::Range;

use crate::ledger::Entry;

/// One alert of a batch.
#[derive(Clone, Debug)]
pub struct Alert {
    /// which alert, for the ledger
    pub entry: Entry,
    /// the row's key, in the batch's buffer
    pub key: Range<usize>,
    /// the object's identifier, in the batch's buffer; partitions are chosen by it
    pub object: Range<usize>,
    messages: Range<usize>,
}

/// What becomes of an alert on one stream.
#[derive(Clone, Debug)]
pub struct Message {
    /// index of the stream
    pub stream: usize,
    /// the key, in the batch's buffer, where it differs from alert to alert
    pub key: Option<Range<usize>>,
    /// what it is
    pub verdict: Verdict,
}

/// What a stream makes of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// send this value, in the batch's buffer
    Send(Range<usize>),
    /// the stream's rules or filters do not want it: the condition, or the filter counted after them, of this index does not hold
    Refuse(usize),
    /// it cannot be judged or encoded, for this reason
    Reject(String),
}

/// Some alerts and their messages.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    buffer: Vec<u8>,
    alerts: Vec<Alert>,
    messages: Vec<Message>,
}

impl Batch {
    /// The alerts, in the order in which they are to be sent.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// The messages of one alert.
    pub fn messages(&self, alert: &Alert) -> &[Message] {
        &self.messages[alert.messages.clone()]
    }

    /// Some bytes of the buffer.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there is no alert.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// Begins an alert; its messages follow.
    pub fn alert(&mut self, entry: Entry, key: &[u8], object: &[u8]) {
        let key = self.copy(key);
        let object = self.copy(object);
        let messages = self.messages.len()..self.messages.len();
        self.alerts.push(Alert { entry, key, object, messages });
    }

    /// Adds a message to the alert begun last. `write` appends the value to the buffer; what it fails with is the reason for which the
    /// alert is rejected.
    pub fn message<E: std::fmt::Display>(
        &mut self,
        stream: usize,
        key: Option<&[u8]>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) {
        let Some(last) = self.alerts.len().checked_sub(1) else { return };
        let key = key.map(|key| self.copy(key));
        let start = self.buffer.len();
        let verdict = match write(&mut self.buffer) {
            Ok(()) => Verdict::Send(start..self.buffer.len()),
            Err(error) => {
                self.buffer.truncate(start);
                Verdict::Reject(error.to_string())
            }
        };
        self.messages.push(Message { stream, key, verdict });
        self.alerts[last].messages.end = self.messages.len();
    }

    /// Notes that a stream refuses the alert begun last, because the condition of this index does not hold.
    pub fn refuse(&mut self, stream: usize, condition: usize) {
        if let Some(last) = self.alerts.last_mut() {
            self.messages.push(Message { stream, key: None, verdict: Verdict::Refuse(condition) });
            last.messages.end = self.messages.len();
        }
    }

    /// Puts the alerts of each run of one object into the order of their timestamps.
    pub fn sort_objects(&mut self) {
        let mut start = 0;
        while start < self.alerts.len() {
            let object = self.bytes(&self.alerts[start].object);
            let run = self.alerts[start..].iter().take_while(|alert| self.bytes(&alert.object) == object).count();
            self.alerts[start..start + run].sort_by_key(|alert| alert.entry.timestamp);
            start += run;
        }
    }

    /// Moves the last run of alerts of one object into a batch of its own: the next page may hold more of that object.
    pub fn split_last_object(&mut self) -> Batch {
        let mut tail = Batch::default();
        let Some(last) = self.alerts.last() else { return tail };
        let object = self.bytes(&last.object);
        let run = self.alerts.iter().rev().take_while(|alert| self.bytes(&alert.object) == object).count();
        let moved = self.alerts.split_off(self.alerts.len() - run);
        for alert in &moved {
            tail.alert(alert.entry, self.bytes(&alert.key), self.bytes(&alert.object));
            for message in &self.messages[alert.messages.clone()] {
                let key = message.key.as_ref().map(|key| self.bytes(key));
                match &message.verdict {
                    Verdict::Refuse(condition) => tail.refuse(message.stream, *condition),
                    Verdict::Reject(reason) => tail.message(message.stream, key, |_| Err(reason)),
                    Verdict::Send(value) => tail.message(message.stream, key, |out| {
                        out.extend_from_slice(self.bytes(value));
                        Ok::<(), String>(())
                    }),
                }
            }
        }
        tail
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::AlertId;

    fn batch(alerts: &[(&str, i64)]) -> Batch {
        let mut batch = Batch::default();
        for (object, timestamp) in alerts {
            let key = format!("{object}_{timestamp}");
            let entry = Entry { id: AlertId::new(key.as_bytes(), *timestamp), timestamp: *timestamp };
            batch.alert(entry, key.as_bytes(), object.as_bytes());
            batch.message(0, None, |out| {
                out.extend_from_slice(format!("value of {key}").as_bytes());
                Ok::<(), String>(())
            });
            batch.message(1, Some(b"k"), |out| {
                out.extend_from_slice(b"half");
                Err("no width")
            });
            batch.refuse(2, 4);
        }
        batch
    }

    fn keys(batch: &Batch) -> Vec<&str> {
        batch.alerts().iter().map(|alert| std::str::from_utf8(batch.bytes(&alert.key)).expect("UTF-8")).collect()
    }

    #[test]
    fn an_objects_alerts_go_out_in_the_order_of_their_timestamps() {
        let mut batch = batch(&[("a", 3), ("a", 1), ("b", 9), ("a", 0)]);
        batch.sort_objects();
        assert_eq!(keys(&batch), ["a_1", "a_3", "b_9", "a_0"]);
    }

    #[test]
    fn the_last_object_waits_for_the_next_page_whole() {
        let mut batch = batch(&[("a", 1), ("b", 2), ("b", 3)]);
        let tail = batch.split_last_object();
        assert_eq!(keys(&batch), ["a_1"]);
        assert_eq!(keys(&tail), ["b_2", "b_3"]);
        let messages = tail.messages(&tail.alerts()[1]);
        assert_eq!(messages.len(), 3);
        assert!(matches!(&messages[0].verdict, Verdict::Send(value) if tail.bytes(value) == b"value of b_3"));
        assert_eq!(messages[1].verdict, Verdict::Reject("no width".to_owned()));
        assert_eq!(messages[2].verdict, Verdict::Refuse(4));
        assert!(Batch::default().split_last_object().is_empty());
    }
}

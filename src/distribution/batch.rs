//! Alerts ready to be sent: their messages in one buffer, as a reader hands them to the coordinator.

use std::ops::Range;
use std::sync::Arc;

use crate::ledger::LedgerEntry;
use crate::notify::Notice;

/// One alert of a batch.
#[derive(Clone, Debug)]
pub struct BatchAlert {
    /// which alert, for the ledger
    pub entry: LedgerEntry,
    /// the row's key, in the batch's buffer
    pub key: Range<usize>,
    /// the object's identifier, in the batch's buffer; partitions are chosen by it
    pub object: Range<usize>,
    /// what is announced of it when it was sent
    pub notice: Option<Arc<Notice>>,
    messages: Range<usize>,
    refusals: Range<usize>,
}

/// What becomes of an alert on one stream that does not refuse it.
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
    /// it cannot be judged or encoded, for this reason
    Reject(String),
}

/// A stream whose rules do not want the alert. Small: where there are many streams nearly all refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    stream: u32,
    condition: u32,
}

impl Refusal {
    /// Index of the stream.
    pub fn stream(self) -> usize {
        self.stream as usize
    }

    /// Index of the first condition that does not hold.
    pub fn condition(self) -> usize {
        self.condition as usize
    }
}

/// Some alerts and their messages.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    buffer: Vec<u8>,
    alerts: Vec<BatchAlert>,
    messages: Vec<Message>,
    refusals: Vec<Refusal>,
}

impl Batch {
    /// The alerts, in the order in which they are to be sent.
    pub fn alerts(&self) -> &[BatchAlert] {
        &self.alerts
    }

    /// The messages of one alert.
    pub fn messages(&self, alert: &BatchAlert) -> &[Message] {
        &self.messages[alert.messages.clone()]
    }

    /// The streams that refuse one alert.
    pub fn refusals(&self, alert: &BatchAlert) -> &[Refusal] {
        &self.refusals[alert.refusals.clone()]
    }

    /// Some bytes of the buffer.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.buffer.len() + std::mem::size_of_val(&*self.messages) + std::mem::size_of_val(&*self.refusals)
    }

    /// Whether there is no alert.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// Begins an alert; its messages follow.
    pub fn begin_alert(&mut self, entry: LedgerEntry, key: &[u8], object: &[u8]) {
        let key = self.copy(key);
        let object = self.copy(object);
        let messages = self.messages.len()..self.messages.len();
        let refusals = self.refusals.len()..self.refusals.len();
        self.alerts.push(BatchAlert { entry, key, object, notice: None, messages, refusals });
    }

    /// Appends a value to the buffer, to be sent on one stream or several. Where `write` fails the buffer is as it was.
    ///
    /// # Errors
    /// What `write` failed with.
    pub fn write_value<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Range<usize>, E> {
        let start = self.buffer.len();
        match write(&mut self.buffer) {
            Ok(()) => Ok(start..self.buffer.len()),
            Err(error) => {
                self.buffer.truncate(start);
                Err(error)
            }
        }
    }

    /// Notes that a stream sends the alert begun last, as a value that stands in the buffer.
    pub fn send(&mut self, stream: usize, key: Option<&[u8]>, value: Range<usize>) {
        let key = key.map(|key| self.copy(key));
        self.message(Message { stream, key, verdict: Verdict::Send(value) });
    }

    /// Notes that a stream cannot judge or encode the alert begun last.
    pub fn reject(&mut self, stream: usize, reason: String) {
        self.message(Message { stream, key: None, verdict: Verdict::Reject(reason) });
    }

    fn message(&mut self, message: Message) {
        if let Some(last) = self.alerts.last_mut() {
            self.messages.push(message);
            last.messages.end = self.messages.len();
        }
    }

    /// Notes what is to be announced of the alert begun last.
    pub fn set_notice(&mut self, notice: Arc<Notice>) {
        if let Some(last) = self.alerts.last_mut() {
            last.notice = Some(notice);
        }
    }

    /// Whether a stream sends the alert begun last.
    pub fn is_sent(&self) -> bool {
        let messages = self.alerts.last().map_or(&[][..], |last| &self.messages[last.messages.clone()]);
        messages.iter().any(|message| matches!(message.verdict, Verdict::Send(_)))
    }

    /// Notes that a stream refuses the alert begun last, because the condition of this index does not hold.
    pub fn refuse(&mut self, stream: usize, condition: usize) {
        if let Some(last) = self.alerts.last_mut() {
            self.refusals.push(Refusal { stream: stream as u32, condition: condition as u32 });
            last.refusals.end = self.refusals.len();
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
        for alert in moved {
            tail.begin_alert(alert.entry, self.bytes(&alert.key), self.bytes(&alert.object));
            let mut shared: Option<(Range<usize>, Range<usize>)> = None;
            for message in &self.messages[alert.messages.clone()] {
                let key = message.key.as_ref().map(|key| self.bytes(key));
                match &message.verdict {
                    Verdict::Reject(reason) => tail.reject(message.stream, reason.clone()),
                    Verdict::Send(value) => {
                        let moved = match shared {
                            Some((old, new)) if old == *value => new,
                            _ => tail.copy(self.bytes(value)),
                        };
                        tail.send(message.stream, key, moved.clone());
                        shared = Some((value.clone(), moved));
                    }
                }
            }
            for refusal in &self.refusals[alert.refusals.clone()] {
                tail.refuse(refusal.stream(), refusal.condition());
            }
            alert.notice.into_iter().for_each(|notice| tail.set_notice(notice));
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
    use crate::timestamp::Timestamp;

    fn batch(alerts: &[(&str, i64)]) -> Batch {
        let mut batch = Batch::default();
        for (object, timestamp) in alerts {
            let key = format!("{object}_{timestamp}");
            let entry = LedgerEntry::new(key.as_bytes(), Timestamp::from_millis(*timestamp));
            batch.begin_alert(entry, key.as_bytes(), object.as_bytes());
            let value = batch.write_value(|out| {
                out.extend_from_slice(format!("value of {key}").as_bytes());
                Ok::<(), String>(())
            });
            let value = value.expect("a value");
            batch.send(0, None, value.clone());
            let half = batch.write_value(|out| {
                out.extend_from_slice(b"half");
                Err("no width")
            });
            batch.reject(1, half.expect_err("no value").to_owned());
            batch.refuse(2, 4);
            batch.send(3, Some(b"k"), value);
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
        assert_eq!(messages[2].verdict, messages[0].verdict, "a value that streams share is moved once");
        assert_eq!(messages[2].key.as_ref().map(|key| tail.bytes(key)), Some(&b"k"[..]));
        assert_eq!(tail.refusals(&tail.alerts()[1]), [Refusal { stream: 2, condition: 4 }]);
        assert!(Batch::default().split_last_object().is_empty());
    }
}

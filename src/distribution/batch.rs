//! Alerts ready for the sink: what each stream does with them, and their messages in one buffer.

use std::ops::Range;
use std::sync::Arc;

use super::verdict::Verdict;
use crate::ledger::{AlertId, LedgerEntry};
use crate::notify::Notice;

/// One alert of a batch.
#[derive(Clone, Debug)]
pub(crate) struct BatchAlert {
    pub entry: LedgerEntry,
    /// the row key, in the batch's buffer
    pub key: Range<usize>,
    /// the object identifier, in the batch's buffer; it determines the partition
    pub object: Range<usize>,
    /// the Slack notice to enqueue once the alert is published
    pub notice: Option<Arc<Notice>>,
    /// in `AlertBatch::verdicts`
    verdicts: Range<usize>,
    /// in `AlertBatch::refusals`
    refusals: Range<usize>,
}

/// An alert on one stream, by index.
pub(crate) type StreamAlert = (AlertId, usize);

/// An alert's message for one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// index of the stream
    pub stream: usize,
    /// the message key, in the batch's buffer; `None`: no key, or one that is the same for all messages of the stream
    pub key: Option<Range<usize>>,
    /// the message value, in the batch's buffer
    pub value: Range<usize>,
}

/// That a stream refuses an alert. Kept apart from other verdicts, in 8 bytes: with hundreds of streams most refuse most alerts.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    stream: u32,
    criterion: u32,
}

/// Some alerts and their messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlertBatch {
    buffer: Vec<u8>,
    alerts: Vec<BatchAlert>,
    /// (stream, verdict), of streams that do not refuse
    verdicts: Vec<(usize, Verdict<Message>)>,
    refusals: Vec<Refusal>,
}

impl AlertBatch {
    /// The alerts, in the order in which they are to be published.
    pub fn alerts(&self) -> &[BatchAlert] {
        &self.alerts
    }

    /// The streams, by index, and what each of them does with an alert.
    pub fn verdicts(&self, alert: &BatchAlert) -> impl Iterator<Item = (usize, Verdict<&Message>)> {
        let refusals = self.refusals[alert.refusals.clone()].iter();
        let refusals = refusals.map(|refusal| (refusal.stream as usize, Verdict::Refuse(refusal.criterion as usize)));
        let others = self.verdicts[alert.verdicts.clone()].iter();
        refusals.chain(others.map(|(stream, verdict)| (*stream, verdict.as_ref())))
    }

    /// The bytes of a range of the buffer.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Bytes of memory in use.
    pub fn size(&self) -> usize {
        self.buffer.len() + std::mem::size_of_val(&*self.verdicts) + std::mem::size_of_val(&*self.refusals)
    }

    /// Removes everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.alerts.clear();
        self.verdicts.clear();
        self.refusals.clear();
    }

    /// Bytes of memory that the buffer keeps.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether there is no alert.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// Adds an alert without verdicts.
    pub fn begin_alert(&mut self, entry: LedgerEntry, key: &[u8], object: &[u8]) {
        let key = self.copy(key);
        let object = self.copy(object);
        let verdicts = self.verdicts.len()..self.verdicts.len();
        let refusals = self.refusals.len()..self.refusals.len();
        self.alerts.push(BatchAlert { entry, key, object, notice: None, verdicts, refusals });
    }

    /// Appends a message value to the buffer, for one stream or several. Where `write` fails the buffer is as it was.
    ///
    /// # Errors
    /// Those of `write`.
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

    /// Appends a message key to the buffer.
    pub fn write_key(&mut self, key: &[u8]) -> Range<usize> {
        self.copy(key)
    }

    /// Adds what a stream does with the last alert.
    pub fn push(&mut self, stream: usize, verdict: Verdict<Message>) {
        let Some(last) = self.alerts.last_mut() else { return };
        match verdict {
            // Streams and their criteria come from a configuration file: there are never 2^32 of them.
            Verdict::Refuse(criterion) => {
                self.refusals.push(Refusal { stream: stream as u32, criterion: criterion as u32 });
                last.refusals.end = self.refusals.len();
            }
            verdict => {
                self.verdicts.push((stream, verdict));
                last.verdicts.end = self.verdicts.len();
            }
        }
    }

    /// Whether some stream publishes the last alert.
    pub fn is_sent(&self) -> bool {
        let verdicts = self.alerts.last().map_or(&[][..], |last| &self.verdicts[last.verdicts.clone()]);
        verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Send(_)))
    }

    /// Sets the notice of the last alert.
    pub fn set_notice(&mut self, notice: Arc<Notice>) {
        if let Some(last) = self.alerts.last_mut() {
            last.notice = Some(notice);
        }
    }

    /// Sorts the alerts of each run of one object by timestamp.
    pub fn sort_objects(&mut self) {
        let mut start = 0;
        while start < self.alerts.len() {
            let object = self.bytes(&self.alerts[start].object);
            let run = self.alerts[start..].iter().take_while(|alert| self.bytes(&alert.object) == object).count();
            self.alerts[start..start + run].sort_by_key(|alert| alert.entry.timestamp);
            start += run;
        }
    }

    /// Moves the last run of alerts of one object into `tail`, which is empty: the next page may hold more of that object.
    pub fn split_last_object(&mut self, tail: &mut AlertBatch) {
        let Some(last) = self.alerts.last() else { return };
        let object = self.bytes(&last.object);
        let run = self.alerts.iter().rev().take_while(|alert| self.bytes(&alert.object) == object).count();
        for alert in self.alerts.split_off(self.alerts.len() - run) {
            tail.begin_alert(alert.entry, self.bytes(&alert.key), self.bytes(&alert.object));
            // (range here, range there) of the value copied last, which the next streams may share
            let mut copied: Option<(Range<usize>, Range<usize>)> = None;
            for (stream, verdict) in self.verdicts(&alert) {
                let verdict = verdict.and_then(|message| {
                    let key = message.key.as_ref().map(|key| tail.copy(self.bytes(key)));
                    let value = match &copied {
                        Some((from, to)) if *from == message.value => to.clone(),
                        _ => tail.copy(self.bytes(&message.value)),
                    };
                    copied = Some((message.value.clone(), value.clone()));
                    Verdict::Send(Message { stream, key, value })
                });
                tail.push(stream, verdict);
            }
            alert.notice.into_iter().for_each(|notice| tail.set_notice(notice));
        }
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
    use crate::distribution::verdict::RejectClass;
    use crate::timestamp::Timestamp;

    fn batch(alerts: &[(&str, i64)]) -> AlertBatch {
        let mut batch = AlertBatch::default();
        for (object, timestamp) in alerts {
            let key = format!("{object}_{timestamp}");
            let entry = LedgerEntry::new(key.as_bytes(), Timestamp::from_millis(*timestamp));
            batch.begin_alert(entry, key.as_bytes(), object.as_bytes());
            let value = batch.write_value(|out| {
                out.extend_from_slice(format!("value of {key}").as_bytes());
                Ok::<(), String>(())
            });
            let value = value.expect("a value");
            batch.push(0, Verdict::Send(Message { stream: 0, key: None, value: value.clone() }));
            let half = batch.write_value(|out| {
                out.extend_from_slice(b"half");
                Err("no width")
            });
            batch.push(1, Verdict::Reject(RejectClass::Encoding, half.expect_err("no value").into()));
            batch.push(2, Verdict::Refuse(4));
            let key = batch.write_key(b"k");
            batch.push(3, Verdict::Send(Message { stream: 3, key: Some(key), value }));
        }
        batch
    }

    fn keys(batch: &AlertBatch) -> Vec<&str> {
        batch.alerts().iter().map(|alert| std::str::from_utf8(batch.bytes(&alert.key)).expect("UTF-8")).collect()
    }

    #[test]
    fn an_objects_alerts_are_sorted_by_timestamp() {
        let mut batch = batch(&[("a", 3), ("a", 1), ("b", 9), ("a", 0)]);
        batch.sort_objects();
        assert_eq!(keys(&batch), ["a_1", "a_3", "b_9", "a_0"]);
    }

    #[test]
    fn the_last_object_is_split_off_whole_with_its_verdicts() {
        let mut batch = batch(&[("a", 1), ("b", 2), ("b", 3)]);
        let mut tail = AlertBatch::default();
        batch.split_last_object(&mut tail);
        assert_eq!(keys(&batch), ["a_1"]);
        assert_eq!(keys(&tail), ["b_2", "b_3"]);
        let verdicts: Vec<_> = tail.verdicts(&tail.alerts()[1]).collect();
        let [
            (2, Verdict::Refuse(4)),
            (0, Verdict::Send(first)),
            (1, Verdict::Reject(_, reason)),
            (3, Verdict::Send(last)),
        ] = &verdicts[..]
        else {
            panic!("{verdicts:?}")
        };
        assert_eq!(&**reason, "no width");
        assert_eq!(tail.bytes(&first.value), b"value of b_3");
        assert_eq!(first.value, last.value, "streams share the value still");
        assert_eq!(last.key.as_ref().map(|key| tail.bytes(key)), Some(&b"k"[..]));
        let mut none = AlertBatch::default();
        AlertBatch::default().split_last_object(&mut none);
        assert!(none.is_empty());
    }
}

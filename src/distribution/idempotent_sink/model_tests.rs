//! A small world to try [`TopicState`] in: a topic whose writer dies between any two of its steps, with messages under way of which any number
//! still arrive. Whatever happens, each alert stands on the topic once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::topic_state::{TopicState, TopicStateError};
use crate::distribution::checkpoint_state::Record;
use crate::kafka::tail::OffsetRange;
use crate::ledger::LedgerEntry;
use crate::timestamp::Timestamp;

const PARTITIONS: usize = 3;
const POSITION: &[u8] = b"p/position";

/// Death of the process, or an abort, at the place where it stood.
struct Died;

#[derive(Default)]
struct World {
    /// what the topic holds, by partition
    topic: Vec<Vec<u8>>,
    /// what was handed to the producer and is not on the topic yet, by partition
    under_way: Vec<Vec<u8>>,
    checkpoint: BTreeMap<Vec<u8>, Vec<u8>>,
    /// one draw for each step: whether to die there, and how much of what is under way arrives nevertheless
    draws: Vec<(bool, u8)>,
    drawn: usize,
}

fn entry(alert: u8) -> LedgerEntry {
    LedgerEntry::new(&[alert], Timestamp::from_millis(alert.into()))
}

impl World {
    fn new(draws: Vec<(bool, u8)>) -> Self {
        let empty = vec![Vec::new(); PARTITIONS];
        Self { topic: empty.clone(), under_way: empty, draws, ..Self::default() }
    }

    fn step(&mut self) -> Result<(), Died> {
        let (die, arrive) = self.draws.get(self.drawn).copied().unwrap_or((false, 0));
        self.drawn += 1;
        if !die {
            return Ok(());
        }
        // Messages of a partition arrive in their order; the rest is lost with the process.
        for (topic, under_way) in self.topic.iter_mut().zip(&mut self.under_way) {
            topic.extend(under_way.drain(..usize::from(arrive).min(under_way.len())));
            under_way.clear();
        }
        Err(Died)
    }

    fn flush(&mut self) -> Vec<i64> {
        for (topic, under_way) in self.topic.iter_mut().zip(&mut self.under_way) {
            topic.append(under_way);
        }
        self.ends().iter().map(|ends| ends.end).collect()
    }

    fn ends(&self) -> Vec<OffsetRange> {
        self.topic.iter().map(|partition| OffsetRange { begin: 0, end: partition.len() as i64 }).collect()
    }

    fn commit(&mut self, records: Vec<Record>) -> Result<(), Died> {
        self.step()?;
        for (key, value) in records {
            match value {
                Some(value) => self.checkpoint.insert(key, value),
                None => self.checkpoint.remove(&key),
            };
        }
        self.step()
    }

    fn take_up(&mut self) -> Result<TopicState, Died> {
        let ends = self.ends();
        let Some(mut account) = TopicState::load("p", "t", &self.checkpoint).expect("readable") else {
            return Ok(TopicState::new("p", "t", &ends));
        };
        account.compare(&ends).expect("a topic that only grows");
        let tails = self.topic.iter().zip(account.offsets());
        let tail =
            tails.flat_map(|(partition, from)| &partition[*from as usize..]).map(|alert| entry(*alert)).collect();
        let ends: Vec<i64> = ends.iter().map(|ends| ends.end).collect();
        assert_eq!(account.add_tail(tail, &ends), 0, "an alert stands on the topic twice");
        self.step()?;
        Ok(account)
    }

    /// Sends the alerts `0..count` in chunks, in an order that each life may have its own of.
    fn live(&mut self, count: u8, chunk: usize) -> Result<(), Died> {
        let mut account = self.take_up()?;
        let mut offsets: Vec<i64> = account.offsets().to_vec();
        let records = account.records(&offsets, true);
        self.commit(records)?;
        let position = self.checkpoint.get(POSITION).map_or(0, |value| value[0]);
        let alerts: Vec<u8> = (position..count).collect();
        for alerts in alerts.chunks(chunk + self.drawn % 3) {
            let rotated = alerts.iter().skip(self.drawn % alerts.len()).chain(&alerts[..self.drawn % alerts.len()]);
            for alert in rotated.filter(|alert| !account.is_sent(entry(**alert))) {
                self.under_way[usize::from(*alert) % PARTITIONS].push(*alert);
                self.step()?;
            }
            offsets = self.flush();
            self.step()?;
            let mut records = account.records(&offsets, true);
            records.push((POSITION.to_vec(), Some(vec![alerts[alerts.len() - 1] + 1])));
            self.commit(records)?;
        }
        account.expire(Timestamp::MAX);
        let records = account.records(&offsets, false);
        self.commit(records)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_alert_stands_on_the_topic_once_whatever_dies(
        draws in prop::collection::vec((prop::bool::weighted(0.06), 0u8..6), 0..400), count in 1u8..60, chunk in 1usize..20,
    ) {
        let mut world = World::new(draws);
        while world.live(count, chunk).is_err() {}
        let mut alerts: Vec<u8> = world.topic.concat();
        alerts.sort_unstable();
        prop_assert_eq!(alerts, (0..count).collect::<Vec<u8>>());
        prop_assert_eq!(world.checkpoint.len(), 2, "what the watermark has passed is forgotten");
        let account = TopicState::load("p", "t", &world.checkpoint).expect("readable").expect("there");
        prop_assert!(!account.is_open());
    }
}

fn with_tail() -> (TopicState, BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut account = TopicState::new("p", "t", &[OffsetRange { begin: 0, end: 7 }]);
    assert_eq!(account.add_tail(vec![entry(1), entry(2), entry(1)], &[10]), 1);
    let records = account.records(&[10], true);
    let records = records.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    (account, records)
}

#[test]
fn an_account_is_read_back_from_its_records() {
    let (_, records) = with_tail();
    let account = TopicState::load("p", "t", &records).unwrap().unwrap();
    assert!(account.is_open() && account.is_sent(entry(1)) && account.is_sent(entry(2)) && !account.is_sent(entry(3)));
    assert_eq!(account.offsets(), [10]);
    assert!(TopicState::load("p", "t_schema", &records).unwrap().is_none());
    assert!(TopicState::load("q", "t", &records).unwrap().is_none());
}

#[test]
fn a_topic_that_was_made_again_is_refused_and_added_partitions_are_taken_up() {
    let (account, _) = with_tail();
    let ends = |end| OffsetRange { begin: 0, end };
    let error = account.clone().compare(&[ends(9)]).unwrap_err();
    assert!(matches!(error, TopicStateError::Shrunk { .. }) && error.to_string().contains("partition 0 ends at 9"));
    assert!(account.clone().compare(&[]).is_err());
    let mut grown = account;
    grown.compare(&[ends(10), ends(4)]).unwrap();
    assert_eq!(grown.offsets(), [10, 0]);
}

#[test]
fn a_record_of_a_later_version_is_refused() {
    let (_, mut records) = with_tail();
    records.insert(b"p/topic/t".to_vec(), br#"{"version":2,"offsets":[],"open":false}"#.to_vec());
    assert!(TopicState::load("p", "t", &records).unwrap_err().to_string().contains("version 2"));
    records.insert(b"p/topic/t".to_vec(), b"[1]".to_vec());
    assert!(TopicState::load("p", "t", &records).is_err());
}

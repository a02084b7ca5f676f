//! A model of everything around a [`TopicState`]: a topic whose writer crashes between any two of its steps, with messages in flight of which any
//! number still arrive. Whatever happens, each alert is on the topic once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::topic_state::{TopicState, TopicStateError};
use crate::distribution::checkpoint_state::Record;
use crate::kafka::tail::OffsetRange;
use crate::ledger::LedgerEntry;
use crate::timestamp::Timestamp;

const PARTITIONS: usize = 3;
const POSITION: &[u8] = b"p/position";

/// A crash of the process, or an abort.
struct Crash;

#[derive(Default)]
struct Model {
    /// what the topic holds, by partition
    topic: Vec<Vec<u8>>,
    /// what was handed to the producer and is not on the topic yet, by partition
    in_flight: Vec<Vec<u8>>,
    checkpoint: BTreeMap<Vec<u8>, Vec<u8>>,
    /// for each step: whether the process crashes there, and how many messages in flight of each partition still arrive
    events: Vec<(bool, u8)>,
    steps: usize,
}

fn entry(alert: u8) -> LedgerEntry {
    LedgerEntry::new(&[alert], Timestamp::from_millis(alert.into()))
}

impl Model {
    fn new(events: Vec<(bool, u8)>) -> Self {
        let empty = vec![Vec::new(); PARTITIONS];
        Self { topic: empty.clone(), in_flight: empty, events, ..Self::default() }
    }

    fn step(&mut self) -> Result<(), Crash> {
        let (crashes, arrive) = self.events.get(self.steps).copied().unwrap_or((false, 0));
        self.steps += 1;
        if !crashes {
            return Ok(());
        }
        // Messages of a partition arrive in their order; the rest is lost with the process.
        for (topic, in_flight) in self.topic.iter_mut().zip(&mut self.in_flight) {
            topic.extend(in_flight.drain(..usize::from(arrive).min(in_flight.len())));
            in_flight.clear();
        }
        Err(Crash)
    }

    fn flush(&mut self) -> Vec<i64> {
        for (topic, in_flight) in self.topic.iter_mut().zip(&mut self.in_flight) {
            topic.append(in_flight);
        }
        self.ends().iter().map(|ends| ends.end).collect()
    }

    fn ends(&self) -> Vec<OffsetRange> {
        self.topic.iter().map(|partition| OffsetRange { begin: 0, end: partition.len() as i64 }).collect()
    }

    fn commit(&mut self, records: Vec<Record>) -> Result<(), Crash> {
        self.step()?;
        for (key, value) in records {
            match value {
                Some(value) => self.checkpoint.insert(key, value),
                None => self.checkpoint.remove(&key),
            };
        }
        self.step()
    }

    fn restore(&mut self) -> Result<TopicState, Crash> {
        let ends = self.ends();
        let Some(mut state) = TopicState::load("p", "t", &self.checkpoint).expect("readable") else {
            return Ok(TopicState::new("p", "t", &ends));
        };
        state.compare(&ends).expect("a topic that only grows");
        let tails = self.topic.iter().zip(state.offsets());
        let tail =
            tails.flat_map(|(partition, from)| &partition[*from as usize..]).map(|alert| entry(*alert)).collect();
        let ends: Vec<i64> = ends.iter().map(|ends| ends.end).collect();
        assert_eq!(state.add_tail(tail, &ends), 0, "an alert is on the topic twice");
        self.step()?;
        Ok(state)
    }

    /// Sends the alerts `0..count` in chunks, in an order that each life may have its own of.
    fn run(&mut self, count: u8, chunk: usize) -> Result<(), Crash> {
        let mut state = self.restore()?;
        let mut offsets: Vec<i64> = state.offsets().to_vec();
        let records = state.records(&offsets, true);
        self.commit(records)?;
        let position = self.checkpoint.get(POSITION).map_or(0, |value| value[0]);
        let alerts: Vec<u8> = (position..count).collect();
        for alerts in alerts.chunks(chunk + self.steps % 3) {
            let rotated = alerts.iter().skip(self.steps % alerts.len()).chain(&alerts[..self.steps % alerts.len()]);
            for alert in rotated.filter(|alert| !state.is_sent(entry(**alert))) {
                self.in_flight[usize::from(*alert) % PARTITIONS].push(*alert);
                self.step()?;
            }
            offsets = self.flush();
            self.step()?;
            let mut records = state.records(&offsets, true);
            records.push((POSITION.to_vec(), Some(vec![alerts[alerts.len() - 1] + 1])));
            self.commit(records)?;
        }
        state.expire(Timestamp::MAX);
        let records = state.records(&offsets, false);
        self.commit(records)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_alert_is_on_the_topic_once_whatever_crashes(
        events in prop::collection::vec((prop::bool::weighted(0.06), 0u8..6), 0..400), count in 1u8..60, chunk in 1usize..20,
    ) {
        let mut model = Model::new(events);
        while model.run(count, chunk).is_err() {}
        let mut alerts: Vec<u8> = model.topic.concat();
        alerts.sort_unstable();
        prop_assert_eq!(alerts, (0..count).collect::<Vec<u8>>());
        prop_assert_eq!(model.checkpoint.len(), 2, "what the watermark has passed is forgotten");
        let state = TopicState::load("p", "t", &model.checkpoint).expect("readable").expect("there");
        prop_assert!(!state.is_open());
    }
}

fn with_tail() -> (TopicState, BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut state = TopicState::new("p", "t", &[OffsetRange { begin: 0, end: 7 }]);
    assert_eq!(state.add_tail(vec![entry(1), entry(2), entry(1)], &[10]), 1);
    let records = state.records(&[10], true);
    let records = records.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    (state, records)
}

#[test]
fn an_state_is_read_back_from_its_records() {
    let (_, records) = with_tail();
    let state = TopicState::load("p", "t", &records).unwrap().unwrap();
    assert!(state.is_open() && state.is_sent(entry(1)) && state.is_sent(entry(2)) && !state.is_sent(entry(3)));
    assert_eq!(state.offsets(), [10]);
    assert!(TopicState::load("p", "t_schema", &records).unwrap().is_none());
    assert!(TopicState::load("q", "t", &records).unwrap().is_none());
}

#[test]
fn a_topic_that_was_created_again_is_refused_and_added_partitions_are_added() {
    let (state, _) = with_tail();
    let ends = |end| OffsetRange { begin: 0, end };
    let error = state.clone().compare(&[ends(9)]).unwrap_err();
    assert!(matches!(error, TopicStateError::Shrunk { .. }) && error.to_string().contains("partition 0 ends at 9"));
    assert!(state.clone().compare(&[]).is_err());
    let mut grown = state;
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

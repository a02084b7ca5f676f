//! A small world to try [`Progress`] in: rows that become visible late, a process that may die between any two of its steps, and a
//! topic that keeps what was committed. Whatever happens, each alert must have been committed once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const PACE: Pace = Pace { poll: 5, settle: 0, overlap: 30, repair: 200, repair_every: 40 };

#[derive(Clone, Debug)]
struct WorldRow {
    key: u8,
    timestamp: i64,
    visible: i64,
}

/// The committed state of the Kafka side.
#[derive(Default)]
struct Topic {
    alerts: Vec<(u8, i64)>,
    checkpoint: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Topic {
    fn commit(&mut self, alerts: &[(u8, i64)], records: Vec<Record>) {
        self.alerts.extend_from_slice(alerts);
        for (key, value) in records {
            match value {
                Some(value) => self.checkpoint.insert(key, value),
                None => self.checkpoint.remove(&key),
            };
        }
    }
}

/// Death of the process, at the place where it stood.
struct Died;

struct World {
    rows: Vec<WorldRow>,
    pace: Pace,
    now: i64,
    topic: Topic,
    /// one draw for each step: whether to die there, and how long the step took
    draws: Vec<(bool, u8)>,
    drawn: usize,
    chunk: usize,
}

impl World {
    fn step(&mut self) -> Result<(), Died> {
        let (die, took) = self.draws.get(self.drawn).copied().unwrap_or((false, 1));
        self.drawn += 1;
        self.now += i64::from(took);
        if die { Err(Died) } else { Ok(()) }
    }

    /// The newest visible version of each row, in row order.
    fn table(&self) -> BTreeMap<u8, i64> {
        let mut table = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.visible <= self.now) {
            let newest = table.entry(row.key).or_insert(row.timestamp);
            *newest = row.timestamp.max(*newest);
        }
        table
    }

    fn look(&self, window: Window, progress: &Progress) -> Vec<(u8, i64)> {
        let fresh = |(key, timestamp): &(u8, i64)| window.contains(*timestamp) && progress.is_new(&[*key], *timestamp);
        self.table().into_iter().filter(fresh).collect()
    }

    fn publish(&mut self, progress: &mut Progress, alerts: &[(u8, i64)]) -> Result<(), Died> {
        for alerts in alerts.chunks(self.chunk) {
            self.step()?;
            let entries = alerts.iter().map(|(key, at)| Entry { id: AlertId::new(&[*key], *at), timestamp: *at });
            let records = progress.published(entries.collect());
            self.step()?;
            self.topic.commit(alerts, records);
            self.step()?;
        }
        Ok(())
    }

    /// Publishes some of what a search has found.
    fn take_turn(&mut self, progress: &mut Progress, found: &mut Vec<(u8, i64)>) -> Result<(), Died> {
        let turn = found.drain(..found.len().min(3));
        let now: Vec<_> = turn.filter(|(key, at)| progress.is_new(&[*key], *at)).collect();
        self.publish(progress, &now)
    }

    fn history(&mut self, progress: &mut Progress) -> Result<(), Died> {
        let Some(history) = progress.history().cloned() else { return Ok(()) };
        let Some(window) = history.window() else { return Ok(()) };
        for (index, range) in history.ranges().iter().enumerate().filter(|(_, range)| !range.is_done()) {
            let mut after = range.after().map(|key| key[0]);
            loop {
                self.step()?;
                let keys = range.keys();
                let page: Vec<u8> = self
                    .table()
                    .into_keys()
                    .filter(|key| [*key][..] >= keys.start[..] && (keys.end.is_empty() || [*key][..] < keys.end[..]))
                    .filter(|key| after.is_none_or(|after| *key > after))
                    .take(self.chunk)
                    .collect();
                let found: Vec<(u8, i64)> =
                    self.look(window, progress).into_iter().filter(|(key, _)| page.contains(key)).collect();
                after = page.last().copied();
                progress.history_reached(index, after.as_ref().map(std::slice::from_ref), after.is_none());
                let records = progress.history_records();
                self.step()?;
                self.topic.commit(&found, records);
                self.step()?;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether all deaths are behind, and a quiet time long enough to make good whatever they left.
    fn is_over(&self) -> bool {
        self.drawn >= self.draws.len() + 2500 && self.now >= 2500
    }

    fn live_through(&mut self, job: Option<Window>) -> Result<bool, Died> {
        let mut progress = match Progress::load("p", &self.topic.checkpoint) {
            Ok(Some(progress)) => progress,
            _ => {
                let progress =
                    job.map_or_else(|| Progress::service("p", "earliest", 0), |window| Progress::job("p", window));
                self.step()?;
                self.topic.commit(&[], vec![progress.state_record()]);
                progress
            }
        };
        let mut repair: Option<(i64, Vec<(u8, i64)>)> = None;
        let mut sweep: Option<Vec<(u8, i64)>> = None;
        while !self.is_over() {
            self.step()?;
            let pace = self.pace;
            let began = self.now;
            match progress.next(began, &pace) {
                Step::BeginHistory(window) => {
                    let split = KeyRange { start: Vec::new(), end: vec![20] };
                    progress.begin_history(window, vec![split, KeyRange { start: vec![20], end: Vec::new() }]);
                }
                Step::History => self.history(&mut progress)?,
                Step::Repair { window, .. } => {
                    progress.repair_began(began);
                    self.step()?;
                    repair = Some((began, self.look(window, &progress)));
                }
                Step::Sweep(window) => {
                    progress.sweep_began(began);
                    self.step()?;
                    sweep = Some(self.look(window, &progress));
                }
                Step::Live(window) => {
                    let found = self.look(window, &progress);
                    self.publish(&mut progress, &found)?;
                    progress.looked(began);
                }
                Step::Wait(at) => self.now = at,
                Step::Finished => return Ok(true),
            }
            if let Some(mut found) = sweep.take() {
                self.take_turn(&mut progress, &mut found)?;
                if found.is_empty() {
                    progress.sweep_ended();
                } else {
                    sweep = Some(found);
                }
            }
            if let Some((began, mut found)) = repair.take() {
                self.take_turn(&mut progress, &mut found)?;
                if found.is_empty() {
                    let records = progress.repair_ended(began, &pace);
                    self.topic.commit(&[], records);
                    self.step()?;
                } else {
                    repair = Some((began, found));
                }
            }
        }
        Ok(false)
    }
}

fn rows(repair: i64) -> impl Strategy<Value = Vec<WorldRow>> {
    let row = (any::<u8>(), 1i64..1500, 0..=repair).prop_map(|(key, timestamp, late)| WorldRow {
        key: key % 40,
        timestamp,
        visible: timestamp + late,
    });
    prop::collection::vec(row, 0..60)
}

fn draws() -> impl Strategy<Value = Vec<(bool, u8)>> {
    prop::collection::vec((prop::bool::weighted(0.08), 0u8..25), 0..400)
}

fn last_versions(rows: &[WorldRow]) -> BTreeSet<(u8, i64)> {
    let mut last = BTreeMap::new();
    for row in rows {
        let newest = last.entry(row.key).or_insert(row.timestamp);
        *newest = row.timestamp.max(*newest);
    }
    last.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_alert_is_published_once_whatever_dies(
        rows in rows(PACE.repair), draws in draws(), start in 0i64..1600, chunk in 1usize..8, settle in 0i64..20,
    ) {
        let pace = Pace { settle, ..PACE };
        let mut world = World { rows, pace, now: start, topic: Topic::default(), draws, drawn: 0, chunk };
        while !world.is_over() {
            let _death_or_end = world.live_through(None);
        }
        let published: BTreeSet<_> = world.topic.alerts.iter().copied().collect();
        prop_assert_eq!(published.len(), world.topic.alerts.len(), "an alert was published twice");
        for alert in last_versions(&world.rows) {
            prop_assert!(published.contains(&alert), "{:?} was lost", alert);
        }
    }

    #[test]
    fn a_job_publishes_its_window_once_and_ends(
        rows in rows(0), draws in draws(), from in 1i64..700, length in 1i64..700, chunk in 1usize..8,
    ) {
        let window = Window::new(from, from + length).expect("a length above 0");
        let mut world = World { rows, pace: PACE, now: 1500, topic: Topic::default(), draws, drawn: 0, chunk };
        while !matches!(world.live_through(Some(window)), Ok(true)) {}
        let mut published = world.topic.alerts.clone();
        published.sort_unstable();
        let wanted: Vec<_> = last_versions(&world.rows).into_iter().filter(|(_, at)| window.contains(*at)).collect();
        prop_assert_eq!(published, wanted);
    }

    #[test]
    fn the_ledger_stays_small(rows in rows(PACE.repair), chunk in 1usize..8) {
        let mut world = World { rows, pace: PACE, now: 0, topic: Topic::default(), draws: Vec::new(), drawn: 0, chunk };
        let _end = world.live_through(None);
        let progress = Progress::load("p", &world.topic.checkpoint).expect("readable").expect("there");
        prop_assert_eq!(progress.ledger_len(), 0);
        prop_assert!(progress.watermark() >= world.now - PACE.repair - 2 * PACE.repair_every);
        prop_assert_eq!(world.topic.checkpoint.len(), 1);
    }
}

#[test]
fn a_checkpoint_of_a_later_version_is_refused() {
    let mut topic = Topic::default();
    topic.commit(&[], vec![(b"p/state".to_vec(), Some(br#"{"version":2,"origin":"","watermark":0}"#.to_vec()))]);
    let error = Progress::load("p", &topic.checkpoint).expect_err("a later version");
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn another_name_is_another_checkpoint() {
    let mut topic = Topic::default();
    topic.commit(&[], vec![Progress::service("p", "now", 5).state_record()]);
    assert!(Progress::load("q", &topic.checkpoint).expect("readable").is_none());
}

//! Transactions that stay open: readers of committed messages stop before the first of their records.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::checklist::Checklist;
use crate::config::show_duration;
use crate::kafka::watermarks::Watermarks;
use crate::kafka::{Admin, Result};

const WHAT: &str = "open transactions";

/// How long a transaction of a service that works may stay open: the history lane commits every 3 s.
const USUAL: Duration = Duration::from_secs(4);
/// Pause between two looks at a transaction that is open.
const PAUSE: Duration = Duration::from_millis(300);
/// The ages that are told apart, s. From the first on, a transaction is in the way of readers.
const AGES: [u64; 8] = [30, 60, 120, 300, 900, 3_600, 21_600, 86_400];

/// The partitions of one topic that are named.
const SHOWN: usize = 8;

/// A partition whose readers wait.
struct Stuck {
    partition: Watermarks,
    /// the longest of [`AGES`] that the transaction is older than
    older_than: Option<Duration>,
}

/// Looks for open transactions on `topics`, and once more at those found: a service that works has one open for a moment.
pub(super) fn check(list: &mut Checklist, admin: &Admin, topics: &[&str]) -> anyhow::Result<()> {
    let (partitions, mut stuck) = match look(admin, topics) {
        Ok(found) => found,
        Err(error) => return list.unknown(WHAT, format!("cannot be looked for: {error}")),
    };
    if partitions == 0 {
        return list.unknown(WHAT, "not looked for: no topic is there yet");
    }
    if stuck.is_empty() {
        return list.good(WHAT, format!("none holds readers up, partitions: {partitions}"));
    }
    while let Some(topic) = stuck.first().map(|stuck| stuck.partition.topic.clone()) {
        let (of_topic, others): (Vec<_>, Vec<_>) = stuck.into_iter().partition(|stuck| stuck.partition.topic == topic);
        let older_than = of_topic.iter().filter_map(|stuck| stuck.older_than).max();
        let text = describe(&topic, &of_topic, older_than);
        match older_than {
            Some(_) => list.bad(WHAT, text)?,
            None => list.unknown(WHAT, text)?,
        }
        stuck = others;
    }
    Ok(())
}

/// The number of partitions, and those on which a transaction is open that does not come to its end.
fn look(admin: &Admin, topics: &[&str]) -> Result<(usize, Vec<Stuck>)> {
    let watermarks = admin.watermarks(topics)?;
    let partitions = watermarks.len();
    let mut open: Vec<Watermarks> = watermarks.into_iter().filter(Watermarks::has_open_transaction).collect();
    let until = Instant::now() + USUAL;
    while !open.is_empty() && Instant::now() < until {
        std::thread::sleep(PAUSE);
        let now = admin.last_stable_offsets(&places(&open))?;
        let mut now = now.into_iter();
        open.retain(|partition| now.next() == Some(partition.last_stable));
    }
    let places = places(&open);
    let mut stuck: Vec<Stuck> = open.into_iter().map(|partition| Stuck { partition, older_than: None }).collect();
    for age in AGES.map(Duration::from_secs) {
        if stuck.is_empty() {
            break;
        }
        let time = Timestamp::now().as_millisecond() - age.as_millis() as i64;
        let mut is_any_older = false;
        for (stuck, first) in stuck.iter_mut().zip(admin.offsets_since(&places, time)?) {
            if first.is_none_or(|first| first > stuck.partition.last_stable) {
                stuck.older_than = Some(age);
                is_any_older = true;
            }
        }
        if !is_any_older {
            break;
        }
    }
    Ok((partitions, stuck))
}

fn places(partitions: &[Watermarks]) -> Vec<(String, i32)> {
    partitions.iter().map(|partition| (partition.topic.clone(), partition.partition)).collect()
}

fn describe(topic: &str, stuck: &[Stuck], older_than: Option<Duration>) -> String {
    let partition = |Stuck { partition, .. }: &Stuck| {
        let Watermarks { partition, last_stable, high, .. } = partition;
        format!("partition {partition} (offsets {last_stable} to {high}, {} held back)", high - last_stable)
    };
    let mut partitions = stuck.iter().take(SHOWN).map(partition).collect::<Vec<_>>().join(", ");
    if stuck.len() > SHOWN {
        partitions.push_str(&format!(" and {} more partitions", stuck.len() - SHOWN));
    }
    let first = stuck.first().map_or(0, |stuck| stuck.partition.partition);
    let age = match older_than {
        Some(age) => format!("more than {}", show_duration(age)),
        None => format!("{} to {}", show_duration(USUAL), show_duration(Duration::from_secs(AGES[0]))),
    };
    format!(
        "topic {topic}, {partitions}: a transaction has been open for {age}, and readers of committed messages wait for its end. \
         It ends when its producer commits, is started again (a job with the same arguments), or exceeds its transaction.timeout.ms; \
         `kafka-transactions.sh describe-producers --topic {topic} --partition {first}` names the producer, \
         `kafka-transactions.sh abort` ends one that is gone for good"
    )
}

//! Transactions that stay open: they hold back `read_committed` consumers.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::checklist::Checklist;
use crate::kafka::watermarks::Watermarks;
use crate::kafka::{Admin, Result};
use crate::units::format_duration;

const WHAT: &str = "open transactions";

/// How long a transaction of a working service may be open: the history lane commits every 3 s.
const MAX_COMMIT_TIME: Duration = Duration::from_secs(4);
/// How often an open transaction is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// The ages that are distinguished, seconds. A transaction of the first one or older is a failed check.
const AGES_SECS: [u64; 8] = [30, 60, 120, 300, 900, 3_600, 21_600, 86_400];

/// The limit of partitions that are named for each topic.
const MAX_SHOWN: usize = 8;

/// A partition whose consumers are held back.
struct StalledPartition {
    partition: Watermarks,
    /// the largest of [`AGES_SECS`] that the transaction is older than
    older_than: Option<Duration>,
}

/// Finds open transactions in `topics` that stay open: a working service has one open for a moment.
pub(super) fn check(list: &mut Checklist, admin: &Admin, topics: &[&str]) -> anyhow::Result<()> {
    let (partitions, mut stalled) = match find_stalled(admin, topics) {
        Ok(found) => found,
        Err(error) => return list.unknown(WHAT, format!("cannot be checked: {error}")),
    };
    if partitions == 0 {
        return list.unknown(WHAT, "not checked: no topic exists yet");
    }
    if stalled.is_empty() {
        return list.pass(WHAT, format!("none holds back consumers, partitions: {partitions}"));
    }
    while let Some(topic) = stalled.first().map(|stalled| stalled.partition.topic.clone()) {
        let (of_topic, others): (Vec<_>, Vec<_>) =
            stalled.into_iter().partition(|stalled| stalled.partition.topic == topic);
        let older_than = of_topic.iter().filter_map(|stalled| stalled.older_than).max();
        let text = describe(&topic, &of_topic, older_than);
        match older_than {
            Some(_) => list.fail(WHAT, text)?,
            None => list.unknown(WHAT, text)?,
        }
        stalled = others;
    }
    Ok(())
}

/// The number of partitions, and those with a transaction that stays open.
fn find_stalled(admin: &Admin, topics: &[&str]) -> Result<(usize, Vec<StalledPartition>)> {
    let watermarks = admin.watermarks(topics)?;
    let partitions = watermarks.len();
    let mut open: Vec<Watermarks> = watermarks.into_iter().filter(Watermarks::has_open_transaction).collect();
    let until = Instant::now() + MAX_COMMIT_TIME;
    while !open.is_empty() && Instant::now() < until {
        std::thread::sleep(POLL_INTERVAL);
        let now = admin.last_stable_offsets(&places(&open))?;
        let mut now = now.into_iter();
        open.retain(|partition| now.next() == Some(partition.last_stable));
    }
    let places = places(&open);
    let mut stalled: Vec<StalledPartition> =
        open.into_iter().map(|partition| StalledPartition { partition, older_than: None }).collect();
    for age in AGES_SECS.map(Duration::from_secs) {
        if stalled.is_empty() {
            break;
        }
        let time = Timestamp::now().as_millisecond() - age.as_millis() as i64;
        let mut is_any_older = false;
        for (stalled, first) in stalled.iter_mut().zip(admin.offsets_for_time(&places, time)?) {
            if first.is_none_or(|first| first > stalled.partition.last_stable) {
                stalled.older_than = Some(age);
                is_any_older = true;
            }
        }
        if !is_any_older {
            break;
        }
    }
    Ok((partitions, stalled))
}

fn places(partitions: &[Watermarks]) -> Vec<(String, i32)> {
    partitions.iter().map(|partition| (partition.topic.clone(), partition.partition)).collect()
}

fn describe(topic: &str, stalled: &[StalledPartition], older_than: Option<Duration>) -> String {
    let partition = |StalledPartition { partition, .. }: &StalledPartition| {
        let Watermarks { partition, last_stable, high, .. } = partition;
        format!("partition {partition} (offsets {last_stable} to {high}, {} held back)", high - last_stable)
    };
    let mut partitions = stalled.iter().take(MAX_SHOWN).map(partition).collect::<Vec<_>>().join(", ");
    if stalled.len() > MAX_SHOWN {
        partitions.push_str(&format!(" and {} more partitions", stalled.len() - MAX_SHOWN));
    }
    let first = stalled.first().map_or(0, |stalled| stalled.partition.partition);
    let age = match older_than {
        Some(age) => format!("more than {}", format_duration(age)),
        None => {
            format!("{} to {}", format_duration(MAX_COMMIT_TIME), format_duration(Duration::from_secs(AGES_SECS[0])))
        }
    };
    format!(
        "topic {topic}, {partitions}: a transaction has been open for {age}, and holds back `read_committed` consumers. \
         It ends when its producer commits, is restarted (a job with the same arguments), or exceeds its transaction.timeout.ms; \
         `kafka-transactions.sh describe-producers --topic {topic} --partition {first}` names the producer, \
         `kafka-transactions.sh abort` aborts the transaction of one that does not return"
    )
}

//! How far consumer groups are, and how they are moved.

use std::collections::BTreeMap;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Result};
use crate::kafka::group::{GroupDescription, GroupOffset};
use crate::kafka::watermarks::Watermarks;

/// A partition that a group reads, or has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPartition {
    /// the partition and its offsets
    pub watermarks: Watermarks,
    /// what the group has committed
    pub committed: Option<i64>,
    /// the member that reads it, as an index of [`GroupDescription::members`]
    pub member: Option<usize>,
}

impl GroupPartition {
    /// Offsets between the committed one and the last stable one: what a `read_committed` consumer could read now. `None`: the group has not
    /// committed any.
    pub fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.watermarks.last_stable - committed).max(0))
    }
}

/// The partitions of groups, in order, by topic and partition: all those of topics for which the group has committed an offset, or which a member
/// reads. Topics that were deleted are left out. Costs a request for each group, and a fixed number for all topics.
///
/// # Errors
/// Not authorized to describe a group or a topic, or no response.
pub fn group_partitions(admin: &Admin, groups: &[GroupDescription]) -> Result<Vec<Vec<GroupPartition>>> {
    type Known = (Option<i64>, Option<usize>);
    let mut known: Vec<BTreeMap<(String, i32), Known>> = Vec::with_capacity(groups.len());
    for group in groups {
        let committed = admin.committed_offsets(&group.name)?;
        let mut partitions: BTreeMap<(String, i32), Known> =
            committed.into_iter().map(|entry| ((entry.topic, entry.partition), (Some(entry.offset), None))).collect();
        for (index, member) in group.members.iter().enumerate() {
            for place in &member.partitions {
                partitions.entry(place.clone()).or_default().1 = Some(index);
            }
        }
        known.push(partitions);
    }
    let mut topics: Vec<&str> = known.iter().flat_map(BTreeMap::keys).map(|(topic, _)| topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let watermarks = admin.watermarks(&topics)?;
    let of_group = |known: &BTreeMap<(String, i32), Known>| {
        let is_of_group = |found: &&Watermarks| known.keys().any(|(topic, _)| *topic == found.topic);
        let partition = |found: &Watermarks| {
            let place = (found.topic.clone(), found.partition);
            let (committed, member) = known.get(&place).copied().unwrap_or_default();
            GroupPartition { watermarks: found.clone(), committed, member }
        };
        watermarks.iter().filter(is_of_group).map(partition).collect()
    };
    Ok(known.iter().map(of_group).collect())
}

/// Where a group is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetTarget {
    /// where it is: the committed offset, else the oldest message
    Committed,
    /// the oldest message
    Earliest,
    /// after the last message that `read_committed` consumers can read
    Latest,
    /// the first message with this timestamp, ms since 1970, or a later one; else [`Latest`](Self::Latest)
    Time(i64),
    /// this offset; see [`OffsetMove::check`]
    Offset(i64),
}

/// A partition's offset before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetMove {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// what the group has committed
    pub from: Option<i64>,
    /// what it is to commit
    pub to: i64,
    /// the oldest message
    pub low: i64,
    /// the last stable offset
    pub end: i64,
}

/// Where the group is in each partition of the topics, and where `target` is.
///
/// # Errors
/// A topic that does not exist or may not be seen, an offset that the topic does not have, not authorized to describe the group, or no response.
pub fn plan(admin: &Admin, group: &str, topics: &[String], target: OffsetTarget) -> Result<Vec<OffsetMove>> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let watermarks = admin.watermarks(&names)?;
    if let Some(topic) = topics.iter().find(|topic| watermarks.iter().all(|found| found.topic != **topic)) {
        // Kafka omits from a list what may not be seen; asked for by name, it says which.
        let described = admin.describe_topics(&[topic])?.pop().and_then(|topic| topic.error);
        let unknown = || Error::UnknownTopic { topic: topic.clone(), hint: String::new() };
        return Err(described.unwrap_or_else(unknown));
    }
    let committed = admin.committed_offsets(group)?;
    let committed: BTreeMap<(&str, i32), i64> =
        committed.iter().map(|entry| ((entry.topic.as_str(), entry.partition), entry.offset)).collect();
    let places: Vec<(String, i32)> = watermarks.iter().map(|found| (found.topic.clone(), found.partition)).collect();
    let of_time = match target {
        OffsetTarget::Time(time) => admin.offsets_for_time(&places, time)?,
        _ => vec![None; places.len()],
    };
    let moves = watermarks.into_iter().zip(of_time).map(|(found, of_time)| {
        let from = committed.get(&(found.topic.as_str(), found.partition)).copied();
        let to = match target {
            OffsetTarget::Committed => from.unwrap_or(found.low),
            OffsetTarget::Earliest => found.low,
            OffsetTarget::Latest => found.last_stable,
            OffsetTarget::Time(_) => of_time.map_or(found.last_stable, |offset| offset.min(found.last_stable)),
            OffsetTarget::Offset(offset) => offset,
        };
        OffsetMove { topic: found.topic, partition: found.partition, from, to, low: found.low, end: found.last_stable }
    });
    Ok(moves.collect())
}

impl OffsetMove {
    /// Checks that consumers can read at the new offset: it is between the oldest message and the last stable offset.
    ///
    /// # Errors
    /// The partition does not have it.
    pub fn check(&self) -> Result<()> {
        if (self.low..=self.end).contains(&self.to) {
            return Ok(());
        }
        let Self { topic, partition, to, low, end, .. } = self;
        Err(Error::Other {
            doing: format!("move to offset {to}"),
            reason: format!("topic `{topic}` partition {partition} has the offsets {low} to {end}"),
            transient: false,
        })
    }
}

/// Commits what was planned. The group must have no members.
///
/// # Errors
/// The group has members, not authorized, or no response.
pub fn apply(admin: &Admin, group: &str, moves: &[OffsetMove]) -> Result<()> {
    admin.describe_group(group)?.require_no_members()?;
    let offset =
        |entry: &OffsetMove| GroupOffset { topic: entry.topic.clone(), partition: entry.partition, offset: entry.to };
    admin.alter_offsets(group, &moves.iter().map(offset).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(committed: Option<i64>, last_stable: i64, high: i64) -> GroupPartition {
        let watermarks = Watermarks { topic: "t".to_owned(), partition: 0, low: 5, last_stable, high };
        GroupPartition { watermarks, committed, member: None }
    }

    #[test]
    fn lag_counts_up_to_the_last_stable_offset() {
        assert_eq!(partition(Some(10), 30, 50).lag(), Some(20));
        assert_eq!(partition(Some(40), 30, 50).lag(), Some(0), "a consumer of uncommitted messages");
        assert_eq!(partition(None, 30, 50).lag(), None);
    }

    #[test]
    fn an_offset_that_the_partition_does_not_have_is_refused() {
        let to = |to| OffsetMove { topic: "t".to_owned(), partition: 0, from: None, to, low: 5, end: 30 }.check();
        assert!(to(5).is_ok() && to(30).is_ok());
        for offset in [-1, 4, 31] {
            assert!(to(offset).unwrap_err().to_string().contains("has the offsets 5 to 30"));
        }
    }
}

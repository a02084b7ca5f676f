//! Moving a group's position.

use super::error::ConsumeError;
use crate::kafka::group::ConsumerGroup;
use crate::kafka::{Admin, Error};
use crate::messages::Start;

/// A partition's offset before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetMove {
    /// the topic
    pub topic: String,
    /// its partition
    pub partition: i32,
    /// what the group has committed
    pub from: Option<i64>,
    /// what it is to be
    pub to: i64,
    /// where the partition ends
    pub end: i64,
}

/// Where the group stands in each partition of the topics, and where `start` would put it.
///
/// # Errors
/// A topic that does not exist or may not be seen, no right to use the group, or no answer.
pub fn plan(
    admin: &Admin,
    group: &ConsumerGroup,
    topics: &[String],
    start: Start,
) -> Result<Vec<OffsetMove>, ConsumeError> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let watermarks = admin.watermarks(&names)?;
    if let Some(topic) = topics.iter().find(|topic| watermarks.iter().all(|found| found.topic != **topic)) {
        // Kafka leaves out of a list what may not be seen; asked for by name, it says which.
        let described = admin.describe_topics(&[topic])?.pop().and_then(|topic| topic.error);
        let unknown = || Error::UnknownTopic { topic: topic.clone(), hint: String::new() };
        return Err(described.unwrap_or_else(unknown).into());
    }
    let places: Vec<(String, i32)> = watermarks.iter().map(|found| (found.topic.clone(), found.partition)).collect();
    let committed = group.committed(&places)?;
    let of_time = match start {
        Start::At(time) => admin.offsets_for_time(&places, time)?,
        _ => vec![None; places.len()],
    };
    let moves = watermarks.into_iter().zip(committed).zip(of_time).map(|((found, from), of_time)| OffsetMove {
        to: match start {
            Start::Group => from.unwrap_or(found.low),
            Start::Earliest => found.low,
            Start::Latest => found.last_stable,
            Start::At(_) => of_time.unwrap_or(found.last_stable),
        },
        topic: found.topic,
        partition: found.partition,
        from,
        end: found.last_stable,
    });
    Ok(moves.collect())
}

/// Commits what was planned. The group must have no members.
///
/// # Errors
/// The group has members, who are named; no right to use it, or no answer.
pub fn apply(group: &ConsumerGroup, name: &str, moves: &[OffsetMove]) -> Result<(), ConsumeError> {
    require_no_members(group, name)?;
    let offsets: Vec<(String, i32, i64)> =
        moves.iter().map(|entry| (entry.topic.clone(), entry.partition, entry.to)).collect();
    Ok(group.commit(&offsets)?)
}

/// Checks that the group has no members.
///
/// # Errors
/// Somebody does.
pub fn require_no_members(group: &ConsumerGroup, name: &str) -> Result<(), ConsumeError> {
    let state = group.state()?;
    if state.members.is_empty() {
        return Ok(());
    }
    let members: Vec<String> =
        state.members.iter().map(|member| format!("{} at {}", member.client_id, member.host)).collect();
    Err(ConsumeError::Failed(format!(
        "consumer group `{name}` has members, so its position cannot be moved: {}; stop them first",
        members.join(", ")
    )))
}

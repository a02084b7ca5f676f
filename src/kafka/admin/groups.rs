//! Requests about consumer groups: ListGroups, DescribeGroups and ConsumerGroupDescribe, OffsetFetch and OffsetCommit.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Resource, Result};
use crate::kafka::ffi::admin_call::ResponseError;
use crate::kafka::ffi::groups as native;
use crate::kafka::group::{GroupDescription, GroupOffset};

/// librdkafka describes each group in a request of its own, all of them at the same time.
const MAX_GROUPS_PER_CALL: usize = 100;

impl Admin {
    /// The names of all consumer groups that the user may describe, sorted.
    ///
    /// # Errors
    /// A broker does not respond, or not authorized.
    pub fn list_groups(&self) -> Result<Vec<String>> {
        let mut names = self.submit("list the consumer groups of", native::list_groups)?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Describes consumer groups, in order. A group that Kafka does not know has the state `Dead`. Requires describe on the groups.
    ///
    /// # Errors
    /// Not authorized to describe one of them, or no response.
    pub fn describe_groups(&self, groups: &[&str]) -> Result<Vec<GroupDescription>> {
        const ACTION: &str = "describe";
        let mut descriptions = Vec::with_capacity(groups.len());
        for groups in groups.chunks(MAX_GROUPS_PER_CALL) {
            let mut found = self.submit(ACTION, |call| native::describe_groups(call, groups))?;
            for name in groups {
                let position = found.iter().position(|(found, _)| found == name);
                descriptions.push(match position.map(|position| found.swap_remove(position).1) {
                    Some(Ok(description)) => description,
                    Some(Err(ResponseError { code: Code::GroupIdNotFound, .. })) | None => GroupDescription::dead(name),
                    Some(Err(error)) => return Err(self.response_error(&error, ACTION, Resource::Group(name))),
                });
            }
        }
        Ok(descriptions)
    }

    /// Describes one consumer group: see [`describe_groups`](Self::describe_groups).
    ///
    /// # Errors
    /// Not authorized to describe it, or no response.
    pub fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        Ok(self.describe_groups(&[group])?.pop().unwrap_or_else(|| GroupDescription::dead(group)))
    }

    /// The offsets that a group has committed, by topic and partition. Empty for a group that Kafka does not know. Requires describe on the group,
    /// and on the topics: others are left out.
    ///
    /// # Errors
    /// Not authorized to describe the group, or no response.
    pub fn committed_offsets(&self, group: &str) -> Result<Vec<GroupOffset>> {
        const ACTION: &str = "fetch the offsets of";
        let found =
            match self.submit_about(ACTION, Resource::Group(group), |call| native::committed_offsets(call, group)) {
                Err(Error::Other { .. }) if self.describe_group(group).is_ok_and(|found| found.is_dead()) => Vec::new(),
                found => found?,
            };
        let offset = |(topic, partition, offset): (String, i32, std::result::Result<i64, Code>)| {
            let offset = offset.ok().filter(|offset| *offset >= 0)?;
            Some(GroupOffset { topic, partition, offset })
        };
        let mut offsets: Vec<GroupOffset> = found.into_iter().filter_map(offset).collect();
        offsets.sort();
        Ok(offsets)
    }

    /// Commits offsets for a group, which is created where it does not exist. The brokers refuse it while the group has members. Requires read on
    /// the group and on the topics.
    ///
    /// # Errors
    /// The group has members, a topic does not exist, not authorized, or no response.
    pub fn alter_offsets(&self, group: &str, offsets: &[GroupOffset]) -> Result<()> {
        const ACTION: &str = "commit offsets of";
        if offsets.is_empty() {
            return Ok(());
        }
        let list: Vec<(String, i32, i64)> =
            offsets.iter().map(|entry| (entry.topic.clone(), entry.partition, entry.offset)).collect();
        let submitted =
            self.submit_about(ACTION, Resource::Group(group), |call| native::alter_offsets(call, group, &list));
        let refused = submitted.and_then(|results| {
            let first = results.into_iter().find_map(|(topic, _, result)| result.err().map(|code| (topic, code)));
            first.map_or(Ok(()), |(topic, code)| {
                let is_topic = matches!(code, Code::UnknownTopicOrPartition | Code::TopicAuthorizationFailed);
                let resource = if is_topic { Resource::Topic(&topic) } else { Resource::Group(group) };
                Err(self.request_error(code, "", ACTION, resource))
            })
        });
        // The brokers' error for a group with members does not say so.
        if let Err(Error::Other { .. }) = refused {
            self.describe_group(group)?.require_no_members()?;
        }
        refused
    }
}

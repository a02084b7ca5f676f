//! Consumer groups: ListConsumerGroups, DescribeConsumerGroups, ListConsumerGroupOffsets and AlterConsumerGroupOffsets.

use std::ffi::c_char;

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallError, CallResult, ResponseError, c_string, elements, response_error};
use super::offsets::{PartitionOffset, Partitions};
use super::text;
use crate::kafka::error::Error;
use crate::kafka::group::{GroupDescription, GroupMember};

/// The names of all groups that the user may describe. Brokers that do not answer are left out where others do.
pub(in crate::kafka) fn list_groups(call: &AdminCall<'_>) -> CallResult<Vec<String>> {
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, |client, options, queue| {
        // SAFETY: everything lives through the call.
        unsafe { sys::rd_kafka_ListConsumerGroups(client, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroups_result(event.0);
        let mut count = 0;
        let errors = sys::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut count);
        if let Some(error) = elements(errors, count).find_map(|error| response_error(error)) {
            return Err(CallError::Response(error));
        }
        let mut count = 0;
        let groups = sys::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count);
        Ok(elements(groups, count).map(|group| text(sys::rd_kafka_ConsumerGroupListing_group_id(group))).collect())
    }
}

/// Describes groups in one call: each group's name, and its description or why it has none.
pub(in crate::kafka) fn describe_groups(
    call: &AdminCall<'_>,
    groups: &[&str],
) -> CallResult<Vec<(String, Result<GroupDescription, ResponseError>)>> {
    let names = groups.iter().map(|name| c_string(name)).collect::<Result<Vec<_>, Error>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, |client, options, queue| {
        // SAFETY: the names live through the call, which copies them.
        unsafe { sys::rd_kafka_DescribeConsumerGroups(client, pointers.as_mut_ptr(), pointers.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.0);
        let found = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        elements(found, count)
            .map(|group| {
                let name = text(sys::rd_kafka_ConsumerGroupDescription_group_id(group));
                let description = match response_error(sys::rd_kafka_ConsumerGroupDescription_error(group)) {
                    Some(error) => Err(error),
                    None => Ok(copy_group(group, name.clone())),
                };
                (name, description)
            })
            .collect()
    })
}

/// # Safety
/// `group` belongs to an event that is not freed yet.
unsafe fn copy_group(group: *const sys::rd_kafka_ConsumerGroupDescription_t, name: String) -> GroupDescription {
    // SAFETY: the caller's promise; the index is below the number of members.
    unsafe {
        let count = sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        let member = |index| copy_member(sys::rd_kafka_ConsumerGroupDescription_member(group, index));
        let state = sys::rd_kafka_ConsumerGroupDescription_state(group);
        let group_type = sys::rd_kafka_ConsumerGroupDescription_type(group);
        GroupDescription {
            name,
            state: text(sys::rd_kafka_consumer_group_state_name(state)),
            group_type: text(sys::rd_kafka_consumer_group_type_name(group_type)),
            assignor: text(sys::rd_kafka_ConsumerGroupDescription_partition_assignor(group)),
            members: (0..count).map(member).collect(),
        }
    }
}

/// # Safety
/// `member` belongs to an event that is not freed yet.
unsafe fn copy_member(member: *const sys::rd_kafka_MemberDescription_t) -> GroupMember {
    // SAFETY: the caller's promise; a member without an assignment has a null pointer in its place.
    unsafe {
        let assignment = sys::rd_kafka_MemberDescription_assignment(member);
        let partitions = match assignment.is_null() {
            true => Vec::new(),
            false => {
                let list = sys::rd_kafka_MemberAssignment_partitions(assignment);
                copy_list(list).into_iter().map(|(topic, partition, _)| (topic, partition)).collect()
            }
        };
        GroupMember {
            id: text(sys::rd_kafka_MemberDescription_consumer_id(member)),
            client_id: text(sys::rd_kafka_MemberDescription_client_id(member)),
            host: text(sys::rd_kafka_MemberDescription_host(member)).trim_start_matches('/').to_owned(),
            partitions,
        }
    }
}

/// The committed offset of each partition for which the group has one.
pub(in crate::kafka) fn committed_offsets(call: &AdminCall<'_>, group: &str) -> CallResult<Vec<PartitionOffset>> {
    let name = c_string(group)?;
    // SAFETY: the name lives through the call, which copies it; a null list stands for all partitions.
    let mut request =
        OffsetsRequest(unsafe { sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), std::ptr::null()) });
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the request.
        unsafe { sys::rd_kafka_ListConsumerGroupOffsets(client, &raw mut request.0, 1, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event.0);
        let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        copy_group_results(groups, count)
    }
}

/// Commits an offset for each partition. Returns the error of each, if any.
pub(in crate::kafka) fn alter_offsets(
    call: &AdminCall<'_>,
    group: &str,
    offsets: &[(String, i32, i64)],
) -> CallResult<Vec<PartitionOffset>> {
    let name = c_string(group)?;
    let list = Partitions::new(offsets.iter().map(|(topic, partition, offset)| (topic.as_str(), *partition, *offset)))?;
    // SAFETY: name and list live through the call, which copies them.
    let mut request =
        AlterRequest(unsafe { sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), list.as_ptr()) });
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the request.
        unsafe { sys::rd_kafka_AlterConsumerGroupOffsets(client, &raw mut request.0, 1, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event.0);
        let groups = sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
        copy_group_results(groups, count)
    }
}

/// The partitions of the one group that was asked for.
///
/// # Safety
/// `first` points to `count` pointers that belong to an event which is not freed yet.
unsafe fn copy_group_results(
    first: *mut *const sys::rd_kafka_group_result_t,
    count: usize,
) -> CallResult<Vec<PartitionOffset>> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut found = Vec::new();
        for group in elements(first, count) {
            if let Some(error) = response_error(sys::rd_kafka_group_result_error(group)) {
                return Err(CallError::Response(error));
            }
            found.extend(copy_list(sys::rd_kafka_group_result_partitions(group)));
        }
        Ok(found)
    }
}

/// # Safety
/// `list` is null or belongs to an event that is not freed yet.
unsafe fn copy_list(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<PartitionOffset> {
    // SAFETY: the caller's promise; the list has `cnt` elements.
    unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        let count = usize::try_from(list.cnt).unwrap_or(0);
        (0..count)
            .map(|index| {
                let element = &*list.elems.add(index);
                let offset = match Code::from(element.err) {
                    Code::NoError => Ok(element.offset),
                    code => Err(code),
                };
                (text(element.topic), element.partition, offset)
            })
            .collect()
    }
}

/// A request for the offsets of a group, freed when dropped.
struct OffsetsRequest(*mut sys::rd_kafka_ListConsumerGroupOffsets_t);

impl Drop for OffsetsRequest {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_ListConsumerGroupOffsets_destroy(self.0) }
    }
}

/// A request to change the offsets of a group, freed when dropped.
struct AlterRequest(*mut sys::rd_kafka_AlterConsumerGroupOffsets_t);

impl Drop for AlterRequest {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_AlterConsumerGroupOffsets_destroy(self.0) }
    }
}

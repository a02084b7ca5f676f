//! Topics: DescribeTopics, which also tells what the user may do with each. It needs no administrator.

use std::ffi::c_char;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::acls::operation;
use super::admin_call::{AdminCall, CallResult, ResponseError, c_string, elements, response_error};
use super::text;
use crate::kafka::acls::Operation;
use crate::kafka::error::Error;
use crate::kafka::topics::PartitionDescription;

/// A topic that exists.
pub(in crate::kafka) struct NativeTopic {
    pub partitions: Vec<PartitionDescription>,
    /// empty where the brokers do not tell
    pub operations: Vec<Operation>,
}

/// A topic's name and its description, or why it has none.
pub(in crate::kafka) type NativeDescription = (String, Result<NativeTopic, ResponseError>);

/// Topics, freed when dropped.
struct Topics(*mut sys::rd_kafka_TopicCollection_t);

impl Drop for Topics {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_TopicCollection_destroy(self.0) }
    }
}

/// Describes topics in one request.
pub(in crate::kafka) fn describe_topics(call: &AdminCall<'_>, topics: &[&str]) -> CallResult<Vec<NativeDescription>> {
    let names = topics.iter().map(|name| c_string(name)).collect::<Result<Vec<_>, Error>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names live through the call, which copies them.
    let topics = Topics(unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) });
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the topics.
        unsafe { sys::rd_kafka_DescribeTopics(client, topics.0, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        let descriptions = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        elements(descriptions, count).map(|description| copy_topic(description)).collect()
    })
}

/// # Safety
/// `topic` belongs to an event that is not freed yet.
unsafe fn copy_topic(topic: *const sys::rd_kafka_TopicDescription_t) -> NativeDescription {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(sys::rd_kafka_TopicDescription_name(topic));
        if let Some(error) = response_error(sys::rd_kafka_TopicDescription_error(topic)) {
            return (name, Err(error));
        }
        let mut count = 0;
        let first = sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
        let operations = (0..if first.is_null() { 0 } else { count }).map(|i| operation(*first.add(i))).collect();
        let mut count = 0;
        let first = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let mut partitions: Vec<_> = elements(first, count).map(|partition| copy_partition(partition)).collect();
        partitions.sort_by_key(|partition| partition.id);
        (name, Ok(NativeTopic { partitions, operations }))
    }
}

/// # Safety
/// `partition` belongs to an event that is not freed yet.
unsafe fn copy_partition(partition: *const sys::rd_kafka_TopicPartitionInfo_t) -> PartitionDescription {
    // SAFETY: the caller's promise; a partition without a leader has a null pointer in its place.
    unsafe {
        let id = |node: *const sys::rd_kafka_Node_t| if node.is_null() { -1 } else { sys::rd_kafka_Node_id(node) };
        let mut count = 0;
        let replicas = sys::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut count);
        let replicas = elements(replicas, count).map(id).collect();
        let mut count = 0;
        let in_sync = sys::rd_kafka_TopicPartitionInfo_isr(partition, &raw mut count);
        PartitionDescription {
            id: sys::rd_kafka_TopicPartitionInfo_partition(partition),
            leader: Some(id(sys::rd_kafka_TopicPartitionInfo_leader(partition))).filter(|id| *id >= 0),
            replicas,
            in_sync: elements(in_sync, count).map(id).collect(),
        }
    }
}

//! Changes of topics: CreateTopics, CreatePartitions and DeleteTopics.

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallError, CallResult, ResponseError, c_string, elements, error_of_code};
use super::text;
use crate::kafka::topics::TopicSpec;

/// A topic's name, and why it was not changed.
pub(in crate::kafka) type TopicChange = (String, Option<ResponseError>);

/// What librdkafka refuses before it sends a request: a text that it writes to a buffer.
struct Refusal([std::ffi::c_char; 256]);

impl Refusal {
    fn new() -> Self {
        Self([0; 256])
    }

    fn error(&self) -> CallError {
        // SAFETY: librdkafka ends the text with a NUL byte, within the buffer; unwritten, the buffer is all NUL bytes.
        let reason = unsafe { text(self.0.as_ptr()) };
        CallError::Response(ResponseError { code: Code::InvalidArgument, reason })
    }
}

/// New topics, freed when dropped.
struct NewTopics(Vec<*mut sys::rd_kafka_NewTopic_t>);

impl Drop for NewTopics {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_NewTopic_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

/// Creates topics in one request.
pub(in crate::kafka) fn create_topics(
    call: &AdminCall<'_>,
    topics: &[(&str, &TopicSpec)],
) -> CallResult<Vec<TopicChange>> {
    let mut new = NewTopics(Vec::with_capacity(topics.len()));
    for (topic, spec) in topics {
        let (name, mut refusal) = (c_string(topic)?, Refusal::new());
        let (partitions, replication) = (spec.partitions.unwrap_or(-1), spec.replication.unwrap_or(-1));
        let (message, len) = (refusal.0.as_mut_ptr(), refusal.0.len());
        // SAFETY: the name lives through the call, which copies it; the message is cut at the buffer's end.
        let topic = unsafe { sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replication, message, len) };
        if topic.is_null() {
            return Err(refusal.error());
        }
        new.0.push(topic);
        for (name, value) in &spec.config {
            let (name, value) = (c_string(name)?, c_string(value)?);
            // SAFETY: the topic is valid, and name and value live through the call, which copies them.
            let error = unsafe {
                let code = sys::rd_kafka_NewTopic_set_config(topic, name.as_ptr(), value.as_ptr());
                error_of_code(code, std::ptr::null())
            };
            if let Some(error) = error {
                return Err(CallError::Response(error));
            }
        }
    }
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_CREATETOPICS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the topics.
        unsafe { sys::rd_kafka_CreateTopics(client, new.0.as_mut_ptr(), new.0.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_CreateTopics_result(event.0);
        changes(sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count), count)
    })
}

/// Adds partitions to a topic until it has `count`.
pub(in crate::kafka) fn create_partitions(
    call: &AdminCall<'_>,
    topic: &str,
    count: usize,
) -> CallResult<Vec<TopicChange>> {
    struct NewPartitions(*mut sys::rd_kafka_NewPartitions_t);
    impl Drop for NewPartitions {
        fn drop(&mut self) {
            // SAFETY: owned by this guard, and freed once.
            unsafe { sys::rd_kafka_NewPartitions_destroy(self.0) }
        }
    }

    let (name, mut refusal) = (c_string(topic)?, Refusal::new());
    let (message, len) = (refusal.0.as_mut_ptr(), refusal.0.len());
    // SAFETY: the name lives through the call, which copies it; the message is cut at the buffer's end.
    let new = unsafe { sys::rd_kafka_NewPartitions_new(name.as_ptr(), count, message, len) };
    if new.is_null() {
        return Err(refusal.error());
    }
    let mut new = NewPartitions(new);
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the request.
        unsafe { sys::rd_kafka_CreatePartitions(client, &raw mut new.0, 1, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_CreatePartitions_result(event.0);
        changes(sys::rd_kafka_CreatePartitions_result_topics(result, &raw mut count), count)
    })
}

/// Deletes a topic.
pub(in crate::kafka) fn delete_topic(call: &AdminCall<'_>, topic: &str) -> CallResult<Vec<TopicChange>> {
    struct Deletion(*mut sys::rd_kafka_DeleteTopic_t);
    impl Drop for Deletion {
        fn drop(&mut self) {
            // SAFETY: owned by this guard, and freed once.
            unsafe { sys::rd_kafka_DeleteTopic_destroy(self.0) }
        }
    }

    let name = c_string(topic)?;
    // SAFETY: the name lives through the call, which copies it.
    let mut deletion = Deletion(unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) });
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DELETETOPICS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the request.
        unsafe { sys::rd_kafka_DeleteTopics(client, &raw mut deletion.0, 1, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DeleteTopics_result(event.0);
        changes(sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count), count)
    })
}

/// # Safety
/// `first` points to `count` results of an event that is not freed yet.
unsafe fn changes(first: *mut *const sys::rd_kafka_topic_result_t, count: usize) -> Vec<TopicChange> {
    // SAFETY: the caller's promise.
    unsafe {
        let change = |topic| {
            let error = sys::rd_kafka_topic_result_error(topic);
            let name = text(sys::rd_kafka_topic_result_name(topic));
            (name, error_of_code(error, sys::rd_kafka_topic_result_error_string(topic)))
        };
        elements(first, count).map(change).collect()
    }
}

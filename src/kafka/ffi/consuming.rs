//! The events of a consumer, with their topic and partition.

use std::ffi::c_void;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;

use super::{Queue, text};
use crate::kafka::connection::Connection;
use crate::kafka::error::normalize_message;
use crate::kafka::message::Message;

/// An event of a consumer.
pub(in crate::kafka) enum ConsumerEvent {
    Message(Message),
    EndOfPartition {
        topic: String,
        partition: i32,
        offset: i64,
    },
    /// partitions that the group assigns to this consumer: the caller must assign them
    Assign(Vec<(String, i32)>),
    /// partitions that the group revokes: the caller must unassign them
    Revoke(Vec<(String, i32)>),
    Error {
        code: Code,
        reason: String,
        topic: Option<String>,
    },
    /// an event for the connection, already handled
    Handled,
}

/// The next event of a consumer that has a group, within `timeout`. rdkafka's own poll does not tell which topic an end of partition belongs to.
pub(in crate::kafka) fn next_event(consumer: &BaseConsumer<Connection>, timeout: Duration) -> Option<ConsumerEvent> {
    let client = consumer.client();
    // SAFETY: a consumer with a group has this queue; the reference is freed by its guard, before the client.
    let queue = Queue(unsafe { sys::rd_kafka_queue_get_consumer(client.native_ptr()) });
    if queue.0.is_null() {
        return None;
    }
    let event = queue.poll(timeout)?;
    // SAFETY: the event is valid until its guard is dropped, and everything taken from it is copied before.
    unsafe {
        Some(match sys::rd_kafka_event_type(event.0) {
            sys::RD_KAFKA_EVENT_FETCH => match sys::rd_kafka_event_message_next(event.0).as_ref() {
                Some(message) => ConsumerEvent::Message(copy_message(message)),
                None => ConsumerEvent::Handled,
            },
            sys::RD_KAFKA_EVENT_REBALANCE => {
                let partitions = copy_partitions(sys::rd_kafka_event_topic_partition_list(event.0));
                match Code::from(sys::rd_kafka_event_error(event.0)) {
                    Code::AssignPartitions => ConsumerEvent::Assign(partitions),
                    _ => ConsumerEvent::Revoke(partitions),
                }
            }
            sys::RD_KAFKA_EVENT_ERROR => {
                let code = Code::from(sys::rd_kafka_event_error(event.0));
                let partition = sys::rd_kafka_event_topic_partition(event.0);
                let found = partition.as_ref().map(|p| (text(p.topic), p.partition, p.offset));
                if !partition.is_null() {
                    sys::rd_kafka_topic_partition_destroy(partition);
                }
                match (code, found) {
                    (Code::PartitionEOF, Some((topic, partition, offset))) => {
                        ConsumerEvent::EndOfPartition { topic, partition, offset }
                    }
                    (code, found) => {
                        event.report(client.context());
                        let reason = normalize_message(&text(sys::rd_kafka_event_error_string(event.0)));
                        ConsumerEvent::Error { code, reason, topic: found.map(|(topic, ..)| topic) }
                    }
                }
            }
            _ => {
                event.report(client.context());
                ConsumerEvent::Handled
            }
        })
    }
}

/// # Safety
/// `message` belongs to an event that is not freed yet.
unsafe fn copy_message(message: &sys::rd_kafka_message_t) -> Message {
    // SAFETY: a consumed message has a topic; key and payload are null or have the given length; the message owns its headers.
    unsafe {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let timestamp = sys::rd_kafka_message_timestamp(message, &raw mut kind);
        let mut headers = Vec::new();
        let mut list = std::ptr::null_mut();
        if Code::from(sys::rd_kafka_message_headers(message, &raw mut list)) == Code::NoError {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            while Code::from(sys::rd_kafka_header_get_all(
                list,
                headers.len(),
                &raw mut name,
                &raw mut value,
                &raw mut size,
            )) == Code::NoError
            {
                headers.push((text(name), bytes(value, size)));
            }
        }
        Message {
            topic: text(sys::rd_kafka_topic_name(message.rkt)),
            partition: message.partition,
            offset: message.offset,
            timestamp: (timestamp >= 0).then_some(timestamp),
            key: bytes(message.key, message.key_len),
            value: bytes(message.payload, message.len),
            headers,
        }
    }
}

/// # Safety
/// `data` is null or points to `size` bytes.
unsafe fn bytes(data: *const c_void, size: usize) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) }.to_vec())
}

/// # Safety
/// `list` is null or a list that is not freed yet.
unsafe fn copy_partitions(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<(String, i32)> {
    // SAFETY: the caller's promise; the list holds `cnt` elements, whose topics are strings.
    unsafe {
        let Some(list) = list.as_ref().filter(|list| list.cnt > 0) else { return Vec::new() };
        let elements = std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0));
        elements.iter().map(|element| (text(element.topic), element.partition)).collect()
    }
}

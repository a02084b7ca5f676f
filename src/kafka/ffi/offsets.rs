//! Offsets of many partitions in one request: ListOffsets.

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_IsolationLevel_t as NativeIsolation;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallResult, c_string, elements};
use super::text;
use crate::kafka::error::Error;

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum OffsetSpec {
    /// the oldest retained record
    Low,
    /// the first offset of an open transaction; the high watermark where there is none
    LastStable,
    /// the offset after the last replicated record
    High,
    /// the first record with this timestamp (ms since 1970) or a later one, committed or not; −1: there is none
    Since(i64),
    /// in the place of an offset the newest timestamp of a record, ms since 1970; −1: there is none
    NewestTimestamp,
}

/// Topic and number of a partition, and its offset or why it is unknown.
pub(in crate::kafka) type PartitionOffset = (String, i32, Result<i64, Code>);

/// Partitions of topics, freed when dropped.
pub(super) struct Partitions(*mut sys::rd_kafka_topic_partition_list_t);

impl Partitions {
    /// Topic, partition and offset of each.
    pub fn new<'a>(partitions: impl ExactSizeIterator<Item = (&'a str, i32, i64)>) -> Result<Self, Error> {
        let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        // SAFETY: the size is only a hint; the list is freed by its guard.
        let list = Self(unsafe { sys::rd_kafka_topic_partition_list_new(count) });
        for (topic, partition, offset) in partitions {
            let topic = c_string(topic)?;
            // SAFETY: the name lives through the call, which copies it; the element that is returned belongs to the list.
            unsafe {
                let element = sys::rd_kafka_topic_partition_list_add(list.0, topic.as_ptr(), partition);
                (*element).offset = offset;
            }
        }
        Ok(list)
    }

    /// The list, for a call that copies it.
    pub fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// One offset of each partition, in no particular order. librdkafka sends one request to each broker that leads any of them.
pub(in crate::kafka) fn list_offsets(
    call: &AdminCall<'_>,
    partitions: &[(String, i32)],
    spec: OffsetSpec,
) -> CallResult<Vec<PartitionOffset>> {
    let value = match spec {
        OffsetSpec::Low => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64,
        OffsetSpec::LastStable | OffsetSpec::High => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i64,
        OffsetSpec::Since(time) => time.max(0),
        OffsetSpec::NewestTimestamp => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP as i64,
    };
    let isolation = match spec {
        OffsetSpec::LastStable => NativeIsolation::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        OffsetSpec::Low | OffsetSpec::High | OffsetSpec::Since(_) | OffsetSpec::NewestTimestamp => {
            NativeIsolation::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
        }
    };
    let list = Partitions::new(partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition, value)))?;
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_LISTOFFSETS, |client, options, queue| {
        // SAFETY: everything lives through the calls, which copy the list; the error is null or ours to free.
        unsafe {
            let error = sys::rd_kafka_AdminOptions_set_isolation_level(options.cast_mut(), isolation);
            if !error.is_null() {
                sys::rd_kafka_error_destroy(error);
            }
            sys::rd_kafka_ListOffsets(client, list.0, options, queue);
        }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end; each element has a partition with a
    // topic.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_ListOffsets_result(event.0);
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        elements(infos, count)
            .filter_map(|info| {
                let found = sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info).as_ref()?;
                Some((found, sys::rd_kafka_ListOffsetsResultInfo_timestamp(info)))
            })
            .map(|(found, timestamp)| {
                let offset = match Code::from(found.err) {
                    Code::NoError if spec == OffsetSpec::NewestTimestamp => Ok(timestamp),
                    Code::NoError if found.offset >= 0 => Ok(found.offset),
                    Code::NoError if matches!(spec, OffsetSpec::Since(_)) => Ok(-1),
                    Code::NoError => Err(Code::LeaderNotAvailable),
                    code => Err(code),
                };
                (text(found.topic), found.partition, offset)
            })
            .collect()
    })
}

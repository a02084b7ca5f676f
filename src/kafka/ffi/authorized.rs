//! What the asking user may do with topics. Kafka tells everybody of its own rights: it takes no administrator.

use std::ffi::c_char;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::administration::{AdminCall, NamedResponse, Response, c_string, elements, operation, response_error};
use super::text;
use crate::kafka::acls::Operation;
use crate::kafka::error::Result;

/// Topics, freed when dropped.
struct Topics(*mut sys::rd_kafka_TopicCollection_t);

impl Drop for Topics {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { sys::rd_kafka_TopicCollection_destroy(self.0) }
    }
}

/// For each topic what the user may do with it, or why that is not said.
pub(in crate::kafka) fn topic_operations(
    call: &AdminCall<'_>,
    topics: &[&str],
) -> Result<Response<Vec<NamedResponse<Vec<Operation>>>>> {
    let names = topics.iter().map(|name| c_string(name)).collect::<Result<Vec<_>>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names live through the call, which copies them.
    let topics = Topics(unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) });
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the topics.
        unsafe { sys::rd_kafka_DescribeTopics(client, topics.0, options, queue) }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        let descriptions = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        elements(descriptions, count)
            .map(|description| {
                let name = text(sys::rd_kafka_TopicDescription_name(description));
                if let Some(refused) = response_error(sys::rd_kafka_TopicDescription_error(description)) {
                    return (name, Err(refused));
                }
                let mut count = 0;
                let first = sys::rd_kafka_TopicDescription_authorized_operations(description, &raw mut count);
                let operations = (0..if first.is_null() { 0 } else { count }).map(|i| operation(*first.add(i)));
                (name, Ok(operations.collect()))
            })
            .collect()
    }))
}

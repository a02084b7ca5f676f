//! The configuration of topics and brokers: DescribeConfigs.

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_ConfigSource_t as Source;
use rdkafka_sys::rd_kafka_ResourceType_t as ResourceType;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallResult, ResponseError, c_string, elements, error_of_code};
use super::text;
use crate::kafka::topics::TopicConfigEntry;

/// The name of a topic or the id of a broker, and its options or why they cannot be seen.
pub(in crate::kafka) type NativeConfig = (String, Result<Vec<TopicConfigEntry>, ResponseError>);

/// Resources, freed when dropped.
struct Resources(Vec<*mut sys::rd_kafka_ConfigResource_t>);

impl Drop for Resources {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_ConfigResource_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

/// Requests the options of topics from `broker`; without one, from the controller.
pub(in crate::kafka) fn describe_topic_configs(
    call: &AdminCall<'_>,
    topics: &[&str],
    broker: Option<i32>,
) -> CallResult<Vec<NativeConfig>> {
    describe_configs(call, ResourceType::RD_KAFKA_RESOURCE_TOPIC, topics, broker)
}

/// Requests the options of a broker, from that broker.
pub(in crate::kafka) fn describe_broker_config(call: &AdminCall<'_>, broker: i32) -> CallResult<Vec<NativeConfig>> {
    describe_configs(call, ResourceType::RD_KAFKA_RESOURCE_BROKER, &[&broker.to_string()], Some(broker))
}

fn describe_configs(
    call: &AdminCall<'_>,
    resource_type: ResourceType,
    names: &[&str],
    broker: Option<i32>,
) -> CallResult<Vec<NativeConfig>> {
    let mut resources = Resources(Vec::with_capacity(names.len()));
    for name in names {
        let name = c_string(name)?;
        // SAFETY: the name lives through the call, which copies it.
        resources.0.push(unsafe { sys::rd_kafka_ConfigResource_new(resource_type, name.as_ptr()) });
    }
    let event = call.submit_to(broker, AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the resources.
        unsafe { sys::rd_kafka_DescribeConfigs(client, resources.0.as_mut_ptr(), resources.0.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeConfigs_result(event.0);
        let found = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        elements(found, count).map(|resource| copy_resource(resource)).collect()
    })
}

/// # Safety
/// `resource` belongs to an event that is not freed yet.
unsafe fn copy_resource(resource: *const sys::rd_kafka_ConfigResource_t) -> NativeConfig {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(sys::rd_kafka_ConfigResource_name(resource));
        let error = sys::rd_kafka_ConfigResource_error(resource);
        if let Some(error) = error_of_code(error, sys::rd_kafka_ConfigResource_error_string(resource)) {
            return (name, Err(error));
        }
        let mut count = 0;
        let entries = sys::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        let entry = |entry| TopicConfigEntry {
            name: text(sys::rd_kafka_ConfigEntry_name(entry)),
            value: text(sys::rd_kafka_ConfigEntry_value(entry)),
            is_override: sys::rd_kafka_ConfigEntry_source(entry) == Source::RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG,
        };
        (name, Ok(elements(entries, count).map(entry).collect()))
    }
}

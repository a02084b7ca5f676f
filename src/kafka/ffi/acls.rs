//! ACLs: CreateAcls, DescribeAcls and DeleteAcls.

use std::ffi::CString;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_AclOperation_t as NativeOperation;
use rdkafka_sys::rd_kafka_AclPermissionType_t as NativePermission;
use rdkafka_sys::rd_kafka_ResourcePatternType_t as NativePattern;
use rdkafka_sys::rd_kafka_ResourceType_t as NativeType;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallResult, ResponseError, c_string, elements, response_error};
use super::text;
use crate::kafka::acls::{AclBinding, AclFilter, Match, Operation, Pattern, PatternFilter, Permission, ResourceType};
use crate::kafka::error::{Error, normalize_message};

/// Creates ACLs. Returns the error of each, in order.
pub(in crate::kafka) fn create_acls(
    call: &AdminCall<'_>,
    acls: &[AclBinding],
) -> CallResult<Vec<Option<ResponseError>>> {
    let mut natives = NativeAcls(Vec::with_capacity(acls.len()));
    for acl in acls {
        natives.add(&acl.into(), false)?;
    }
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_CREATEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the ACLs.
        unsafe { sys::rd_kafka_CreateAcls(client, natives.0.as_mut_ptr(), natives.0.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let results =
            sys::rd_kafka_CreateAcls_result_acls(sys::rd_kafka_event_CreateAcls_result(event.0), &raw mut count);
        elements(results, count).map(|result| response_error(sys::rd_kafka_acl_result_error(result))).collect()
    })
}

/// The ACLs that match a filter. Also empty where the user is not authorized: librdkafka 2.12 drops that error.
pub(in crate::kafka) fn describe_acls(call: &AdminCall<'_>, filter: &AclFilter) -> CallResult<Vec<AclBinding>> {
    let mut natives = NativeAcls(Vec::with_capacity(1));
    let native = natives.add(filter, true)?;
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the filter.
        unsafe { sys::rd_kafka_DescribeAcls(client, native, options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let found =
            sys::rd_kafka_DescribeAcls_result_acls(sys::rd_kafka_event_DescribeAcls_result(event.0), &raw mut count);
        elements(found, count).map(|acl| copy_acl(acl)).collect()
    })
}

/// Deletes the ACLs that match filters. Returns for each filter, in order, the deleted ACLs and the error.
pub(in crate::kafka) fn delete_acls(
    call: &AdminCall<'_>,
    filters: &[AclFilter],
) -> CallResult<Vec<(Vec<AclBinding>, Option<ResponseError>)>> {
    let mut natives = NativeAcls(Vec::with_capacity(filters.len()));
    for filter in filters {
        natives.add(filter, true)?;
    }
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DELETEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the filters.
        unsafe { sys::rd_kafka_DeleteAcls(client, natives.0.as_mut_ptr(), natives.0.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DeleteAcls_result(event.0);
        let responses = sys::rd_kafka_DeleteAcls_result_responses(result, &raw mut count);
        elements(responses, count)
            .map(|response| {
                let error = response_error(sys::rd_kafka_DeleteAcls_result_response_error(response));
                let mut count = 0;
                let found = sys::rd_kafka_DeleteAcls_result_response_matching_acls(response, &raw mut count);
                (elements(found, count).map(|acl| copy_acl(acl)).collect(), error)
            })
            .collect()
    })
}

/// # Safety
/// `acl` belongs to an event that is not freed yet.
unsafe fn copy_acl(acl: *const sys::rd_kafka_AclBinding_t) -> AclBinding {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(sys::rd_kafka_AclBinding_name(acl));
        AclBinding {
            principal: text(sys::rd_kafka_AclBinding_principal(acl)),
            host: text(sys::rd_kafka_AclBinding_host(acl)),
            resource_type: resource_type(sys::rd_kafka_AclBinding_restype(acl)),
            pattern: match sys::rd_kafka_AclBinding_resource_pattern_type(acl) {
                NativePattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED => Pattern::Prefixed(name),
                _ => Pattern::Literal(name),
            },
            operation: operation(sys::rd_kafka_AclBinding_operation(acl)),
            permission: match sys::rd_kafka_AclBinding_permission_type(acl) {
                NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW => Permission::Allow,
                _ => Permission::Deny,
            },
        }
    }
}

/// The cluster has the number that librdkafka calls a broker.
const RESOURCE_TYPES: [(ResourceType, NativeType); 4] = [
    (ResourceType::Topic, NativeType::RD_KAFKA_RESOURCE_TOPIC),
    (ResourceType::Group, NativeType::RD_KAFKA_RESOURCE_GROUP),
    (ResourceType::Cluster, NativeType::RD_KAFKA_RESOURCE_BROKER),
    (ResourceType::TransactionalId, NativeType::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];

fn resource_type(native: NativeType) -> ResourceType {
    RESOURCE_TYPES.iter().find(|(_, n)| *n == native).map_or(ResourceType::Unknown, |(resource_type, _)| *resource_type)
}

fn native_type(resource_type: ResourceType) -> NativeType {
    let unknown = NativeType::RD_KAFKA_RESOURCE_UNKNOWN;
    RESOURCE_TYPES.iter().find(|(t, _)| *t == resource_type).map_or(unknown, |(_, native)| *native)
}

const OPERATIONS: [(Operation, NativeOperation); 11] = [
    (Operation::All, NativeOperation::RD_KAFKA_ACL_OPERATION_ALL),
    (Operation::Read, NativeOperation::RD_KAFKA_ACL_OPERATION_READ),
    (Operation::Write, NativeOperation::RD_KAFKA_ACL_OPERATION_WRITE),
    (Operation::Create, NativeOperation::RD_KAFKA_ACL_OPERATION_CREATE),
    (Operation::Delete, NativeOperation::RD_KAFKA_ACL_OPERATION_DELETE),
    (Operation::Alter, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER),
    (Operation::Describe, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    (Operation::ClusterAction, NativeOperation::RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION),
    (Operation::DescribeConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    (Operation::AlterConfigs, NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
    (Operation::IdempotentWrite, NativeOperation::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE),
];

pub(super) fn operation(native: NativeOperation) -> Operation {
    OPERATIONS.iter().find(|(_, n)| *n == native).map_or(Operation::Unknown, |(operation, _)| *operation)
}

fn native_operation(operation: Operation) -> NativeOperation {
    let unknown = NativeOperation::RD_KAFKA_ACL_OPERATION_UNKNOWN;
    OPERATIONS.iter().find(|(o, _)| *o == operation).map_or(unknown, |(_, native)| *native)
}

/// ACLs or filters, freed when dropped.
struct NativeAcls(Vec<*mut sys::rd_kafka_AclBinding_t>);

impl NativeAcls {
    fn add(&mut self, filter: &AclFilter, is_filter: bool) -> Result<*mut sys::rd_kafka_AclBinding_t, Error> {
        let (pattern, name) = match &filter.pattern {
            PatternFilter::Any => (NativePattern::RD_KAFKA_RESOURCE_PATTERN_ANY, None),
            PatternFilter::Named(name) => (NativePattern::RD_KAFKA_RESOURCE_PATTERN_ANY, Some(name)),
            PatternFilter::Matching(name) => (NativePattern::RD_KAFKA_RESOURCE_PATTERN_MATCH, Some(name)),
            PatternFilter::Is(Pattern::Literal(name)) => (NativePattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL, Some(name)),
            PatternFilter::Is(Pattern::Prefixed(name)) => {
                (NativePattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED, Some(name))
            }
        };
        let name = name.map(|name| c_string(name)).transpose()?;
        let principal = filter.principal.value().map(|p| c_string(p)).transpose()?;
        let host = filter.host.value().map(|h| c_string(h)).transpose()?;
        let resource_type = filter.resource_type.value().map_or(NativeType::RD_KAFKA_RESOURCE_ANY, |t| native_type(*t));
        let operation = filter.operation.value();
        let operation = operation.map_or(NativeOperation::RD_KAFKA_ACL_OPERATION_ANY, |o| native_operation(*o));
        let permission = match filter.permission {
            Match::Any => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            Match::Is(Permission::Allow) => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            Match::Is(Permission::Deny) => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
        };
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        let new = if is_filter { sys::rd_kafka_AclBindingFilter_new } else { sys::rd_kafka_AclBinding_new };
        let mut message = [0; 256];
        // SAFETY: the strings live through the call, which copies them; the message is cut at the buffer's end.
        unsafe {
            let (name, principal, host) = (pointer(&name), pointer(&principal), pointer(&host));
            let (buffer, size) = (message.as_mut_ptr(), message.len());
            let native = new(resource_type, name, pattern, principal, host, operation, permission, buffer, size);
            if native.is_null() {
                return Err(Error::Settings(format!("ACL: {}", normalize_message(&text(message.as_ptr())))));
            }
            self.0.push(native);
            Ok(native)
        }
    }
}

impl Drop for NativeAcls {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_AclBinding_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

//! Users and ACLs. Every answer is taken apart element by element, since some may fail among others that succeed.

use std::ffi::{CString, c_char};
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_AclOperation_t as NativeOperation;
use rdkafka_sys::rd_kafka_AclPermissionType_t as NativePermission;
use rdkafka_sys::rd_kafka_ResourcePatternType_t as NativePattern;
use rdkafka_sys::rd_kafka_ResourceType_t as NativeKind;
use rdkafka_sys::rd_kafka_ScramMechanism_t as NativeMechanism;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::{Event, Queue, millis, text};
use crate::kafka::acls::{AclBinding, AclFilter, Match, Operation, Pattern, PatternFilter, Permission, ResourceType};
use crate::kafka::client::Context;
use crate::kafka::error::{Error, Result, lower};
use crate::kafka::users::{CredentialChange, ScramCredential, ScramMechanism, User};

/// A refusal in Kafka's words.
pub(in crate::kafka) type ResponseError = (Code, String);

/// What Kafka says to an order as a whole, or to one element of it.
pub(in crate::kafka) type Response<T> = std::result::Result<T, ResponseError>;

/// A user's name with what Kafka says of it.
pub(in crate::kafka) type NamedResponse<T> = (String, Response<T>);

/// How an order is carried through: by which client, how long it may take, and what is asked between the looks at the queue.
pub(in crate::kafka) struct AdminCall<'a> {
    pub client: &'a Client<Context>,
    pub timeout: Duration,
    pub check: &'a dyn Fn() -> Result<()>,
}

/// How long one look at the queue takes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl AdminCall<'_> {
    /// Issues an order and waits for its answer. The outer error is that of waiting, the inner one that of the order as a whole.
    pub(super) fn submit(
        &self,
        operation: AdminOp,
        issue: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Response<Event>> {
        let client = self.client.native_ptr();
        // SAFETY: options and queue are freed by their guards, before the client; the words are cut at the buffer's end.
        let (options, queue) = unsafe {
            let options = Options(sys::rd_kafka_AdminOptions_new(client, operation));
            let mut words = [0; 256];
            let time = millis(self.timeout);
            sys::rd_kafka_AdminOptions_set_request_timeout(options.0, time, words.as_mut_ptr(), words.len());
            if operation == AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS {
                sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.0, 1);
            }
            (options, Queue(sys::rd_kafka_queue_new(client)))
        };
        issue(client, options.0, queue.0);
        loop {
            if let Some(event) = queue.poll(POLL_INTERVAL) {
                // SAFETY: the event is valid.
                let code = Code::from(unsafe { sys::rd_kafka_event_error(event.0) });
                if code == Code::NoError {
                    return Ok(Ok(event));
                }
                if operation == AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS {
                    // librdkafka 2.12 puts a pointer to its stack where the words of this refusal belong, and would free it with the event.
                    std::mem::forget(event);
                    return Ok(Err((code, String::new())));
                }
                // SAFETY: the event is valid, and its words live as long as it.
                let words = unsafe { text(sys::rd_kafka_event_error_string(event.0)) };
                return Ok(Err((code, lower(&words))));
            }
            (self.check)()?;
        }
    }
}

/// Adds, changes and removes passwords; for each user that is touched what became of it.
pub(in crate::kafka) fn alter_users(
    call: &AdminCall<'_>,
    changes: &[CredentialChange],
) -> Result<Response<Vec<NamedResponse<()>>>> {
    let mut natives = NativeAlterations(Vec::with_capacity(changes.len()));
    for change in changes {
        let name = c_string(change.user())?;
        // SAFETY: name and password live through the call, which copies them; a null salt of length 0 asks for a random one.
        natives.0.push(unsafe {
            match change {
                CredentialChange::Upsert { mechanism, iterations, password, .. } => {
                    let password = password.reveal().as_bytes();
                    sys::rd_kafka_UserScramCredentialUpsertion_new(
                        name.as_ptr(),
                        native_mechanism(*mechanism),
                        *iterations,
                        password.as_ptr(),
                        password.len(),
                        std::ptr::null(),
                        0,
                    )
                }
                CredentialChange::Delete { mechanism, .. } => {
                    sys::rd_kafka_UserScramCredentialDeletion_new(name.as_ptr(), native_mechanism(*mechanism))
                }
            }
        });
    }
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the alterations.
        unsafe {
            let (first, count) = (natives.0.as_mut_ptr(), natives.0.len());
            sys::rd_kafka_AlterUserScramCredentials(client, first, count, options, queue);
        }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_AlterUserScramCredentials_result(event.0);
        let responses = sys::rd_kafka_AlterUserScramCredentials_result_responses(result, &raw mut count);
        elements(responses, count)
            .map(|response| {
                let name = text(sys::rd_kafka_AlterUserScramCredentials_result_response_user(response));
                let error = sys::rd_kafka_AlterUserScramCredentials_result_response_error(response);
                (name, response_error(error).map_or(Ok(()), Err))
            })
            .collect()
    }))
}

/// The users of these names, or all; for each what it has, or why that is not said.
pub(in crate::kafka) fn describe_users(
    call: &AdminCall<'_>,
    names: &[&str],
) -> Result<Response<Vec<NamedResponse<User>>>> {
    let names = names.iter().map(|name| c_string(name)).collect::<Result<Vec<_>>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS, |client, options, queue| {
        let first = if pointers.is_empty() { std::ptr::null_mut() } else { pointers.as_mut_ptr() };
        // SAFETY: the names live through the call, which copies them; a null array asks for all users.
        unsafe { sys::rd_kafka_DescribeUserScramCredentials(client, first, pointers.len(), options, queue) }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeUserScramCredentials_result(event.0);
        let descriptions = sys::rd_kafka_DescribeUserScramCredentials_result_descriptions(result, &raw mut count);
        elements(descriptions, count)
            .map(|description| {
                let name = text(sys::rd_kafka_UserScramCredentialsDescription_user(description));
                if let Some(refused) = response_error(sys::rd_kafka_UserScramCredentialsDescription_error(description))
                {
                    return (name, Err(refused));
                }
                let count = sys::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(description);
                let credentials = (0..count)
                    .filter_map(|i| {
                        let info = sys::rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(description, i);
                        let mechanism = match sys::rd_kafka_ScramCredentialInfo_mechanism(info) {
                            NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256 => ScramMechanism::ScramSha256,
                            NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512 => ScramMechanism::ScramSha512,
                            _ => return None,
                        };
                        Some(ScramCredential {
                            mechanism,
                            iterations: sys::rd_kafka_ScramCredentialInfo_iterations(info),
                        })
                    })
                    .collect();
                (name.clone(), Ok(User { name, credentials }))
            })
            .collect()
    }))
}

/// Adds ACLs; for each, in order, what became of it.
pub(in crate::kafka) fn create_acls(call: &AdminCall<'_>, acls: &[AclBinding]) -> Result<Response<Vec<Response<()>>>> {
    let mut natives = NativeAcls(Vec::with_capacity(acls.len()));
    for acl in acls {
        natives.add(&acl.into(), false)?;
    }
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_CREATEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the ACLs.
        unsafe { sys::rd_kafka_CreateAcls(client, natives.0.as_mut_ptr(), natives.0.len(), options, queue) }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let results =
            sys::rd_kafka_CreateAcls_result_acls(sys::rd_kafka_event_CreateAcls_result(event.0), &raw mut count);
        elements(results, count)
            .map(|r| response_error(sys::rd_kafka_acl_result_error(r)).map_or(Ok(()), Err))
            .collect()
    }))
}

/// The rules that a filter matches. None as well where the user may not see them: librdkafka 2.12 drops this refusal.
pub(in crate::kafka) fn describe_acls(call: &AdminCall<'_>, filter: &AclFilter) -> Result<Response<Vec<AclBinding>>> {
    let mut natives = NativeAcls(Vec::with_capacity(1));
    let native = natives.add(filter, true)?;
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the filter.
        unsafe { sys::rd_kafka_DescribeAcls(client, native, options, queue) }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let found =
            sys::rd_kafka_DescribeAcls_result_acls(sys::rd_kafka_event_DescribeAcls_result(event.0), &raw mut count);
        elements(found, count).map(|acl| copy_acl(acl)).collect()
    }))
}

/// Removes what filters match; for each filter, in order, the removed rules or why there are none.
pub(in crate::kafka) fn delete_acls(
    call: &AdminCall<'_>,
    filters: &[AclFilter],
) -> Result<Response<Vec<Response<Vec<AclBinding>>>>> {
    let mut natives = NativeAcls(Vec::with_capacity(filters.len()));
    for filter in filters {
        natives.add(filter, true)?;
    }
    let answer = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DELETEACLS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the filters.
        unsafe { sys::rd_kafka_DeleteAcls(client, natives.0.as_mut_ptr(), natives.0.len(), options, queue) }
    })?;
    // SAFETY: the answer is of the ordered kind, and valid until the event is freed at the end.
    Ok(answer.map(|event| unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DeleteAcls_result(event.0);
        let responses = sys::rd_kafka_DeleteAcls_result_responses(result, &raw mut count);
        elements(responses, count)
            .map(|response| {
                if let Some(refused) = response_error(sys::rd_kafka_DeleteAcls_result_response_error(response)) {
                    return Err(refused);
                }
                let mut count = 0;
                let found = sys::rd_kafka_DeleteAcls_result_response_matching_acls(response, &raw mut count);
                Ok(elements(found, count).map(|acl| copy_acl(acl)).collect())
            })
            .collect()
    }))
}

/// The elements of an array that an event holds.
///
/// # Safety
/// `first` points to `count` pointers that live as long as the event.
pub(super) unsafe fn elements<T>(first: *mut *const T, count: usize) -> impl Iterator<Item = *const T> {
    // SAFETY: the caller's promise.
    (0..if first.is_null() { 0 } else { count }).map(move |i| unsafe { *first.add(i) })
}

/// # Safety
/// `error` is null or belongs to an event that is not freed yet.
pub(super) unsafe fn response_error(error: *const sys::rd_kafka_error_t) -> Option<ResponseError> {
    if error.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let (code, words) =
        unsafe { (Code::from(sys::rd_kafka_error_code(error)), lower(&text(sys::rd_kafka_error_string(error)))) };
    (code != Code::NoError).then_some((code, words))
}

/// # Safety
/// `rule` belongs to an event that is not freed yet.
unsafe fn copy_acl(acl: *const sys::rd_kafka_AclBinding_t) -> AclBinding {
    // SAFETY: the caller's promise.
    unsafe {
        let name = text(sys::rd_kafka_AclBinding_name(acl));
        AclBinding {
            principal: text(sys::rd_kafka_AclBinding_principal(acl)),
            host: text(sys::rd_kafka_AclBinding_host(acl)),
            kind: kind(sys::rd_kafka_AclBinding_restype(acl)),
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

pub(super) fn c_string(words: &str) -> Result<CString> {
    CString::new(words).map_err(|_| Error::Settings(format!("`{}` contains a zero byte", words.escape_default())))
}

fn native_mechanism(mechanism: ScramMechanism) -> NativeMechanism {
    match mechanism {
        ScramMechanism::ScramSha256 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256,
        ScramMechanism::ScramSha512 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
    }
}

/// Kafka's resource `cluster` has the number that librdkafka calls a broker.
const KINDS: [(ResourceType, NativeKind); 4] = [
    (ResourceType::Topic, NativeKind::RD_KAFKA_RESOURCE_TOPIC),
    (ResourceType::Group, NativeKind::RD_KAFKA_RESOURCE_GROUP),
    (ResourceType::Cluster, NativeKind::RD_KAFKA_RESOURCE_BROKER),
    (ResourceType::TransactionalId, NativeKind::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];

fn kind(native: NativeKind) -> ResourceType {
    KINDS.iter().find(|(_, n)| *n == native).map_or(ResourceType::Unknown, |(kind, _)| *kind)
}

fn native_kind(kind: ResourceType) -> NativeKind {
    KINDS.iter().find(|(k, _)| *k == kind).map_or(NativeKind::RD_KAFKA_RESOURCE_UNKNOWN, |(_, native)| *native)
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

/// Rules or filters, freed when dropped.
struct NativeAcls(Vec<*mut sys::rd_kafka_AclBinding_t>);

impl NativeAcls {
    fn add(&mut self, filter: &AclFilter, is_filter: bool) -> Result<*mut sys::rd_kafka_AclBinding_t> {
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
        let principal = filter.principal.is().map(|p| c_string(p)).transpose()?;
        let host = filter.host.is().map(|h| c_string(h)).transpose()?;
        let kind = filter.kind.is().map_or(NativeKind::RD_KAFKA_RESOURCE_ANY, |kind| native_kind(*kind));
        let operation = filter.operation.is();
        let operation = operation.map_or(NativeOperation::RD_KAFKA_ACL_OPERATION_ANY, |o| native_operation(*o));
        let permission = match filter.permission {
            Match::Any => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            Match::Is(Permission::Allow) => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            Match::Is(Permission::Deny) => NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
        };
        let pointer = |words: &Option<CString>| words.as_ref().map_or(std::ptr::null(), |words| words.as_ptr());
        let new = if is_filter { sys::rd_kafka_AclBindingFilter_new } else { sys::rd_kafka_AclBinding_new };
        let mut words = [0; 256];
        // SAFETY: the strings live through the call, which copies them; its words are cut at the buffer's end, with a zero.
        unsafe {
            let (name, principal, host) = (pointer(&name), pointer(&principal), pointer(&host));
            let (buffer, size) = (words.as_mut_ptr(), words.len());
            let native = new(kind, name, pattern, principal, host, operation, permission, buffer, size);
            if native.is_null() {
                return Err(Error::Settings(format!("access acl: {}", lower(&text(words.as_ptr())))));
            }
            self.0.push(native);
            Ok(native)
        }
    }
}

impl Drop for NativeAcls {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { sys::rd_kafka_AclBinding_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

/// Alterations of users, freed when dropped.
struct NativeAlterations(Vec<*mut sys::rd_kafka_UserScramCredentialAlteration_t>);

impl Drop for NativeAlterations {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { sys::rd_kafka_UserScramCredentialAlteration_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

/// Options of an order, freed when dropped.
struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

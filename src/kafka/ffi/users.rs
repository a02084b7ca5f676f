//! SCRAM users: AlterUserScramCredentials and DescribeUserScramCredentials.

use std::ffi::c_char;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_ScramMechanism_t as NativeMechanism;
use rdkafka_sys::rd_kafka_admin_op_t as AdminOp;

use super::admin_call::{AdminCall, CallResult, ResponseError, c_string, elements, response_error};
use super::text;
use crate::kafka::error::Error;
use crate::kafka::scram::{CredentialChange, ScramCredential, ScramMechanism};

/// Adds, replaces and deletes passwords. Returns each user with its error.
pub(in crate::kafka) fn alter_users(
    call: &AdminCall<'_>,
    changes: &[&CredentialChange],
) -> CallResult<Vec<(String, Option<ResponseError>)>> {
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
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS, |client, options, queue| {
        // SAFETY: everything lives through the call, which copies the alterations.
        unsafe {
            let (first, count) = (natives.0.as_mut_ptr(), natives.0.len());
            sys::rd_kafka_AlterUserScramCredentials(client, first, count, options, queue);
        }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_AlterUserScramCredentials_result(event.0);
        let responses = sys::rd_kafka_AlterUserScramCredentials_result_responses(result, &raw mut count);
        elements(responses, count)
            .map(|response| {
                let name = text(sys::rd_kafka_AlterUserScramCredentials_result_response_user(response));
                let error = sys::rd_kafka_AlterUserScramCredentials_result_response_error(response);
                (name, response_error(error))
            })
            .collect()
    })
}

/// A user's name and its credentials, or why it has no description.
pub(in crate::kafka) type UserDescription = (String, Result<Vec<ScramCredential>, ResponseError>);

/// The users of these names; an empty list stands for all users.
pub(in crate::kafka) fn describe_users(call: &AdminCall<'_>, names: &[&str]) -> CallResult<Vec<UserDescription>> {
    let names = names.iter().map(|name| c_string(name)).collect::<Result<Vec<_>, Error>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let event = call.submit(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS, |client, options, queue| {
        let first = if pointers.is_empty() { std::ptr::null_mut() } else { pointers.as_mut_ptr() };
        // SAFETY: the names live through the call, which copies them; a null array requests all users.
        unsafe { sys::rd_kafka_DescribeUserScramCredentials(client, first, pointers.len(), options, queue) }
    })?;
    // SAFETY: the result has the type of the request, and is valid until the event is freed at the end.
    Ok(unsafe {
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeUserScramCredentials_result(event.0);
        let descriptions = sys::rd_kafka_DescribeUserScramCredentials_result_descriptions(result, &raw mut count);
        elements(descriptions, count)
            .map(|description| {
                let name = text(sys::rd_kafka_UserScramCredentialsDescription_user(description));
                let error = sys::rd_kafka_UserScramCredentialsDescription_error(description);
                if let Some(error) = response_error(error) {
                    return (name, Err(error));
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
                (name, Ok(credentials))
            })
            .collect()
    })
}

fn native_mechanism(mechanism: ScramMechanism) -> NativeMechanism {
    match mechanism {
        ScramMechanism::ScramSha256 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_256,
        ScramMechanism::ScramSha512 => NativeMechanism::RD_KAFKA_SCRAM_MECHANISM_SHA_512,
    }
}

/// Alterations of credentials, freed when dropped.
struct NativeAlterations(Vec<*mut sys::rd_kafka_UserScramCredentialAlteration_t>);

impl Drop for NativeAlterations {
    fn drop(&mut self) {
        // SAFETY: owned by this guard, and freed once.
        unsafe { sys::rd_kafka_UserScramCredentialAlteration_destroy_array(self.0.as_mut_ptr(), self.0.len()) }
    }
}

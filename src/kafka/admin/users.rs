//! Requests about users: DescribeUserScramCredentials and AlterUserScramCredentials.

use std::collections::BTreeMap;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Resource, Result};
use crate::kafka::ffi::users as native;
use crate::kafka::scram::{AlteredUser, CredentialChange, ScramUser};

/// librdkafka hashes each password within the request's timeout, which takes about 0.1 s for each.
const MAX_USERS_PER_REQUEST: usize = 25;

impl Admin {
    /// All users that have a password, by name.
    ///
    /// # Errors
    /// No response, not authorized to describe the cluster, or a user that cannot be described.
    pub fn describe_users(&self) -> Result<Vec<ScramUser>> {
        let found = self.submit("list the users of", |call| native::describe_users(call, &[]))?;
        let mut users = Vec::with_capacity(found.len());
        for (name, credentials) in found {
            let credentials =
                credentials.map_err(|refused| self.response_error(&refused, "describe", Resource::User(&name)))?;
            users.push(ScramUser { name, credentials });
        }
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(users)
    }

    /// Applies changes. Returns one entry for each, in order.
    ///
    /// # Errors
    /// No change was applied: no response, or not authorized to alter the cluster.
    pub fn alter_users(&self, changes: &[CredentialChange]) -> Result<Vec<AlteredUser>> {
        let action = "change the password of";
        let row = |change: &CredentialChange| AlteredUser {
            user: change.user().to_owned(),
            mechanism: change.mechanism(),
            error: None,
        };
        let mut results: Vec<AlteredUser> = changes.iter().map(row).collect();
        let mut pending: Vec<usize> = (0..changes.len()).collect();
        let mut is_first = true;
        while !pending.is_empty() {
            // Kafka rejects a request that changes a user twice, even for two mechanisms, so each request has one change of each user.
            let mut request: BTreeMap<&str, usize> = BTreeMap::new();
            pending.retain(|index| {
                let user = changes[*index].user();
                let is_added = request.len() < MAX_USERS_PER_REQUEST && !request.contains_key(user);
                if is_added {
                    request.insert(user, *index);
                }
                !is_added
            });
            let requested: Vec<&CredentialChange> = request.values().map(|index| &changes[*index]).collect();
            let mut responses: BTreeMap<_, _> = match self.submit(action, |call| native::alter_users(call, &requested))
            {
                Ok(responses) => responses.into_iter().collect(),
                Err(error) if is_first => return Err(error),
                // The changes of earlier requests are applied: the caller must learn of them.
                Err(error) => {
                    pending.extend(request.values());
                    pending.iter().for_each(|index| results[*index].error = Some(error.clone()));
                    break;
                }
            };
            is_first = false;
            for (name, index) in request {
                results[index].error = match responses.remove(name) {
                    Some(refused) => refused.map(|refused| self.response_error(&refused, action, Resource::User(name))),
                    None => Some(Error::Other {
                        doing: format!("{action} user `{name}`"),
                        reason: "kafka's response does not mention the user".to_owned(),
                        transient: false,
                    }),
                };
            }
        }
        Ok(results)
    }
}

//! Users that log in with a password (SCRAM). Kafka keeps salted hashes; a password cannot be read back.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Secret;
use crate::kafka::admin::Admin;
use crate::kafka::error::{Error, Resource, Result};
use crate::kafka::ffi::administration as native;

/// How often a new password is hashed: twice Kafka's own least and default (KIP-554), so that a stolen hash costs more to try passwords on.
pub const DEFAULT_ITERATIONS: i32 = 8192;

/// The most that Kafka takes (KIP-554).
pub const MAX_ITERATIONS: i32 = 16384;

/// How a user proves to know the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    ScramSha256,
    /// `SCRAM-SHA-512`
    ScramSha512,
}

impl ScramMechanism {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ScramSha256, Self::ScramSha512];

    /// The mechanism of this name, in any case; `None`: it is none that keeps a password in Kafka.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.to_string().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        })
    }
}

/// What Kafka keeps of a user's password, but the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// for which mechanism
    pub mechanism: ScramMechanism,
    /// how often it was hashed
    pub iterations: i32,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// its name
    pub name: String,
    /// one for each mechanism that it can log in with
    pub credentials: Vec<ScramCredential>,
}

/// A change of one user for one mechanism.
#[derive(Clone, Debug)]
pub enum CredentialChange {
    /// add the user, or give it another password
    Upsert {
        /// its name
        user: String,
        /// for which mechanism
        mechanism: ScramMechanism,
        /// how often the password is hashed; see [`DEFAULT_ITERATIONS`]
        iterations: i32,
        /// the password
        password: Secret,
    },
    /// take the password away; a user without any is gone
    Delete {
        /// its name
        user: String,
        /// for which mechanism
        mechanism: ScramMechanism,
    },
}

impl CredentialChange {
    /// The user's name.
    pub fn user(&self) -> &str {
        match self {
            Self::Upsert { user, .. } | Self::Delete { user, .. } => user,
        }
    }
}

/// Most users in one request: librdkafka hashes each password thousands of times, a tenth of a second each, within the request's time.
const MAX_USERS_PER_REQUEST: usize = 25;

impl Admin {
    /// Carries changes out; for each, in order, what became of it. Kafka takes one and refuses another.
    ///
    /// # Errors
    /// Nothing was done: no answer, or no right to alter the cluster.
    pub fn alter_users(&self, changes: &[CredentialChange]) -> Result<Vec<Result<()>>> {
        let action = "change the user";
        let mut results: Vec<Option<Result<()>>> = changes.iter().map(|_| None).collect();
        // Brokers refuse a request that changes a user twice, if only for two mechanisms: each round takes one change of each user.
        while results.iter().any(Option::is_none) {
            let mut round = BTreeMap::new();
            for (place, change) in changes.iter().enumerate() {
                if round.len() < MAX_USERS_PER_REQUEST && results.get(place).is_some_and(Option::is_none) {
                    round.entry(change.user()).or_insert((place, change));
                }
            }
            let orders: Vec<CredentialChange> = round.values().map(|(_, change)| (*change).clone()).collect();
            let mut answers: BTreeMap<_, _> = match self.submit(action, |call| native::alter_users(call, &orders)) {
                Ok(answers) => answers.into_iter().collect(),
                Err(error) if results.iter().all(Option::is_none) => return Err(error),
                // What the rounds before have done is not to be lost.
                Err(error) => {
                    for result in results.iter_mut().filter(|result| result.is_none()) {
                        *result = Some(Err(error.clone()));
                    }
                    break;
                }
            };
            for (name, (place, _)) in round {
                let done = match answers.remove(name) {
                    Some(done) => done.map_err(|refused| self.user_error(&refused, action, name)),
                    None => Err(Error::Other {
                        doing: format!("{action} `{name}`"),
                        reason: "kafka's answer does not speak of it".to_owned(),
                        transient: false,
                    }),
                };
                if let Some(result) = results.get_mut(place) {
                    *result = Some(done);
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// All users that have a password, by name.
    ///
    /// # Errors
    /// No answer, or no right to describe the cluster.
    pub fn describe_users(&self) -> Result<Vec<User>> {
        let found = self.submit("list the users of", |call| native::describe_users(call, &[]))?;
        let mut users = found
            .into_iter()
            .map(|(name, user)| user.map_err(|refused| self.user_error(&refused, "look at the user", &name)))
            .collect::<Result<Vec<_>>>()?;
        users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(users)
    }

    fn user_error(&self, (code, reason): &native::ResponseError, action: &str, name: &str) -> Error {
        match self.refusal(*code, reason, action, Resource::Cluster) {
            Error::Other { reason, transient, .. } => {
                Error::Other { doing: format!("{action} `{name}`"), reason, transient }
            }
            other => other,
        }
    }
}

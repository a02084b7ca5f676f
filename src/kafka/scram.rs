//! Users that log in with a SCRAM password, as Kafka stores them: a salted hash for each mechanism, from which the password cannot be read.

use std::fmt;

use crate::kafka::error::Error;
use crate::secret::Secret;

/// Iterations of a new password's hash: twice Kafka's minimum and default of 4096 (KIP-554), which doubles the cost of a guess with a stolen
/// hash.
pub const DEFAULT_ITERATIONS: i32 = 8192;

/// Kafka's maximum (KIP-554).
pub const MAX_ITERATIONS: i32 = 16384;

/// A SCRAM mechanism that Kafka supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    ScramSha256,
    /// `SCRAM-SHA-512`
    ScramSha512,
}

impl ScramMechanism {
    /// All mechanisms.
    pub const ALL: [Self; 2] = [Self::ScramSha256, Self::ScramSha512];

    /// The name in Kafka and librdkafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name; upper and lower case are the same.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What Kafka tells about a stored password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// the mechanism that it is for
    pub mechanism: ScramMechanism,
    /// the iterations of its hash
    pub iterations: i32,
}

/// A user with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramUser {
    /// its name
    pub name: String,
    /// one for each mechanism that the user can log in with
    pub credentials: Vec<ScramCredential>,
}

/// A change of one user's password for one mechanism.
#[derive(Clone, Debug)]
pub enum CredentialChange {
    /// Adds the password, or replaces it. Adds the user where it does not exist.
    Upsert {
        /// the user's name
        user: String,
        /// the mechanism
        mechanism: ScramMechanism,
        /// the iterations of the hash, up to [`MAX_ITERATIONS`]
        iterations: i32,
        /// the password
        password: Secret,
    },
    /// Deletes the password. A user without any password does not exist.
    Delete {
        /// the user's name
        user: String,
        /// the mechanism
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

    /// The mechanism.
    pub fn mechanism(&self) -> ScramMechanism {
        match self {
            Self::Upsert { mechanism, .. } | Self::Delete { mechanism, .. } => *mechanism,
        }
    }
}

/// The outcome of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredUser {
    /// the user's name
    pub user: String,
    /// the mechanism
    pub mechanism: ScramMechanism,
    /// why the change was not applied
    pub error: Option<Error>,
}

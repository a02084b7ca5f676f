//! ACLs: who may do what with which topic, group, transactional id or the cluster.
//!
//! A filter says of each part what it wants, and "any" has to be said: what is forgotten does not match everything.

use std::fmt;

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::kafka::admin::Admin;
use crate::kafka::error::{Resource, Result};
use crate::kafka::ffi::administration as native;
use crate::kafka::ffi::authorized::topic_operations;

/// Kafka's name of the only cluster there is.
pub const CLUSTER: &str = "kafka-cluster";

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// a topic
    Topic,
    /// a consumer group
    Group,
    /// the id of a transactional producer
    TransactionalId,
    /// the cluster, named [`CLUSTER`]
    Cluster,
    /// a kind of a later Kafka; such a rule can be seen, not made
    Unknown,
}

/// Which names a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// this name; `*` is every name
    Literal(String),
    /// names that begin so
    Prefixed(String),
}

/// What may or may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// everything
    All,
    /// read a topic, use a group
    Read,
    /// write to a topic, use a transactional id
    Write,
    /// create a topic
    Create,
    /// delete a topic or a group
    Delete,
    /// change a topic, or users and rules of the cluster
    Alter,
    /// see that it exists and what it looks like
    Describe,
    /// what brokers do among themselves
    ClusterAction,
    /// see its options
    DescribeConfigs,
    /// change its options
    AlterConfigs,
    /// write so that nothing is doubled (brokers before 2.8 ask for it)
    IdempotentWrite,
    /// an operation of a later Kafka; such a rule can be seen, not made
    Unknown,
}

/// Whether it is allowed or denied; a denial outweighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// allowed
    Allow,
    /// denied
    Deny,
}

/// An ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclBinding {
    /// whom it is for: `User:NAME`, or `User:*` for everybody
    pub principal: String,
    /// from which address, or `*`
    pub host: String,
    /// about what
    pub kind: ResourceType,
    /// of which name
    pub pattern: Pattern,
    /// doing what
    pub operation: Operation,
    /// whether it may
    pub permission: Permission,
}

/// What a filter wants of one part of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match<T> {
    /// whatever it is
    Any,
    /// exactly this
    Is(T),
}

impl<T> Match<T> {
    pub(super) fn is(&self) -> Option<&T> {
        match self {
            Self::Any => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// What a filter wants of a rule's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternFilter {
    /// whatever they are
    Any,
    /// exactly this pattern
    Is(Pattern),
    /// this name, whether literal or prefix
    Named(String),
    /// every rule that speaks of this name: its own, prefixes of it, and `*`
    Matching(String),
}

/// Which rules are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    /// `User:NAME`
    pub principal: Match<String>,
    /// address; `Is("*")` means the rules for all addresses
    pub host: Match<String>,
    /// about what
    pub kind: Match<ResourceType>,
    /// of which names
    pub pattern: PatternFilter,
    /// doing what
    pub operation: Match<Operation>,
    /// allowed or denied
    pub permission: Match<Permission>,
}

impl AclFilter {
    /// Every rule there is.
    pub fn any() -> Self {
        Self {
            principal: Match::Any,
            host: Match::Any,
            kind: Match::Any,
            pattern: PatternFilter::Any,
            operation: Match::Any,
            permission: Match::Any,
        }
    }

    /// Every rule for this user.
    pub fn of_user(user: &str) -> Self {
        Self { principal: Match::Is(principal(user)), ..Self::any() }
    }
}

impl From<&AclBinding> for AclFilter {
    /// Exactly this ACL.
    fn from(acl: &AclBinding) -> Self {
        Self {
            principal: Match::Is(acl.principal.clone()),
            host: Match::Is(acl.host.clone()),
            kind: Match::Is(acl.kind),
            pattern: PatternFilter::Is(acl.pattern.clone()),
            operation: Match::Is(acl.operation),
            permission: Match::Is(acl.permission),
        }
    }
}

/// A user as rules name it.
pub fn principal(user: &str) -> String {
    format!("User:{user}")
}

impl Admin {
    /// Adds ACLs; for each, in order, what became of it. A rule that exists already is a success.
    ///
    /// # Errors
    /// The request as a whole failed: no answer, no right to alter the cluster, or a rule that cannot be made.
    pub fn create_acls(&self, acls: &[AclBinding]) -> Result<Vec<Result<()>>> {
        let action = "change the access rules of";
        let results = self.submit(action, |call| native::create_acls(call, acls))?;
        Ok(results.into_iter().map(|done| done.map_err(|r| self.acl_error(&r, action))).collect())
    }

    /// The rules that a filter matches, in order.
    ///
    /// # Errors
    /// No answer, or no right to describe the cluster.
    pub fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>> {
        let action = "see the access rules of";
        let mut acls = self.submit(action, |call| native::describe_acls(call, filter))?;
        if acls.is_empty() {
            // librdkafka does not tell "none" from "not for you". Looking at users asks for the same right, and tells.
            self.submit(action, |call| native::describe_users(call, &["nobody"]))?;
        }
        acls.sort();
        Ok(acls)
    }

    /// What this client's own user may do with each topic, in their order. It takes no administrator.
    ///
    /// # Errors
    /// No answer. For one topic: it does not exist, or the user may not even see it.
    pub fn authorized_operations(&self, topics: &[&str]) -> Result<Vec<Result<Vec<Operation>>>> {
        let action = "see";
        let answered = self.submit(action, |call| topic_operations(call, topics))?;
        let of = |topic: &&str| match answered.iter().find(|(name, _)| name == topic) {
            Some((_, Ok(operations))) => Ok(operations.clone()),
            Some((_, Err((code, reason)))) => Err(self.refusal(*code, reason, action, Resource::Topic(topic))),
            None => Err(self.refusal(Code::UnknownTopicOrPartition, "", action, Resource::Topic(topic))),
        };
        Ok(topics.iter().map(of).collect())
    }

    /// Removes what filters match; for each filter, in order, the rules that are gone.
    ///
    /// # Errors
    /// The request as a whole failed: no answer, or no right to alter the cluster.
    pub fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Result<Vec<AclBinding>>>> {
        let action = "change the access rules of";
        let results = self.submit(action, |call| native::delete_acls(call, filters))?;
        Ok(results.into_iter().map(|done| done.map_err(|r| self.acl_error(&r, action))).collect())
    }

    fn acl_error(&self, (code, reason): &native::ResponseError, action: &str) -> crate::kafka::Error {
        self.refusal(*code, reason, action, Resource::Cluster)
    }
}

/// The names that Kafka's own tools use.
macro_rules! names {
    ($type:ty { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// The variant of this name, in any case; `None`: there is none.
            pub fn from_name(name: &str) -> Option<Self> {
                [$((Self::$variant, $name)),*].into_iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(v, _)| v)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $name,)* Self::Unknown => "unknown" })
            }
        }
    };
}

names!(ResourceType { Topic = "topic", Group = "group", TransactionalId = "transactional-id", Cluster = "cluster" });
names!(Operation {
    All = "all",
    Read = "read",
    Write = "write",
    Create = "create",
    Delete = "delete",
    Alter = "alter",
    Describe = "describe",
    ClusterAction = "cluster-action",
    DescribeConfigs = "describe-configs",
    AlterConfigs = "alter-configs",
    IdempotentWrite = "idempotent-write",
});

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permission = match self.permission {
            Permission::Allow => "may",
            Permission::Deny => "must not",
        };
        let (name, more) = match &self.pattern {
            Pattern::Literal(name) => (name, ""),
            Pattern::Prefixed(name) => (name, "…"),
        };
        write!(f, "{} from {} {permission} {} {} {name}{more}", self.principal, self.host, self.operation, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (_, name) in [(0, "describe-configs"), (1, "ALL"), (2, "Idempotent-Write")] {
            let operation = Operation::from_name(name).unwrap();
            assert_eq!(operation.to_string(), name.to_lowercase());
        }
        assert_eq!(ResourceType::from_name("transactional-id"), Some(ResourceType::TransactionalId));
        assert_eq!(Operation::from_name("any"), None);
    }
}

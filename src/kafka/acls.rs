//! ACLs: which user may do which operation on which topic, group, transactional id or on the cluster.
//!
//! Each field of a filter says what it matches, `Any` included, so that no filter matches everything by omission.
//!
//! | request | ACLs that it requires |
//! | --- | --- |
//! | produce to a topic | write topic |
//! | begin a transaction | write transactional-id; brokers before 2.8 also idempotent-write cluster |
//! | consume a topic | read topic |
//! | join a group, commit an offset | read group |
//! | metadata and offsets of a topic | describe topic, which read, write, delete and alter of the topic include |
//! | configuration of a topic | describe-configs topic |
//! | create a topic | create topic, or create cluster |
//! | add partitions to a topic | alter topic |
//! | delete a topic | delete topic |
//! | describe users or ACLs | describe cluster |
//! | alter users or ACLs | alter cluster |
//!
//! From Kafka's documentation, "Operations and Protocols on Resources". `fink` grants them by role: see [`roles`](super::roles).

use std::fmt;

use crate::kafka::error::Error;

/// Kafka's name of the cluster as a resource.
pub const CLUSTER: &str = "kafka-cluster";

/// The type of a resource.
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
    /// a type of a newer Kafka version: such an ACL can be described, not created
    Unknown,
}

/// The names of the resources that an ACL applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// this name; `*` stands for every name
    Literal(String),
    /// every name with this prefix
    Prefixed(String),
}

impl Pattern {
    /// Whether an ACL with this pattern applies to the resource `name`.
    pub fn applies_to(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name || literal == "*",
            Self::Prefixed(prefix) => name.starts_with(prefix),
        }
    }
}

/// An operation on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// every operation
    All,
    /// read from a topic, join a group
    Read,
    /// write to a topic, use a transactional id
    Write,
    /// create a topic
    Create,
    /// delete a topic or a group
    Delete,
    /// alter a topic; alter the users and ACLs of the cluster
    Alter,
    /// see the metadata
    Describe,
    /// requests between brokers
    ClusterAction,
    /// see the configuration
    DescribeConfigs,
    /// alter the configuration
    AlterConfigs,
    /// use an idempotent producer (brokers before 2.8 require it)
    IdempotentWrite,
    /// an operation of a newer Kafka version: such an ACL can be described, not created
    Unknown,
}

/// Whether an ACL allows or denies. A denial takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// allows
    Allow,
    /// denies
    Deny,
}

/// An ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclBinding {
    /// the user, as `User:NAME`; `User:*` stands for every user
    pub principal: String,
    /// the IP address that the user connects from; `*` stands for every address
    pub host: String,
    /// the type of the resources
    pub resource_type: ResourceType,
    /// their names
    pub pattern: Pattern,
    /// the operation
    pub operation: Operation,
    /// whether it is allowed or denied
    pub permission: Permission,
}

impl AclBinding {
    /// Whether it decides about `operation` of `user` on a resource, from some address.
    pub fn applies_to(&self, user: &str, operation: Operation, resource_type: ResourceType, name: &str) -> bool {
        [principal(user), principal("*")].contains(&self.principal)
            && [operation, Operation::All].contains(&self.operation)
            && self.resource_type == resource_type
            && self.pattern.applies_to(name)
    }
}

/// What a filter matches in one field of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match<T> {
    /// every value
    Any,
    /// exactly this value
    Is(T),
}

impl<T> Match<T> {
    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Any => None,
            Self::Is(value) => Some(value),
        }
    }
}

/// What a filter matches in the pattern of an ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternFilter {
    /// every pattern
    Any,
    /// exactly this pattern
    Is(Pattern),
    /// this name, literal or as a prefix
    Named(String),
    /// every pattern that [applies to](Pattern::applies_to) this name
    Matching(String),
}

/// A filter of ACLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    /// `User:NAME`
    pub principal: Match<String>,
    /// the address; `Is("*")` matches the ACLs for every address
    pub host: Match<String>,
    /// the type of the resource
    pub resource_type: Match<ResourceType>,
    /// its pattern
    pub pattern: PatternFilter,
    /// the operation
    pub operation: Match<Operation>,
    /// allowed or denied
    pub permission: Match<Permission>,
}

impl AclFilter {
    /// Matches every ACL.
    pub fn any() -> Self {
        Self {
            principal: Match::Any,
            host: Match::Any,
            resource_type: Match::Any,
            pattern: PatternFilter::Any,
            operation: Match::Any,
            permission: Match::Any,
        }
    }

    /// Matches every ACL of this user.
    pub fn of_user(user: &str) -> Self {
        Self { principal: Match::Is(principal(user)), ..Self::any() }
    }
}

impl From<&AclBinding> for AclFilter {
    /// Matches exactly this ACL.
    fn from(acl: &AclBinding) -> Self {
        Self {
            principal: Match::Is(acl.principal.clone()),
            host: Match::Is(acl.host.clone()),
            resource_type: Match::Is(acl.resource_type),
            pattern: PatternFilter::Is(acl.pattern.clone()),
            operation: Match::Is(acl.operation),
            permission: Match::Is(acl.permission),
        }
    }
}

/// A user's name as the principal of an ACL.
pub fn principal(user: &str) -> String {
    format!("User:{user}")
}

/// The outcome of creating one ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedAcl {
    /// the ACL
    pub acl: AclBinding,
    /// why it was not created; an ACL that exists already is no error
    pub error: Option<Error>,
}

/// The outcome of deleting the ACLs of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedAcls {
    /// the deleted ACLs
    pub acls: Vec<AclBinding>,
    /// why they were not deleted
    pub error: Option<Error>,
}

/// The names in Kafka's own tools, in lower case with hyphens.
macro_rules! names {
    ($type:ty { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// The variant of this name; upper and lower case are the same.
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
        write!(
            f,
            "{} from {} {permission} {} {} {name}{more}",
            self.principal, self.host, self.operation, self.resource_type
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed() {
        for (_, name) in [(0, "describe-configs"), (1, "ALL"), (2, "Idempotent-Write")] {
            let operation = Operation::from_name(name).unwrap();
            assert_eq!(operation.to_string(), name.to_lowercase());
        }
        assert_eq!(ResourceType::from_name("transactional-id"), Some(ResourceType::TransactionalId));
        assert_eq!(Operation::from_name("any"), None);
    }

    #[test]
    fn a_literal_star_and_a_prefix_apply_to_names() {
        let prefixed = Pattern::Prefixed("fink_".to_owned());
        assert!(prefixed.applies_to("fink_a") && !prefixed.applies_to("other"));
        assert!(Pattern::Literal("*".to_owned()).applies_to("other"));
        assert!(!Pattern::Literal("fink_".to_owned()).applies_to("fink_a"));
    }
}

//! The ACLs of producers and consumers, and no others.
//!
//! Read and write include describe in Kafka, so no role has an ACL for that.

use crate::kafka::acls::{AclBinding, CLUSTER, Operation, Pattern, Permission, ResourceType, principal};
use crate::kafka::checkpoint;

/// The ACLs of a producer to `topics` from `host` (an IP address, or `*`).
///
/// `distribution`: the name of its distribution, for its transactional ids `<name>-…` and its checkpoint; `None`: it uses no transactions.
/// `creates`: it may create the topics.
pub fn producer_acls(
    user: &str,
    host: &str,
    topics: &[Pattern],
    distribution: Option<&str>,
    creates: bool,
) -> Vec<AclBinding> {
    let checkpoint = distribution.map(|name| Pattern::Literal(checkpoint::topic_of(name)));
    let mut operations = Vec::new();
    for topic in topics.iter().chain(&checkpoint) {
        operations.push((ResourceType::Topic, topic.clone(), Operation::Write));
        if creates {
            operations.push((ResourceType::Topic, topic.clone(), Operation::Create));
        }
    }
    if let Some(topic) = &checkpoint {
        operations.push((ResourceType::Topic, topic.clone(), Operation::Read));
    }
    if let Some(name) = distribution {
        // A start checks that the checkpoint is compacted, and the other topics are not.
        let topics = topics.iter().chain(&checkpoint);
        operations.extend(topics.map(|topic| (ResourceType::Topic, topic.clone(), Operation::DescribeConfigs)));
        operations.push((ResourceType::TransactionalId, Pattern::Prefixed(format!("{name}-")), Operation::Write));
        operations.push((ResourceType::Cluster, Pattern::Literal(CLUSTER.to_owned()), Operation::IdempotentWrite));
    }
    allow(user, host, operations)
}

/// The ACLs of a consumer of `topics` in `groups`, from `host` (an IP address, or `*`).
pub fn consumer_acls(user: &str, host: &str, topics: &[Pattern], groups: &[Pattern]) -> Vec<AclBinding> {
    let topics = topics.iter().map(|topic| (ResourceType::Topic, topic.clone(), Operation::Read));
    let groups = groups.iter().map(|group| (ResourceType::Group, group.clone(), Operation::Read));
    allow(user, host, topics.chain(groups).collect())
}

/// Allows operations, without duplicates.
fn allow(user: &str, host: &str, operations: Vec<(ResourceType, Pattern, Operation)>) -> Vec<AclBinding> {
    let mut acls: Vec<AclBinding> = Vec::with_capacity(operations.len());
    for (resource_type, pattern, operation) in operations {
        let acl = AclBinding {
            principal: principal(user),
            host: host.to_owned(),
            resource_type,
            pattern,
            operation,
            permission: Permission::Allow,
        };
        if !acls.contains(&acl) {
            acls.push(acl);
        }
    }
    acls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(acls: &[AclBinding]) -> Vec<String> {
        acls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_distribution_may_write_its_topics_and_use_its_checkpoint() {
        let topics = [Pattern::Literal("fink_a".to_owned()), Pattern::Prefixed("fink_b".to_owned())];
        assert_eq!(
            texts(&producer_acls("bob", "*", &topics, Some("night"), false)),
            [
                "User:bob from * may write topic fink_a",
                "User:bob from * may write topic fink_b…",
                "User:bob from * may write topic fink_checkpoint_night",
                "User:bob from * may read topic fink_checkpoint_night",
                "User:bob from * may describe-configs topic fink_a",
                "User:bob from * may describe-configs topic fink_b…",
                "User:bob from * may describe-configs topic fink_checkpoint_night",
                "User:bob from * may write transactional-id night-…",
                "User:bob from * may idempotent-write cluster kafka-cluster",
            ]
        );
        let created = texts(&producer_acls("bob", "*", &topics, Some("night"), true));
        assert_eq!(created.iter().filter(|acl| acl.contains("create topic")).count(), 3);
    }

    #[test]
    fn a_producer_without_transactions_may_write_its_topic() {
        let topic = [Pattern::Literal("t".to_owned()), Pattern::Literal("t".to_owned())];
        assert_eq!(
            texts(&producer_acls("bob", "10.0.0.1", &topic, None, false)),
            ["User:bob from 10.0.0.1 may write topic t"]
        );
    }

    #[test]
    fn a_consumer_may_read_topics_and_use_groups() {
        let acls =
            consumer_acls("bob", "*", &[Pattern::Literal("*".to_owned())], &[Pattern::Prefixed("bob".to_owned())]);
        assert_eq!(texts(&acls), ["User:bob from * may read topic *", "User:bob from * may read group bob…"]);
    }
}

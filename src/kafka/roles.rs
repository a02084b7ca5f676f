//! What each kind of user needs to be allowed, and nothing else.
//!
//! Kafka lets whoever may read or write a thing also see that it exists ("describe"), so no role asks for that.

use crate::kafka::acls::{AclBinding, CLUSTER, Operation, Pattern, Permission, ResourceType, principal};
use crate::kafka::checkpoint;

/// The rights of who writes to `topics` from `host` (an address, or `*`).
///
/// `distribution`: the name of the distribution that it runs, whose transactions it opens (their ids are `<name>-…`) and whose checkpoint it
/// reads and writes; `None`: it uses no transactions. `creates`: it makes topics that are missing.
pub fn producer_acls(
    user: &str,
    host: &str,
    topics: &[Pattern],
    distribution: Option<&str>,
    creates: bool,
) -> Vec<AclBinding> {
    let checkpoint = distribution.map(|name| Pattern::Literal(checkpoint::topic_of(name)));
    let mut rights = Vec::new();
    for topic in topics.iter().chain(&checkpoint) {
        rights.push((ResourceType::Topic, topic.clone(), Operation::Write));
        if creates {
            rights.push((ResourceType::Topic, topic.clone(), Operation::Create));
        }
    }
    if let Some(topic) = &checkpoint {
        rights.push((ResourceType::Topic, topic.clone(), Operation::Read));
    }
    if let Some(name) = distribution {
        // To see that the checkpoint is compacted, and no other topic.
        let topics = topics.iter().chain(&checkpoint);
        rights.extend(topics.map(|topic| (ResourceType::Topic, topic.clone(), Operation::DescribeConfigs)));
        rights.push((ResourceType::TransactionalId, Pattern::Prefixed(format!("{name}-")), Operation::Write));
        rights.push((ResourceType::Cluster, Pattern::Literal(CLUSTER.to_owned()), Operation::IdempotentWrite));
    }
    allow(user, host, rights)
}

/// The rights of who reads `topics` from `host` (an address, or `*`), as a member of `groups`.
pub fn consumer_acls(user: &str, host: &str, topics: &[Pattern], groups: &[Pattern]) -> Vec<AclBinding> {
    let topics = topics.iter().map(|topic| (ResourceType::Topic, topic.clone(), Operation::Read));
    let groups = groups.iter().map(|group| (ResourceType::Group, group.clone(), Operation::Read));
    allow(user, host, topics.chain(groups).collect())
}

/// Each right once, as ACLs.
fn allow(user: &str, host: &str, rights: Vec<(ResourceType, Pattern, Operation)>) -> Vec<AclBinding> {
    let mut acls: Vec<AclBinding> = Vec::with_capacity(rights.len());
    for (kind, pattern, operation) in rights {
        let acl = AclBinding {
            principal: principal(user),
            host: host.to_owned(),
            kind,
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

    fn words(acls: &[AclBinding]) -> Vec<String> {
        acls.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_distribution_may_write_and_keep_its_checkpoint_and_nothing_else() {
        let topics = [Pattern::Literal("fink_a".to_owned()), Pattern::Prefixed("fink_b".to_owned())];
        assert_eq!(
            words(&producer_acls("bob", "*", &topics, Some("night"), false)),
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
        let created = words(&producer_acls("bob", "*", &topics, Some("night"), true));
        assert_eq!(created.iter().filter(|acl| acl.contains("create topic")).count(), 3);
    }

    #[test]
    fn a_plain_producer_writes_to_its_topic() {
        let topic = [Pattern::Literal("t".to_owned()), Pattern::Literal("t".to_owned())];
        assert_eq!(
            words(&producer_acls("bob", "10.0.0.1", &topic, None, false)),
            ["User:bob from 10.0.0.1 may write topic t"]
        );
    }

    #[test]
    fn a_consumer_reads_topics_in_groups() {
        let acls =
            consumer_acls("bob", "*", &[Pattern::Literal("*".to_owned())], &[Pattern::Prefixed("bob".to_owned())]);
        assert_eq!(words(&acls), ["User:bob from * may read topic *", "User:bob from * may read group bob…"]);
    }
}

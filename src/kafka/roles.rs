//! What each kind of user needs to be allowed, and nothing else.
//!
//! Kafka lets whoever may read or write a thing also see that it exists ("describe"), so no role asks for that.

use crate::kafka::acls::{CLUSTER, Operation, Pattern, Permission, ResourceKind, Rule, principal};
use crate::kafka::checkpoint;

/// The rights of who writes to `topics` from `host` (an address, or `*`).
///
/// `distribution`: the name of the distribution that it runs, whose transactions it opens (their ids are `<name>-…`) and whose checkpoint it
/// reads and writes; `None`: it uses no transactions. `creates`: it makes topics that are missing.
pub fn producer(user: &str, host: &str, topics: &[Pattern], distribution: Option<&str>, creates: bool) -> Vec<Rule> {
    let checkpoint = distribution.map(|name| Pattern::Literal(checkpoint::topic_of(name)));
    let mut rights = Vec::new();
    for topic in topics.iter().chain(&checkpoint) {
        rights.push((ResourceKind::Topic, topic.clone(), Operation::Write));
        if creates {
            rights.push((ResourceKind::Topic, topic.clone(), Operation::Create));
        }
    }
    if let Some(topic) = &checkpoint {
        rights.push((ResourceKind::Topic, topic.clone(), Operation::Read));
    }
    if let Some(name) = distribution {
        // To see that the checkpoint is compacted, and no other topic.
        let topics = topics.iter().chain(&checkpoint);
        rights.extend(topics.map(|topic| (ResourceKind::Topic, topic.clone(), Operation::DescribeConfigs)));
        rights.push((ResourceKind::TransactionalId, Pattern::Prefixed(format!("{name}-")), Operation::Write));
        rights.push((ResourceKind::Cluster, Pattern::Literal(CLUSTER.to_owned()), Operation::IdempotentWrite));
    }
    allow(user, host, rights)
}

/// The rights of who reads `topics` from `host` (an address, or `*`), as a member of `groups`.
pub fn consumer(user: &str, host: &str, topics: &[Pattern], groups: &[Pattern]) -> Vec<Rule> {
    let topics = topics.iter().map(|topic| (ResourceKind::Topic, topic.clone(), Operation::Read));
    let groups = groups.iter().map(|group| (ResourceKind::Group, group.clone(), Operation::Read));
    allow(user, host, topics.chain(groups).collect())
}

/// Each right once, as rules.
fn allow(user: &str, host: &str, rights: Vec<(ResourceKind, Pattern, Operation)>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::with_capacity(rights.len());
    for (kind, pattern, operation) in rights {
        let rule = Rule {
            principal: principal(user),
            host: host.to_owned(),
            kind,
            pattern,
            operation,
            permission: Permission::Allow,
        };
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_distribution_may_write_and_keep_its_checkpoint_and_nothing_else() {
        let topics = [Pattern::Literal("fink_a".to_owned()), Pattern::Prefixed("fink_b".to_owned())];
        assert_eq!(
            words(&producer("bob", "*", &topics, Some("night"), false)),
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
        let created = words(&producer("bob", "*", &topics, Some("night"), true));
        assert_eq!(created.iter().filter(|rule| rule.contains("create topic")).count(), 3);
    }

    #[test]
    fn a_plain_producer_writes_to_its_topic() {
        let topic = [Pattern::Literal("t".to_owned()), Pattern::Literal("t".to_owned())];
        assert_eq!(
            words(&producer("bob", "10.0.0.1", &topic, None, false)),
            ["User:bob from 10.0.0.1 may write topic t"]
        );
    }

    #[test]
    fn a_consumer_reads_topics_in_groups() {
        let rules = consumer("bob", "*", &[Pattern::Literal("*".to_owned())], &[Pattern::Prefixed("bob".to_owned())]);
        assert_eq!(words(&rules), ["User:bob from * may read topic *", "User:bob from * may read group bob…"]);
    }
}

//! The arguments that `grant` and `revoke` share: a role, and where it applies. So `revoke` deletes exactly the ACLs that `grant` creates.

use clap::{ArgGroup, Args};

use super::{names, shell_glob};
use crate::cli::outcome::UsageError;
use crate::kafka::acls::{AclBinding, Pattern};
use crate::kafka::roles;

/// The role of a user.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("role").args(["produce", "consume"]).required(true),
    group = ArgGroup::new("which topics").args(["topics", "all_topics"]).required(true),
)]
pub(super) struct RoleArgs {
    /// The user
    #[arg(value_parser = names::user)]
    pub name: String,
    /// Accepted so that a `*` which the shell has expanded can be explained
    #[arg(hide = true)]
    rest: Vec<String>,
    /// Allow to write to the topics
    #[arg(long)]
    produce: bool,
    /// Allow to read the topics
    #[arg(long)]
    consume: bool,
    /// A topic; may be repeated
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// TOPIC is the prefix of topic names
    #[arg(long, conflicts_with = "all_topics")]
    prefix: bool,
    /// All topics, future ones included
    #[arg(long)]
    all_topics: bool,
    /// Allow this consumer group; may be repeated
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "produce")]
    groups: Vec<String>,
    /// Allow consumer groups with this prefix; may be repeated
    #[arg(long = "group-prefix", value_name = "PREFIX", conflicts_with = "produce")]
    group_prefixes: Vec<String>,
    /// Allow all consumer groups
    #[arg(long, conflicts_with_all = ["produce", "groups", "group_prefixes"])]
    all_groups: bool,
    /// Allow the transactional ids P-… and the checkpoint fink_checkpoint_P, for the distribution named P
    #[arg(long, value_name = "P", conflicts_with = "consume")]
    transactional_id: Option<String>,
    /// Also allow to create the topics
    #[arg(long, conflicts_with = "consume")]
    create: bool,
    #[command(flatten)]
    hosts: HostArgs,
}

/// The addresses that an ACL applies to.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct HostArgs {
    /// Allow connections from this IP address; may be repeated
    #[arg(long = "host", value_name = "ADDRESS")]
    hosts: Vec<String>,
    /// Allow connections from every address
    #[arg(long, conflicts_with = "hosts")]
    any_host: bool,
}

impl HostArgs {
    /// The arguments.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// The hosts of the ACLs.
    pub fn patterns(&self) -> Result<Vec<&str>, UsageError> {
        if self.any_host {
            return Ok(vec!["*"]);
        }
        self.hosts.iter().map(|host| checked("--host", host, names::check_host)).collect()
    }
}

impl RoleArgs {
    /// The ACLs of the role.
    pub fn acls(&self) -> Result<Vec<AclBinding>, UsageError> {
        let values = [&self.topics, &self.groups, &self.group_prefixes].into_iter().flatten();
        let values: Vec<&str> = values.map(String::as_str).chain(self.hosts.values()).collect();
        shell_glob::check(&values, &self.rest)?;
        let hosts = self.hosts.patterns()?;
        let topics = self.topics()?;
        let groups = self.groups()?;
        if let Some(name) = &self.transactional_id {
            checked("--transactional-id", name, names::check_distribution)?;
        }
        let distribution = self.transactional_id.as_deref();
        let of_host = |host: &&str| match self.produce {
            true => roles::producer_acls(&self.name, host, &topics, distribution, self.create),
            false => roles::consumer_acls(&self.name, host, &topics, &groups),
        };
        Ok(hosts.iter().flat_map(of_host).collect())
    }

    fn topics(&self) -> Result<Vec<Pattern>, UsageError> {
        if self.all_topics {
            return Ok(vec![Pattern::Literal("*".to_owned())]);
        }
        let pattern = |topic: &String| {
            let topic = checked("--topic", topic, names::check_topic_pattern)?.to_owned();
            Ok(if self.prefix { Pattern::Prefixed(topic) } else { Pattern::Literal(topic) })
        };
        self.topics.iter().map(pattern).collect()
    }

    fn groups(&self) -> Result<Vec<Pattern>, UsageError> {
        if self.all_groups {
            return Ok(vec![Pattern::Literal("*".to_owned())]);
        }
        let mut patterns = Vec::new();
        for group in &self.groups {
            patterns.push(Pattern::Literal(checked("--group", group, names::check_group_pattern)?.to_owned()));
        }
        for group in &self.group_prefixes {
            patterns.push(Pattern::Prefixed(checked("--group-prefix", group, names::check_group_pattern)?.to_owned()));
        }
        Ok(patterns)
    }
}

fn checked<'a>(flag: &str, value: &'a str, check: fn(&str) -> Result<(), String>) -> Result<&'a str, UsageError> {
    check(value).map(|()| value).map_err(|reason| UsageError(format!("{flag}: {reason}")))
}

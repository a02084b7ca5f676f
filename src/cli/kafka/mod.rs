//! `fink kafka`: administers users, ACLs, topics and consumer groups.

mod acl_change;
mod acl_table;
mod add_user;
mod bootstrap;
mod client;
pub(super) mod confirm;
mod create_topic;
mod delete_topic;
mod describe_group;
mod describe_topic;
mod grant;
mod list_acls;
mod list_groups;
mod list_topics;
mod list_users;
mod names;
mod outcomes;
mod password;
mod remove_user;
mod reset_group;
mod revoke;
mod role;
mod shell_glob;

use clap::Subcommand;

use super::context::Context;

pub(super) const AFTER_HELP: &str = "\
These commands log in as [kafka.admin], or as the user of [kafka] if no administrator is configured.

Example: fink kafka add-user alice --generate
         fink kafka grant alice --consume --topic fink_outstream --group-prefix alice --any-host";

/// `fink kafka …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Add users with a password, or replace passwords
    AddUser(add_user::Args),
    /// Remove users and their ACLs
    RemoveUser(remove_user::Args),
    /// List the users that have a password
    ListUsers(list_users::Args),
    /// Create the ACLs of a producer or a consumer
    Grant(grant::Args),
    /// Delete the ACLs that `grant` with the same arguments creates
    Revoke(revoke::Args),
    /// List ACLs
    #[command(alias = "list-acl")]
    ListAcls(list_acls::Args),
    /// Create a topic
    CreateTopic(create_topic::Args),
    /// Delete topics and their messages
    DeleteTopic(delete_topic::Args),
    /// Show the partitions, leaders, replicas and configuration of a topic
    DescribeTopic(describe_topic::Args),
    /// List topics
    ListTopics(list_topics::Args),
    /// List consumer groups, their state and their lag
    ListGroups(list_groups::Args),
    /// Show the members, offsets and lag of a consumer group
    DescribeGroup(describe_group::Args),
    /// Move the position of a consumer group
    ResetGroup(reset_group::Args),
    /// Create the topics, users and ACLs of the configured distribution
    Bootstrap(bootstrap::Args),
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    match action {
        Action::AddUser(args) => add_user::run(args, context),
        Action::RemoveUser(args) => remove_user::run(args, context),
        Action::ListUsers(args) => list_users::run(args, context),
        Action::Grant(args) => grant::run(args, context),
        Action::Revoke(args) => revoke::run(args, context),
        Action::ListAcls(args) => list_acls::run(args, context),
        Action::CreateTopic(args) => create_topic::run(args, context),
        Action::DeleteTopic(args) => delete_topic::run(args, context),
        Action::DescribeTopic(args) => describe_topic::run(args, context),
        Action::ListTopics(args) => list_topics::run(args, context),
        Action::ListGroups(args) => list_groups::run(args, context),
        Action::DescribeGroup(args) => describe_group::run(args, context),
        Action::ResetGroup(args) => reset_group::run(args, context),
        Action::Bootstrap(args) => bootstrap::run(args, context),
    }
}

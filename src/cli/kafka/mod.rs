//! `fink kafka`: users, rights and topics, as an administrator.

mod acl_change;
mod acl_table;
mod add_user;
mod bootstrap;
pub(super) mod confirm;
mod create_topic;
mod delete_topic;
mod describe_topic;
mod grant;
mod list_acls;
mod list_topics;
mod list_users;
mod names;
mod outcomes;
mod password;
mod remove_user;
mod revoke;
mod role;
mod shell_glob;

use std::time::{Duration, Instant};

use clap::Subcommand;

use super::context::Context;
use crate::config::RequiredLogin;
use crate::kafka::client::Identity;
use crate::kafka::{self, Admin};

pub(super) const AFTER_HELP: &str = "\
These commands log in as [kafka.admin], or as the user of [kafka] where no administrator is configured.

Example: fink kafka add-user alice --generate
         fink kafka grant alice --consume --topic fink_outstream --group-prefix alice --any-host";

/// How long Kafka may take to answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take until the brokers show what was ordered.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(5);

/// `fink kafka …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Add users who log in with a password, or give them new passwords
    AddUser(add_user::Args),
    /// Remove users, with their rights
    RemoveUser(remove_user::Args),
    /// List the users who log in with a password
    ListUsers(list_users::Args),
    /// Give a user the rights of a producer or a consumer
    Grant(grant::Args),
    /// Take away what `grant` with the same arguments gave
    Revoke(revoke::Args),
    /// List who may do what
    #[command(alias = "list-acl")]
    ListAcls(list_acls::Args),
    /// Create a topic
    CreateTopic(create_topic::Args),
    /// Delete topics with everything in them
    DeleteTopic(delete_topic::Args),
    /// Show a topic's partitions, leaders, replicas and configuration
    DescribeTopic(describe_topic::Args),
    /// List the topics
    ListTopics(list_topics::Args),
    /// Make everything that a new cluster needs for the configured distribution
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
        Action::Bootstrap(args) => bootstrap::run(args, context),
    }
}

/// The administrator's client.
fn admin(context: &Context) -> anyhow::Result<Admin> {
    Ok(Admin::open(&context.settings(RequiredLogin::Admin)?.kafka, Identity::Admin, KAFKA_TIMEOUT)?)
}

/// Waits until the brokers show what was ordered: they hear of it soon after the controller, but not at once.
fn wait_until_visible(mut is_shown: impl FnMut() -> kafka::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PROPAGATION_TIMEOUT;
    while !is_shown()? {
        if Instant::now() >= deadline {
            log::warn!("Kafka has taken the order, but after {PROPAGATION_TIMEOUT:?} its brokers do not show it yet");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

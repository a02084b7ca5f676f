//! `fink kafka list-acls`: lists ACLs.

use clap::{ArgGroup, Args as ClapArgs};

use super::client::admin;
use super::{acl_table, names};
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::OutputArgs;
use crate::kafka::acls::{
    AclFilter, CLUSTER, Match, Operation, Pattern, PatternFilter, Permission, ResourceType, principal,
};

/// `fink kafka list-acls`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "\
Examples: fink kafka list-acls
          fink kafka list-acls --user alice
          fink kafka list-acls --topic fink_outstream --operation read --format json",
    group = ArgGroup::new("resource").args(["topic", "group", "transactional_id", "cluster"]),
)]
pub struct Args {
    /// Only the ACLs of this user
    #[arg(long, value_name = "NAME", value_parser = names::user)]
    user: Option<String>,
    /// Only the ACLs for all users (User:*)
    #[arg(long, conflicts_with = "user")]
    everybody: bool,
    /// Only the ACLs that apply to this topic: by its name, by a prefix, or to all topics
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only the ACLs that apply to this consumer group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Only the ACLs that apply to this transactional id
    #[arg(long, value_name = "ID")]
    transactional_id: Option<String>,
    /// Only the ACLs of the cluster
    #[arg(long)]
    cluster: bool,
    /// Only the ACLs with exactly this name or prefix
    #[arg(long, requires = "resource")]
    exact: bool,
    /// Only the ACLs for this address
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Only the ACLs for every address
    #[arg(long, conflicts_with = "host")]
    any_host: bool,
    /// Only the ACLs for this operation, such as read, write, create or describe-configs
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    operation: Option<Operation>,
    /// Only the ACLs that deny
    #[arg(long)]
    denied: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn operation(text: &str) -> Result<Operation, String> {
    Operation::from_name(text).ok_or_else(|| {
        "the operations are read, write, create, delete, alter, describe, describe-configs, alter-configs, \
         idempotent-write, cluster-action and all"
            .to_owned()
    })
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let filter = filter(args)?;
    let acls = admin(context)?.describe_acls(&filter)?;
    acl_table::plain(&acls, args.output.format).print(args.output.format, context)
}

fn filter(args: &Args) -> Result<AclFilter, UsageError> {
    if let Some(host) = &args.host {
        names::check_host(host).map_err(|reason| UsageError(format!("--host: {reason}")))?;
    }
    let host = if args.any_host { Some("*".to_owned()) } else { args.host.clone() };
    let user = if args.everybody { Some("*") } else { args.user.as_deref() };
    let matches = |name: Option<String>| name.map_or(Match::Any, Match::Is);
    let named = [
        (ResourceType::Topic, args.topic.as_deref()),
        (ResourceType::Group, args.group.as_deref()),
        (ResourceType::TransactionalId, args.transactional_id.as_deref()),
        (ResourceType::Cluster, args.cluster.then_some(CLUSTER)),
    ];
    let named = named.into_iter().find_map(|(kind, name)| name.map(|name| (kind, name.to_owned())));
    let (resource_type, pattern) = match named {
        None => (Match::Any, PatternFilter::Any),
        Some((kind @ ResourceType::Cluster, name)) => (Match::Is(kind), PatternFilter::Is(Pattern::Literal(name))),
        Some((kind, name)) if args.exact => (Match::Is(kind), PatternFilter::Named(name)),
        Some((kind, name)) => (Match::Is(kind), PatternFilter::Matching(name)),
    };
    Ok(AclFilter {
        principal: matches(user.map(principal)),
        host: matches(host),
        resource_type,
        pattern,
        operation: args.operation.map_or(Match::Any, Match::Is),
        permission: if args.denied { Match::Is(Permission::Deny) } else { Match::Any },
    })
}

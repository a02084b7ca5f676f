//! `fink kafka bootstrap`: creates the topics, users and ACLs of the configured distribution.

mod args;
mod plan;
mod topics;
mod users;

use anyhow::bail;

pub use self::args::Args;
use self::plan::PlanItem;
use self::users::Users;
use super::client::{KAFKA_TIMEOUT, wait_until_visible};
use super::outcomes::Outcomes;
use super::{names, shell_glob};
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::Table;
use crate::config::RequiredLogin;
use crate::distribution::settings::Settings;
use crate::kafka::acls::{AclBinding, AclFilter, Pattern};
use crate::kafka::{Admin, Identity, roles};

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    shell_glob::check(&args.hosts.values().collect::<Vec<_>>(), &args.rest)?;
    let hosts = args.hosts.patterns()?;
    if let Some(group) = &args.consumer_group {
        names::check_group_pattern(group).map_err(|reason| UsageError(format!("--consumer-group: {reason}")))?;
    }
    let configuration = context.configuration()?;
    let settings = configuration.settings(RequiredLogin::Admin)?;
    let admin = Admin::open(&settings.kafka, Identity::Admin, KAFKA_TIMEOUT)?;
    let mut items = topics::topics(&admin, &settings)?;
    let users = Users::configured(args, &configuration, &settings)?;
    if let Some(users) = &users {
        items.extend(users.items(&admin)?);
        let existing = admin.describe_acls(&AclFilter::any())?;
        let acls = acls(users, args.consumer_group.as_deref(), &settings, &hosts);
        items.extend(acls.into_iter().map(|acl| PlanItem::acl(&acl, existing.contains(&acl))));
    } else {
        log::warn!(
            "kafka.security_protocol and kafka.sasl_mechanism use no passwords in Kafka: only topics are created"
        );
    }
    let conflicts: Vec<&PlanItem> = items.iter().filter(|item| item.conflict.is_some()).collect();
    let plan = table(items.iter().map(|item| (item, item.planned())));
    if args.confirm.dry_run || !conflicts.is_empty() {
        plan.print(args.output.format, context)?;
        conflicts.iter().for_each(|item| {
            log::error!("{} {}: {}", item.kind, item.name, item.conflict.as_deref().unwrap_or_default());
        });
        match conflicts.len() {
            0 => return Ok(()),
            count => bail!("{count} of {} elements differ from the configuration; nothing was done", items.len()),
        }
    }
    let missing = table(items.iter().filter(|item| !item.exists).map(|item| (item, item.planned())));
    if missing.is_empty() {
        log::info!("everything exists");
    } else {
        args.confirm.ask(&missing, "Create all of these?")?;
    }
    let mut outcomes = Outcomes::default();
    let results = plan::apply(&items, &admin, &mut outcomes);
    table(items.iter().zip(results)).print(args.output.format, context)?;
    outcomes.finish("elements")?;
    if let Some(users) = users {
        wait_until_visible(|| users.all_log_in())?;
        if !users.all_log_in()? {
            bail!("everything was created, but the configured users cannot log in");
        }
    }
    Ok(())
}

fn table<'a>(items: impl Iterator<Item = (&'a PlanItem, &'static str)>) -> Table {
    let mut table = Table::new(&["kind", "name", "what", "result"]);
    for (item, result) in items {
        table.row([item.kind.into(), item.name.as_str().into(), item.what.as_str().into(), result.into()]);
    }
    table
}

/// The ACLs of the users.
fn acls(users: &Users, consumer_group: Option<&str>, settings: &Settings, hosts: &[&str]) -> Vec<AclBinding> {
    let streams: Vec<Pattern> = settings
        .streams
        .iter()
        .flat_map(|stream| {
            std::iter::once(stream.topic.to_string()).chain(stream.schema_topic().map(|t| t.to_string()))
        })
        .map(Pattern::Literal)
        .collect();
    let read_back: Vec<Pattern> =
        settings.read_back_topics().into_iter().map(|topic| Pattern::Literal(topic.to_string())).collect();
    let rejected = Pattern::Literal(settings.distribution.rejected_topic.to_string());
    let written: Vec<Pattern> = streams.iter().cloned().chain([rejected]).collect();
    let mut acls = Vec::new();
    for host in hosts {
        let name = Some(settings.distribution.name.as_str());
        acls.extend(roles::producer_acls(users.producer(), host, &written, name, false));
        acls.extend(roles::consumer_acls(users.producer(), host, &read_back, &[]));
        if let Some(consumer) = users.consumer() {
            let group = Pattern::Prefixed(consumer_group.unwrap_or(consumer).to_owned());
            acls.extend(roles::consumer_acls(consumer, host, &streams, &[group]));
        }
    }
    acls
}

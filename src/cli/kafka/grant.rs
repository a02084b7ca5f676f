//! `fink kafka grant`: creates the ACLs of a role.

use super::acl_change::{AclChange, AclChangeArgs};
use super::acl_table;
use super::client::wait_until_visible;
use super::outcomes::Outcomes;
use crate::cli::context::Context;
use crate::kafka::acls::{AclBinding, Permission};

/// `fink kafka grant`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka grant alice --consume --topic fink_outstream --group-prefix alice --any-host
          fink kafka grant bob --consume --topic fink_ --prefix --group bobs --host 192.0.2.7
          fink kafka grant finkProducer --produce --topic fink_outstream --topic fink_rejected --transactional-id fink --host 192.0.2.1

A consumer that commits no offsets (fink start distribution_test, for example) needs no group. A user that may read or write a topic may also
describe it. The user need not exist yet.")]
pub struct Args {
    #[command(flatten)]
    change: AclChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = AclChange::new(&args.change, context)?;
    let (name, existing) = (change.name, &change.existing);
    for denial in existing.iter().filter(|acl| acl.permission == Permission::Deny) {
        log::warn!("`{name}` {}: this ACL takes precedence", acl_table::sentence(denial));
    }
    let missing: Vec<AclBinding> = change.acls.iter().filter(|acl| !existing.contains(acl)).cloned().collect();
    if args.change.confirm.dry_run {
        return change.print(|acl| if existing.contains(acl) { "was there" } else { "would be added" }, context);
    }
    if missing.is_empty() {
        log::info!("`{name}` has these ACLs already");
        return change.print(|_| "was there", context);
    }
    change.ask(&missing, &format!("Add these ACLs for `{name}`?"))?;
    let admin = &change.admin;
    if !admin.describe_users()?.iter().any(|user| user.name == *name) {
        log::warn!("no user `{name}` has a password yet: `fink kafka add-user` adds it");
    }
    let mut outcomes = Outcomes::default();
    let created = admin.create_acls(&missing)?;
    let results: Vec<_> =
        created.iter().map(|created| (&created.acl, outcomes.record(created.error.as_ref(), "added"))).collect();
    let added: Vec<_> = created.iter().filter(|created| created.error.is_none()).map(|created| &created.acl).collect();
    wait_until_visible(|| admin.describe_acls(&change.of_user).map(|now| added.iter().all(|acl| now.contains(acl))))?;
    let result =
        |acl: &AclBinding| results.iter().find(|(other, _)| *other == acl).map_or("was there", |(_, word)| word);
    change.print(result, context)?;
    outcomes.finish("ACLs")
}

//! `fink kafka grant`: the rights of a role.

use super::acl_change::{AclChange, AclChangeArgs};
use super::outcomes::Outcomes;
use super::{acl_table, wait_until_visible};
use crate::cli::context::Context;
use crate::kafka::acls::{AclBinding, Permission};

/// `fink kafka grant`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka grant alice --consume --topic fink_outstream --group-prefix alice --any-host
          fink kafka grant bob --consume --topic fink_ --prefix --group bobs --host 192.0.2.7
          fink kafka grant finkProducer --produce --topic fink_outstream --topic fink_rejected --transactional-id fink --host 192.0.2.1

A consumer that keeps no position (fink start distribution_test, for one) needs no group. Whoever may read or write a topic may also see that
it exists. The user need not exist yet.")]
pub struct Args {
    #[command(flatten)]
    rights: AclChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = AclChange::new(&args.rights, context)?;
    let (name, there) = (change.name, &change.there);
    for denial in there.iter().filter(|acl| acl.permission == Permission::Deny) {
        log::warn!("`{name}` {}: this outweighs what is granted", acl_table::sentence(denial));
    }
    let missing: Vec<AclBinding> = change.acls.iter().filter(|acl| !there.contains(acl)).cloned().collect();
    if args.rights.confirm.dry_run {
        return change.print(|acl| if there.contains(acl) { "was there" } else { "would be added" }, context);
    }
    if missing.is_empty() {
        log::info!("`{name}` has these rights already");
        return change.print(|_| "was there", context);
    }
    change.ask(&missing, &format!("Grant `{name}` these rights?"))?;
    let admin = &change.admin;
    if !admin.describe_users()?.iter().any(|user| user.name == *name) {
        log::warn!("there is no user `{name}` with a password yet: `fink kafka add-user` adds it");
    }
    let mut outcomes = Outcomes::default();
    let results = admin.create_acls(&missing)?;
    let words: Vec<&'static str> = results.iter().map(|result| outcomes.record(result, "added")).collect();
    let added: Vec<&AclBinding> =
        missing.iter().zip(&results).filter(|(_, done)| done.is_ok()).map(|(acl, _)| acl).collect();
    wait_until_visible(|| admin.describe_acls(&change.of_user).map(|now| added.iter().all(|acl| now.contains(acl))))?;
    let word = |acl: &AclBinding| {
        let place = missing.iter().position(|other| other == acl);
        place.and_then(|place| words.get(place).copied()).unwrap_or("was there")
    };
    change.print(word, context)?;
    outcomes.finish("rights")
}

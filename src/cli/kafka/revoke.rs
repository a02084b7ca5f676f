//! `fink kafka revoke`: deletes the ACLs of a role.

use anyhow::bail;

use super::acl_change::{AclChange, AclChangeArgs};
use super::acl_table;
use super::client::wait_until_visible;
use super::outcomes::Outcomes;
use crate::cli::context::Context;
use crate::kafka::Admin;
use crate::kafka::acls::{AclBinding, AclFilter, Pattern, Permission};

/// `fink kafka revoke`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka revoke alice --consume --topic fink_outstream --group-prefix alice --any-host
          fink kafka revoke finkProducer --produce --topic fink_old --host 192.0.2.1

Deletes the ACLs that `fink kafka grant` with the same arguments creates, and no others. Omit a group or a transactional id that the user needs
for other topics too.")]
pub struct Args {
    #[command(flatten)]
    change: AclChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = AclChange::new(&args.change, context)?;
    let (name, existing, admin) = (change.name, &change.existing, &change.admin);
    let (found, absent): (Vec<AclBinding>, Vec<AclBinding>) =
        change.acls.iter().cloned().partition(|acl| existing.contains(acl));
    if args.change.confirm.dry_run {
        let result = |acl: &AclBinding| if existing.contains(acl) { "would be removed" } else { "was not there" };
        return change.print(result, context);
    }
    if found.is_empty() {
        bail!("`{name}` has none of these ACLs: `fink kafka list-acls --user {name}` lists those that it has");
    }
    change.ask(&found, &format!("Remove these ACLs of `{name}`?"))?;
    let mut outcomes = Outcomes::default();
    let filters: Vec<AclFilter> = found.iter().map(AclFilter::from).collect();
    let deleted = admin.delete_acls(&filters)?;
    let mut rows: Vec<(&AclBinding, &'static str)> = Vec::with_capacity(change.acls.len());
    for (acl, deleted) in found.iter().zip(&deleted) {
        rows.push((acl, outcomes.record(deleted.error.as_ref(), "removed")));
    }
    rows.extend(absent.iter().map(|acl| (acl, "was not there")));
    let removed: Vec<&AclBinding> = deleted.iter().flat_map(|deleted| &deleted.acls).collect();
    wait_until_visible(|| Ok(!admin.describe_acls(&change.of_user)?.iter().any(|acl| removed.contains(&acl))))?;
    change.print_rows(rows, context)?;
    warn_of_remaining(admin, name, &removed)?;
    outcomes.finish("ACLs")
}

/// Logs the ACLs that still allow what the removed ones allowed.
fn warn_of_remaining(admin: &Admin, user: &str, removed: &[&AclBinding]) -> anyhow::Result<()> {
    for other in admin.describe_acls(&AclFilter::any())? {
        let is_same = |removed: &&AclBinding| {
            let (Pattern::Literal(name) | Pattern::Prefixed(name)) = &removed.pattern;
            other.applies_to(user, removed.operation, removed.resource_type, name)
        };
        if other.permission == Permission::Allow && removed.iter().any(is_same) {
            log::warn!("`{user}` still {}, by another ACL", acl_table::sentence(&other));
        }
    }
    Ok(())
}

//! `fink kafka revoke`: exactly the rules that `grant` with the same arguments adds.

use anyhow::bail;

use super::acl_change::{AclChange, AclChangeArgs};
use super::outcomes::Outcomes;
use super::{acl_table, wait_until_visible};
use crate::cli::context::Context;
use crate::kafka::Admin;
use crate::kafka::acls::{AclBinding, AclFilter, Match, Operation, Pattern, PatternFilter, Permission, principal};

/// `fink kafka revoke`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka revoke alice --consume --topic fink_outstream --group-prefix alice --any-host
          fink kafka revoke finkProducer --produce --topic fink_old --host 192.0.2.1

Takes away what `fink kafka grant` with the same arguments gives, and nothing else. A group or a transactional id that other topics of the user
need as well is left alone where it is not named.")]
pub struct Args {
    #[command(flatten)]
    rights: AclChangeArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = AclChange::new(&args.rights, context)?;
    let (name, there, admin) = (change.name, &change.there, &change.admin);
    let (found, absent): (Vec<AclBinding>, Vec<AclBinding>) =
        change.acls.iter().cloned().partition(|acl| there.contains(acl));
    if args.rights.confirm.dry_run {
        return change.print(|acl| if there.contains(acl) { "would be removed" } else { "was not there" }, context);
    }
    if found.is_empty() {
        bail!("`{name}` has none of these rights: `fink kafka list-acls --user {name}` shows those it has");
    }
    change.ask(&found, &format!("Take these rights from `{name}`?"))?;
    let mut outcomes = Outcomes::default();
    let filters: Vec<AclFilter> = found.iter().map(AclFilter::from).collect();
    let results = admin.delete_acls(&filters)?;
    let mut rows: Vec<(&AclBinding, &'static str)> = Vec::with_capacity(change.acls.len());
    for (acl, result) in found.iter().zip(&results) {
        rows.push((acl, outcomes.record(&result.as_ref().map(|_| ()), "removed")));
    }
    rows.extend(absent.iter().map(|acl| (acl, "was not there")));
    let gone: Vec<&AclBinding> = results.iter().flatten().flatten().collect();
    wait_until_visible(|| Ok(!admin.describe_acls(&change.of_user)?.iter().any(|acl| gone.contains(&acl))))?;
    change.print_rows(rows, context)?;
    warn_of_what_remains(admin, name, &gone)?;
    outcomes.finish("rights")
}

/// Says which other rules still allow what was taken away.
fn warn_of_what_remains(admin: &Admin, name: &str, gone: &[&AclBinding]) -> anyhow::Result<()> {
    let mut told: Vec<AclBinding> = Vec::new();
    for acl in gone {
        let (Pattern::Literal(text) | Pattern::Prefixed(text)) = &acl.pattern;
        let pattern = PatternFilter::Matching(text.clone());
        let filter = AclFilter { kind: Match::Is(acl.kind), pattern, ..AclFilter::any() };
        for other in admin.describe_acls(&filter)? {
            let is_theirs = [principal(name), principal("*")].contains(&other.principal);
            let is_same = [acl.operation, Operation::All].contains(&other.operation);
            if is_theirs && is_same && other.permission == Permission::Allow && !told.contains(&other) {
                log::warn!("`{name}` still {}, by another rule", acl_table::sentence(&other));
                told.push(other);
            }
        }
    }
    Ok(())
}

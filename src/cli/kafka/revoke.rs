//! `fink kafka revoke`: exactly the rules that `grant` with the same arguments adds.

use anyhow::bail;

use super::rights_order::{RightsArgs, RightsOrder};
use super::tally::Tally;
use super::{rule_table, settle};
use crate::cli::context::Context;
use crate::kafka::Admin;
use crate::kafka::acls::{Filter, Operation, Pattern, PatternFilter, Permission, Rule, Wanted, principal};

/// `fink kafka revoke`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka revoke alice --consume --topic fink_outstream --group-prefix alice --any-host
          fink kafka revoke finkProducer --produce --topic fink_old --host 192.0.2.1

Takes away what `fink kafka grant` with the same arguments gives, and nothing else. A group or a transactional id that other topics of the user
need as well is left alone where it is not named.")]
pub struct Args {
    #[command(flatten)]
    rights: RightsArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let order = RightsOrder::new(&args.rights, context)?;
    let (name, there, admin) = (order.name, &order.there, &order.admin);
    let (found, absent): (Vec<Rule>, Vec<Rule>) = order.rules.iter().cloned().partition(|rule| there.contains(rule));
    if args.rights.consent.dry_run {
        return order.print(|rule| if there.contains(rule) { "would be removed" } else { "was not there" }, context);
    }
    if found.is_empty() {
        bail!("`{name}` has none of these rights: `fink kafka list-acls --user {name}` shows those it has");
    }
    order.obtain(&found, &format!("Take these rights from `{name}`?"))?;
    let mut tally = Tally::default();
    let filters: Vec<Filter> = found.iter().map(Filter::from).collect();
    let results = admin.remove_rules(&filters)?;
    let mut rows: Vec<(&Rule, &'static str)> = Vec::with_capacity(order.rules.len());
    for (rule, result) in found.iter().zip(&results) {
        rows.push((rule, tally.note(&result.as_ref().map(|_| ()), "removed")));
    }
    rows.extend(absent.iter().map(|rule| (rule, "was not there")));
    let gone: Vec<&Rule> = results.iter().flatten().flatten().collect();
    settle(|| Ok(!admin.rules(&order.of_user)?.iter().any(|rule| gone.contains(&rule))))?;
    order.print_rows(rows, context)?;
    warn_of_what_remains(admin, name, &gone)?;
    tally.finish("rights")
}

/// Says which other rules still allow what was taken away.
fn warn_of_what_remains(admin: &Admin, name: &str, gone: &[&Rule]) -> anyhow::Result<()> {
    let mut told: Vec<Rule> = Vec::new();
    for rule in gone {
        let (Pattern::Literal(text) | Pattern::Prefixed(text)) = &rule.pattern;
        let pattern = PatternFilter::Matching(text.clone());
        let filter = Filter { kind: Wanted::Is(rule.kind), pattern, ..Filter::any() };
        for other in admin.rules(&filter)? {
            let is_theirs = [principal(name), principal("*")].contains(&other.principal);
            let is_same = [rule.operation, Operation::All].contains(&other.operation);
            if is_theirs && is_same && other.permission == Permission::Allow && !told.contains(&other) {
                log::warn!("`{name}` still {}, by another rule", rule_table::sentence(&other));
                told.push(other);
            }
        }
    }
    Ok(())
}

//! `fink kafka grant`: the rights of a role.

use super::rights_order::{RightsArgs, RightsOrder};
use super::tally::Tally;
use super::{rule_table, settle};
use crate::cli::context::Context;
use crate::kafka::acls::{Permission, Rule};

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
    rights: RightsArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let order = RightsOrder::new(&args.rights, context)?;
    let (name, there) = (order.name, &order.there);
    for denial in there.iter().filter(|rule| rule.permission == Permission::Deny) {
        log::warn!("`{name}` {}: this outweighs what is granted", rule_table::sentence(denial));
    }
    let missing: Vec<Rule> = order.rules.iter().filter(|rule| !there.contains(rule)).cloned().collect();
    if args.rights.consent.dry_run {
        return order.print(|rule| if there.contains(rule) { "was there" } else { "would be added" }, context);
    }
    if missing.is_empty() {
        log::info!("`{name}` has these rights already");
        return order.print(|_| "was there", context);
    }
    order.obtain(&missing, &format!("Grant `{name}` these rights?"))?;
    let admin = &order.admin;
    if !admin.users()?.iter().any(|user| user.name == *name) {
        log::warn!("there is no user `{name}` with a password yet: `fink kafka add-user` adds it");
    }
    let mut tally = Tally::default();
    let results = admin.add_rules(&missing)?;
    let words: Vec<&'static str> = results.iter().map(|result| tally.note(result, "added")).collect();
    let added: Vec<&Rule> =
        missing.iter().zip(&results).filter(|(_, done)| done.is_ok()).map(|(rule, _)| rule).collect();
    settle(|| admin.rules(&order.of_user).map(|now| added.iter().all(|rule| now.contains(rule))))?;
    let word = |rule: &Rule| {
        let place = missing.iter().position(|other| other == rule);
        place.and_then(|place| words.get(place).copied()).unwrap_or("was there")
    };
    order.print(word, context)?;
    tally.finish("rights")
}

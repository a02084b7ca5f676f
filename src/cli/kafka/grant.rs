//! `fink kafka grant`: the rights of a role.

use super::ask::ConsentArgs;
use super::role::RoleArgs;
use super::tally::Tally;
use super::{admin, rule_table, settle};
use crate::cli::context::Context;
use crate::cli::output::OutputArgs;
use crate::kafka::acls::{Filter, Permission, Rule};

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
    role: RoleArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let rules = args.role.rules()?;
    let (name, format) = (&args.role.name, args.output.format);
    let admin = admin(context)?;
    let of_user = Filter::of_user(name);
    let there = admin.rules(&of_user)?;
    for denial in there.iter().filter(|rule| rule.permission == Permission::Deny) {
        log::warn!("`{name}` {}: this outweighs what is granted", rule_table::sentence(denial));
    }
    let missing: Vec<Rule> = rules.iter().filter(|rule| !there.contains(rule)).cloned().collect();
    let word_for = |word: &'static str| move |rule: &Rule| if there.contains(rule) { "was there" } else { word };
    if args.consent.dry_run {
        let planned = word_for("would be added");
        return rule_table::with_results(rules.iter().map(|rule| (rule, planned(rule))), format).print(format, context);
    }
    if missing.is_empty() {
        log::info!("`{name}` has these rights already");
        return rule_table::with_results(rules.iter().map(|rule| (rule, "was there")), format).print(format, context);
    }
    let plan = rule_table::plain(&missing, crate::cli::Format::Table);
    args.consent.obtain(&plan, &format!("Grant `{name}` these rights?"))?;
    if !admin.users()?.iter().any(|user| user.name == *name) {
        log::warn!("there is no user `{name}` with a password yet: `fink kafka add-user` adds it");
    }
    let mut tally = Tally::default();
    let results = admin.add_rules(&missing)?;
    let words: Vec<&str> = results.iter().map(|result| tally.note(result, "added")).collect();
    let added: Vec<&Rule> =
        missing.iter().zip(&results).filter(|(_, done)| done.is_ok()).map(|(rule, _)| rule).collect();
    settle(|| admin.rules(&of_user).map(|now| added.iter().all(|rule| now.contains(rule))))?;
    let rows = rules.iter().map(|rule| {
        let place = missing.iter().position(|other| other == rule);
        (rule, place.and_then(|place| words.get(place).copied()).unwrap_or("was there"))
    });
    rule_table::with_results(rows, format).print(format, context)?;
    tally.finish("rights")
}

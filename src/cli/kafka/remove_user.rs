//! `fink kafka remove-user`: users and what they may do.

use serde_json::Value;

use super::ask::ConsentArgs;
use super::tally::Tally;
use super::{admin, names, rule_table, settle};
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::acls::{Filter, Rule};
use crate::kafka::users::{Change, Mechanism};

const COLUMNS: &[&str] = &["user", "what", "result"];

/// `fink kafka remove-user`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka remove-user alice
          fink kafka remove-user bob carol --yes

Its rights go too: Kafka would give them to whoever gets the name later, and connections that are open now stay logged in.")]
pub struct Args {
    /// The users
    #[arg(required = true, value_name = "NAME", value_parser = names::user)]
    names: Vec<String>,
    /// Remove the passwords only
    #[arg(long)]
    keep_rights: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wanted = names::distinct(&args.names);
    let admin = admin(context)?;
    let users = admin.users()?;
    let mut tally = Tally::default();
    let mut rights: Vec<(&str, Rule)> = Vec::new();
    let mut passwords: Vec<(&str, Mechanism)> = Vec::new();
    for name in &wanted {
        let user = users.iter().find(|user| user.name == *name);
        let rules = if args.keep_rights { Vec::new() } else { admin.rules(&Filter::of_user(name))? };
        if user.is_none() && rules.is_empty() {
            tally.note(&Err(format!("there is no user `{name}`: `fink kafka list-users` lists them")), "");
        }
        rights.extend(rules.into_iter().map(|rule| (name.as_str(), rule)));
        let credentials = user.map(|user| user.credentials.as_slice()).unwrap_or_default();
        passwords.extend(credentials.iter().map(|credential| (name.as_str(), credential.mechanism)));
    }
    let row = |table: &mut Table, name: &str, what: String, result: &str| {
        table.row([Value::from(name), what.into(), result.into()]);
    };
    let right = |rule: &Rule| format!("right: {}", rule_table::sentence(rule));
    let password = |mechanism: &Mechanism| format!("password for {mechanism}");
    let mut plan = Table::new(COLUMNS);
    rights.iter().for_each(|(name, rule)| row(&mut plan, name, right(rule), "would be removed"));
    passwords.iter().for_each(|(name, mechanism)| row(&mut plan, name, password(mechanism), "would be removed"));
    if !args.consent.obtain_or_print(&plan, "Remove all this?", args.output.format, context)? {
        return tally.finish("users");
    }
    let mut table = Table::new(COLUMNS);
    // The rights first: until they are gone, an open connection can use them.
    let filters: Vec<Filter> = rights.iter().map(|(_, rule)| Filter::from(rule)).collect();
    let removed = if filters.is_empty() { Vec::new() } else { admin.remove_rules(&filters)? };
    for ((name, rule), result) in rights.iter().zip(&removed) {
        row(&mut table, name, right(rule), tally.note(&result.as_ref().map(|_| ()), "removed"));
    }
    let change =
        |(name, mechanism): &(&str, Mechanism)| Change::Remove { user: (*name).to_owned(), mechanism: *mechanism };
    let changes: Vec<Change> = passwords.iter().map(change).collect();
    let results = admin.change_users(&changes)?;
    for ((name, mechanism), result) in passwords.iter().zip(&results) {
        row(&mut table, name, password(mechanism), tally.note(result, "removed"));
    }
    if results.iter().all(Result::is_ok) {
        settle(|| Ok(!admin.users()?.iter().any(|user| wanted.contains(&user.name))))?;
    }
    table.print(args.output.format, context)?;
    tally.finish("elements")
}

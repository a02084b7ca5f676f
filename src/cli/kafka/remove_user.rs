//! `fink kafka remove-user`: users and what they may do.

use serde_json::Value;

use super::confirm::ConfirmArgs;
use super::outcomes::Outcomes;
use super::{acl_table, admin, names, wait_until_visible};
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::acls::{AclBinding, AclFilter};
use crate::kafka::users::{CredentialChange, ScramMechanism};

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
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wanted = names::distinct(&args.names);
    let admin = admin(context)?;
    let users = admin.describe_users()?;
    let mut outcomes = Outcomes::default();
    let mut rights: Vec<(&str, AclBinding)> = Vec::new();
    let mut passwords: Vec<(&str, ScramMechanism)> = Vec::new();
    for name in &wanted {
        let user = users.iter().find(|user| user.name == *name);
        let acls = if args.keep_rights { Vec::new() } else { admin.describe_acls(&AclFilter::of_user(name))? };
        if user.is_none() && acls.is_empty() {
            outcomes.record(&Err(format!("there is no user `{name}`: `fink kafka list-users` lists them")), "");
        }
        rights.extend(acls.into_iter().map(|acl| (name.as_str(), acl)));
        let credentials = user.map(|user| user.credentials.as_slice()).unwrap_or_default();
        passwords.extend(credentials.iter().map(|credential| (name.as_str(), credential.mechanism)));
    }
    let row = |table: &mut Table, name: &str, what: String, result: &str| {
        table.row([Value::from(name), what.into(), result.into()]);
    };
    let right = |acl: &AclBinding| format!("right: {}", acl_table::sentence(acl));
    let password = |mechanism: &ScramMechanism| format!("password for {mechanism}");
    let mut plan = Table::new(COLUMNS);
    rights.iter().for_each(|(name, acl)| row(&mut plan, name, right(acl), "would be removed"));
    passwords.iter().for_each(|(name, mechanism)| row(&mut plan, name, password(mechanism), "would be removed"));
    if !args.confirm.ask_or_print(&plan, "Remove all this?", args.output.format, context)? {
        return outcomes.finish("users");
    }
    let mut table = Table::new(COLUMNS);
    // The rights first: until they are gone, an open connection can use them.
    let filters: Vec<AclFilter> = rights.iter().map(|(_, acl)| AclFilter::from(acl)).collect();
    let removed = if filters.is_empty() { Vec::new() } else { admin.delete_acls(&filters)? };
    for ((name, acl), result) in rights.iter().zip(&removed) {
        row(&mut table, name, right(acl), outcomes.record(&result.as_ref().map(|_| ()), "removed"));
    }
    let change = |(name, mechanism): &(&str, ScramMechanism)| CredentialChange::Delete {
        user: (*name).to_owned(),
        mechanism: *mechanism,
    };
    let changes: Vec<CredentialChange> = passwords.iter().map(change).collect();
    let results = admin.alter_users(&changes)?;
    for ((name, mechanism), result) in passwords.iter().zip(&results) {
        row(&mut table, name, password(mechanism), outcomes.record(result, "removed"));
    }
    if results.iter().all(Result::is_ok) {
        wait_until_visible(|| Ok(!admin.describe_users()?.iter().any(|user| wanted.contains(&user.name))))?;
    }
    table.print(args.output.format, context)?;
    outcomes.finish("elements")
}

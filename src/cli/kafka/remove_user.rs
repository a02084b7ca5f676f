//! `fink kafka remove-user`: removes users and their ACLs.

use serde_json::Value;

use super::client::{admin, wait_until_visible};
use super::confirm::ConfirmArgs;
use super::outcomes::Outcomes;
use super::{acl_table, names};
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::acls::{AclBinding, AclFilter, principal};
use crate::kafka::scram::{CredentialChange, ScramMechanism};

const COLUMNS: &[&str] = &["user", "what", "result"];

/// `fink kafka remove-user`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka remove-user alice
          fink kafka remove-user bob carol --yes

The ACLs of the user are removed too: Kafka would apply them to a later user of the same name, and open connections stay logged in.")]
pub struct Args {
    /// The users
    #[arg(required = true, value_name = "NAME", value_parser = names::user)]
    names: Vec<String>,
    /// Remove only the passwords
    #[arg(long)]
    keep_rights: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let names = names::distinct(&args.names);
    let admin = admin(context)?;
    let users = admin.describe_users()?;
    let existing = if args.keep_rights { Vec::new() } else { admin.describe_acls(&AclFilter::any())? };
    let mut outcomes = Outcomes::default();
    let mut acls: Vec<(&str, AclBinding)> = Vec::new();
    let mut passwords: Vec<(&str, ScramMechanism)> = Vec::new();
    for name in &names {
        let user = users.iter().find(|user| user.name == *name);
        let principal = principal(name);
        let mut of_user = existing.iter().filter(|acl| acl.principal == principal).cloned().peekable();
        if user.is_none() && of_user.peek().is_none() {
            outcomes.fail(format!("user `{name}` does not exist: `fink kafka list-users` lists the users"));
        }
        acls.extend(of_user.map(|acl| (name.as_str(), acl)));
        let credentials = user.map(|user| user.credentials.as_slice()).unwrap_or_default();
        passwords.extend(credentials.iter().map(|credential| (name.as_str(), credential.mechanism)));
    }
    let row = |table: &mut Table, name: &str, what: String, result: &str| {
        table.row([Value::from(name), what.into(), result.into()]);
    };
    let acl_text = |acl: &AclBinding| format!("right: {}", acl_table::sentence(acl));
    let password_text = |mechanism: &ScramMechanism| format!("password for {mechanism}");
    let mut plan = Table::new(COLUMNS);
    acls.iter().for_each(|(name, acl)| row(&mut plan, name, acl_text(acl), "would be removed"));
    passwords.iter().for_each(|(name, mechanism)| row(&mut plan, name, password_text(mechanism), "would be removed"));
    if !args.confirm.ask_or_print(&plan, "Remove all of these?", args.output.format, context)? {
        return outcomes.finish("users");
    }
    let mut table = Table::new(COLUMNS);
    // First the ACLs: an open connection can use them until they are removed.
    let filters: Vec<AclFilter> = acls.iter().map(|(_, acl)| AclFilter::from(acl)).collect();
    let deleted = if filters.is_empty() { Vec::new() } else { admin.delete_acls(&filters)? };
    for ((name, acl), deleted) in acls.iter().zip(&deleted) {
        row(&mut table, name, acl_text(acl), outcomes.record(deleted.error.as_ref(), "removed"));
    }
    let change = |(name, mechanism): &(&str, ScramMechanism)| CredentialChange::Delete {
        user: (*name).to_owned(),
        mechanism: *mechanism,
    };
    let changes: Vec<CredentialChange> = passwords.iter().map(change).collect();
    let altered = admin.alter_users(&changes)?;
    for altered in &altered {
        let result = outcomes.record(altered.error.as_ref(), "removed");
        row(&mut table, &altered.user, password_text(&altered.mechanism), result);
    }
    if altered.iter().all(|altered| altered.error.is_none()) {
        wait_until_visible(|| Ok(!admin.describe_users()?.iter().any(|user| names.contains(&user.name))))?;
    }
    table.print(args.output.format, context)?;
    outcomes.finish("elements")
}

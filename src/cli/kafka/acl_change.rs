//! What `grant` and `revoke` have in common: one takes away exactly what the other gives, so both begin alike.

use super::confirm::ConfirmArgs;
use super::role::RoleArgs;
use super::{acl_table, admin};
use crate::cli::context::Context;
use crate::cli::output::{Format, OutputArgs};
use crate::kafka::Admin;
use crate::kafka::acls::{AclBinding, AclFilter};

/// Whose rights, which, and how to ask and print.
#[derive(Debug, clap::Args)]
pub(super) struct AclChangeArgs {
    #[command(flatten)]
    role: RoleArgs,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The rules of a role, and those that the user has.
pub(super) struct AclChange<'a> {
    /// the user
    pub name: &'a str,
    /// who carries the order out
    pub admin: Admin,
    /// all rules of the user
    pub of_user: AclFilter,
    /// the rules of the role
    pub acls: Vec<AclBinding>,
    /// the rules that the user has before anything is done
    pub there: Vec<AclBinding>,
    args: &'a AclChangeArgs,
}

impl<'a> AclChange<'a> {
    pub fn new(args: &'a AclChangeArgs, context: &Context) -> anyhow::Result<Self> {
        let acls = args.role.acls()?;
        let name = args.role.name.as_str();
        let admin = admin(context)?;
        let of_user = AclFilter::of_user(name);
        let there = admin.describe_acls(&of_user)?;
        Ok(Self { name, admin, of_user, acls, there, args })
    }

    /// Shows what is about to change, and asks.
    pub fn ask(&self, changes: &[AclBinding], question: &str) -> anyhow::Result<()> {
        self.args.confirm.ask(&acl_table::plain(changes, Format::Table), question)
    }

    /// Prints the rules of the role, each with its word.
    pub fn print(&self, word: impl Fn(&AclBinding) -> &'static str, context: &Context) -> anyhow::Result<()> {
        self.print_rows(self.acls.iter().map(|acl| (acl, word(acl))), context)
    }

    /// Prints these ACLs.
    pub fn print_rows<'r>(
        &self,
        rows: impl IntoIterator<Item = (&'r AclBinding, &'r str)>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let format = self.args.output.format;
        acl_table::with_results(rows, format).print(format, context)
    }
}

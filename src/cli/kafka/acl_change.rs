//! What `grant` and `revoke` share: the ACLs of a role, and those that exist.

use super::acl_table;
use super::client::admin;
use super::confirm::ConfirmArgs;
use super::role::RoleArgs;
use crate::cli::context::Context;
use crate::cli::output::{Format, OutputArgs};
use crate::kafka::Admin;
use crate::kafka::acls::{AclBinding, AclFilter};

/// The arguments of `grant` and `revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct AclChangeArgs {
    #[command(flatten)]
    role: RoleArgs,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The ACLs of a role, and those that the user has.
pub(super) struct AclChange<'a> {
    /// the user
    pub name: &'a str,
    /// the administrator's client
    pub admin: Admin,
    /// matches all ACLs of the user
    pub of_user: AclFilter,
    /// the ACLs of the role
    pub acls: Vec<AclBinding>,
    /// the ACLs that the user has before the change
    pub existing: Vec<AclBinding>,
    args: &'a AclChangeArgs,
}

impl<'a> AclChange<'a> {
    pub fn new(args: &'a AclChangeArgs, context: &Context) -> anyhow::Result<Self> {
        let acls = args.role.acls()?;
        let name = args.role.name.as_str();
        let admin = admin(context)?;
        let of_user = AclFilter::of_user(name);
        let existing = admin.describe_acls(&of_user)?;
        Ok(Self { name, admin, of_user, acls, existing, args })
    }

    /// Shows the changes and asks for confirmation.
    pub fn ask(&self, changes: &[AclBinding], question: &str) -> anyhow::Result<()> {
        self.args.confirm.ask(&acl_table::plain(changes, Format::Table), question)
    }

    /// Prints the ACLs of the role, each with its result.
    pub fn print(&self, result: impl Fn(&AclBinding) -> &'static str, context: &Context) -> anyhow::Result<()> {
        self.print_rows(self.acls.iter().map(|acl| (acl, result(acl))), context)
    }

    /// Prints ACLs with their results.
    pub fn print_rows<'r>(
        &self,
        rows: impl IntoIterator<Item = (&'r AclBinding, &'r str)>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let format = self.args.output.format;
        acl_table::with_results(rows, format).print(format, context)
    }
}

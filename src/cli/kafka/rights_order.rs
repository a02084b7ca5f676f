//! What `grant` and `revoke` have in common: one takes away exactly what the other gives, so both begin alike.

use super::ask::ConsentArgs;
use super::role::RoleArgs;
use super::{admin, rule_table};
use crate::cli::context::Context;
use crate::cli::output::{Format, OutputArgs};
use crate::kafka::Admin;
use crate::kafka::acls::{Filter, Rule};

/// Whose rights, which, and how to ask and print.
#[derive(Debug, clap::Args)]
pub(super) struct RightsArgs {
    #[command(flatten)]
    role: RoleArgs,
    #[command(flatten)]
    pub consent: ConsentArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The rules of a role, and those that the user has.
pub(super) struct RightsOrder<'a> {
    /// the user
    pub name: &'a str,
    /// who carries the order out
    pub admin: Admin,
    /// all rules of the user
    pub of_user: Filter,
    /// the rules of the role
    pub rules: Vec<Rule>,
    /// the rules that the user has before anything is done
    pub there: Vec<Rule>,
    args: &'a RightsArgs,
}

impl<'a> RightsOrder<'a> {
    pub fn new(args: &'a RightsArgs, context: &Context) -> anyhow::Result<Self> {
        let rules = args.role.rules()?;
        let name = args.role.name.as_str();
        let admin = admin(context)?;
        let of_user = Filter::of_user(name);
        let there = admin.rules(&of_user)?;
        Ok(Self { name, admin, of_user, rules, there, args })
    }

    /// Shows what is about to change, and asks.
    pub fn obtain(&self, changes: &[Rule], question: &str) -> anyhow::Result<()> {
        self.args.consent.obtain(&rule_table::plain(changes, Format::Table), question)
    }

    /// Prints the rules of the role, each with its word.
    pub fn print(&self, word: impl Fn(&Rule) -> &'static str, context: &Context) -> anyhow::Result<()> {
        self.print_rows(self.rules.iter().map(|rule| (rule, word(rule))), context)
    }

    /// Prints these rules.
    pub fn print_rows<'r>(
        &self,
        rows: impl IntoIterator<Item = (&'r Rule, &'r str)>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let format = self.args.output.format;
        rule_table::with_results(rows, format).print(format, context)
    }
}

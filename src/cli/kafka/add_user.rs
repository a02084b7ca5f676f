//! `fink kafka add-user`: adds users, or replaces their passwords.

use serde_json::Value;

use super::client::{admin, wait_until_visible};
use super::names;
use super::outcomes::Outcomes;
use super::password::PasswordArgs;
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::kafka::scram::{CredentialChange, DEFAULT_ITERATIONS, MAX_ITERATIONS, ScramMechanism, ScramUser};
use crate::secret::Secret;

/// `fink kafka add-user`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka add-user alice
          fink kafka add-user bob carol --generate
          fink kafka add-user finkProducer --replace --password-file conf/producer.password

Without --password-stdin, --password-file or --generate there is a prompt for the password. A new user has no ACLs: see `fink kafka grant`.")]
pub struct Args {
    /// The users
    #[arg(required = true, value_name = "NAME", value_parser = names::new_user)]
    names: Vec<String>,
    #[command(flatten)]
    password: PasswordArgs,
    /// The mechanism of the login, SCRAM-SHA-256 or SCRAM-SHA-512; may be repeated [default: SCRAM-SHA-512; with --replace, those that the user has]
    #[arg(long = "mechanism", value_name = "MECHANISM", value_parser = mechanism)]
    mechanisms: Vec<ScramMechanism>,
    /// The iterations of the password's hash: more make a guess with a stolen hash and each login slower
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ITERATIONS, value_parser = clap::value_parser!(i32).range(i64::from(DEFAULT_ITERATIONS)..=i64::from(MAX_ITERATIONS)))]
    iterations: i32,
    /// Skip users that have a password
    #[arg(long, conflicts_with = "replace")]
    if_missing: bool,
    /// Replace the password of users that have one
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn mechanism(text: &str) -> Result<ScramMechanism, String> {
    ScramMechanism::from_name(text).ok_or_else(|| "Kafka has passwords for SCRAM-SHA-256 and SCRAM-SHA-512".to_owned())
}

/// The new password of a user.
struct NewPassword {
    user: String,
    mechanisms: Vec<ScramMechanism>,
    password: Secret,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut wanted = args.names.clone();
    wanted.sort();
    wanted.dedup();
    if wanted.len() > 1 && args.password.is_single() {
        return Err(UsageError("each user needs its own password: give one NAME, or use --generate".to_owned()).into());
    }
    args.password.check()?;
    let admin = admin(context)?;
    let users = admin.describe_users()?;
    let mut outcomes = Outcomes::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut new_passwords: Vec<NewPassword> = Vec::new();
    for name in wanted {
        let has = mechanisms_of(&users, &name);
        let mechanisms = args.mechanisms_for(&has);
        let known: Vec<ScramMechanism> =
            mechanisms.iter().copied().filter(|mechanism| has.contains(mechanism)).collect();
        if !known.is_empty() && !args.replace && !args.if_missing {
            let word = outcomes.fail(format!(
                "user `{name}` has a password for {} already: use --replace to replace it, or --if-missing to skip the user",
                listed(&known)
            ));
            rows.extend(known.iter().map(|mechanism| Row::new(&name, *mechanism, word)));
            continue;
        }
        let (left, to_set): (Vec<ScramMechanism>, Vec<ScramMechanism>) =
            mechanisms.into_iter().partition(|mechanism| known.contains(mechanism) && !args.replace);
        for mechanism in left {
            rows.push(Row::new(&name, mechanism, outcomes.succeed("was there")));
        }
        let others: Vec<ScramMechanism> = has.iter().copied().filter(|mechanism| !to_set.contains(mechanism)).collect();
        if !to_set.is_empty() && !others.is_empty() {
            log::warn!("the password of `{name}` for {} stays as it was", listed(&others));
        }
        if !to_set.is_empty() {
            let password = args.password.fetch(&name)?;
            new_passwords.push(NewPassword { user: name, mechanisms: to_set, password });
        }
    }
    let changes: Vec<CredentialChange> =
        new_passwords.iter().flat_map(|new_password| args.changes(new_password)).collect();
    let mut altered = admin.alter_users(&changes)?.into_iter();
    for new_password in &new_passwords {
        for (mechanism, altered) in new_password.mechanisms.iter().zip(&mut altered) {
            let done = if mechanisms_of(&users, &new_password.user).contains(mechanism) { "replaced" } else { "added" };
            let word = outcomes.record(altered.error.as_ref(), done);
            let password = (args.password.generate && altered.error.is_none()).then(|| new_password.password.clone());
            rows.push(Row { user: new_password.user.clone(), mechanism: *mechanism, result: word, password });
        }
    }
    wait_until_visible(|| {
        let now = admin.describe_users()?;
        let is_visible = |row: &Row| row.result == "failed" || mechanisms_of(&now, &row.user).contains(&row.mechanism);
        Ok(rows.iter().all(is_visible))
    })?;
    print(&rows, args, context)?;
    outcomes.finish("passwords")
}

impl Args {
    fn mechanisms_for(&self, has: &[ScramMechanism]) -> Vec<ScramMechanism> {
        let mut mechanisms = match self.mechanisms.is_empty() {
            false => self.mechanisms.clone(),
            true if self.replace && !has.is_empty() => has.to_vec(),
            true => vec![ScramMechanism::ScramSha512],
        };
        mechanisms.sort();
        mechanisms.dedup();
        mechanisms
    }

    fn changes(&self, new_password: &NewPassword) -> impl Iterator<Item = CredentialChange> {
        new_password.mechanisms.iter().map(|mechanism| CredentialChange::Upsert {
            user: new_password.user.clone(),
            mechanism: *mechanism,
            iterations: self.iterations,
            password: new_password.password.clone(),
        })
    }
}

/// The outcome for one user and mechanism.
struct Row {
    user: String,
    mechanism: ScramMechanism,
    result: &'static str,
    /// the password, where it was generated
    password: Option<Secret>,
}

impl Row {
    fn new(user: &str, mechanism: ScramMechanism, result: &'static str) -> Self {
        Self { user: user.to_owned(), mechanism, result, password: None }
    }
}

fn print(rows: &[Row], args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(match args.password.generate {
        true => &["user", "mechanism", "result", "password"],
        false => &["user", "mechanism", "result"],
    });
    for row in rows {
        let (user, mechanism) = (Value::from(row.user.as_str()), Value::from(row.mechanism.to_string()));
        let password = row.password.as_ref().map(Secret::reveal);
        match args.password.generate {
            true => table.row([user, mechanism, row.result.into(), password.into()]),
            false => table.row([user, mechanism, row.result.into()]),
        }
    }
    table.print(args.output.format, context)
}

fn mechanisms_of(users: &[ScramUser], name: &str) -> Vec<ScramMechanism> {
    let user = users.iter().find(|user| user.name == name);
    user.map(|user| user.credentials.iter().map(|credential| credential.mechanism).collect()).unwrap_or_default()
}

fn listed(mechanisms: &[ScramMechanism]) -> String {
    mechanisms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

//! The things that a bootstrap makes, one by one.

use std::path::PathBuf;

use super::super::password::save;
use super::super::rule_table;
use super::super::tally::Tally;
use crate::config::Secret;
use crate::kafka::Admin;
use crate::kafka::acls::Rule;
use crate::kafka::topics::TopicShape;
use crate::kafka::users::{Change, ITERATIONS, Mechanism};

/// A thing that has to be there.
pub(super) struct Item {
    /// `topic`, `user` or `right`
    pub kind: &'static str,
    /// of the topic or the user
    pub name: String,
    /// more about it
    pub what: String,
    /// whether it is there already
    pub is_there: bool,
    /// how it is there otherwise than it should be
    pub conflict: Option<String>,
    pub work: Work,
}

/// How it is made.
pub(super) enum Work {
    Topic(String, TopicShape),
    /// more partitions of a topic, so many in all
    Partitions(String, i32),
    User {
        name: String,
        mechanism: Mechanism,
        password: Secret,
        /// where the password is to be written first
        save_to: Option<PathBuf>,
    },
    Right(Rule),
}

impl Item {
    /// An access rule.
    pub fn right(rule: &Rule, is_there: bool) -> Self {
        let name = rule.principal.strip_prefix("User:").unwrap_or(&rule.principal).to_owned();
        let what = rule_table::sentence(rule);
        Self { kind: "right", name, what, is_there, conflict: None, work: Work::Right(rule.clone()) }
    }

    /// What is to become of it, in a word.
    pub fn planned(&self) -> &'static str {
        match (&self.conflict, self.is_there) {
            (Some(_), _) => "is there otherwise",
            (None, true) => "was there",
            (None, false) => "would be made",
        }
    }

    /// Makes it where it is missing; what became of it, in a word.
    pub fn carry_out(&self, admin: &Admin, tally: &mut Tally) -> &'static str {
        if self.is_there {
            return tally.note(&Ok::<(), String>(()), "was there");
        }
        tally.note(&self.make(admin).map_err(|error| format!("{error:#}")), "made")
    }

    fn make(&self, admin: &Admin) -> anyhow::Result<()> {
        match &self.work {
            Work::Topic(name, shape) => {
                admin.create_topic(name, shape)?;
            }
            Work::Partitions(name, partitions) => admin.add_partitions(name, *partitions)?,
            Work::User { name, mechanism, password, save_to } => {
                if let Some(path) = save_to {
                    save(password, path)?;
                }
                let change = Change::Set {
                    user: name.clone(),
                    mechanism: *mechanism,
                    iterations: ITERATIONS,
                    password: password.clone(),
                };
                admin.change_users(&[change])?.into_iter().collect::<Result<(), _>>()?;
            }
            Work::Right(rule) => admin.add_rules(std::slice::from_ref(rule))?.into_iter().collect::<Result<(), _>>()?,
        }
        Ok(())
    }
}

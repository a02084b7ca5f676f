//! The things that a bootstrap makes, one by one.

use std::path::PathBuf;

use super::super::acl_table;
use super::super::outcomes::Outcomes;
use super::super::password::save;
use crate::config::Secret;
use crate::kafka::Admin;
use crate::kafka::acls::AclBinding;
use crate::kafka::topics::TopicSpec;
use crate::kafka::users::{CredentialChange, DEFAULT_ITERATIONS, ScramMechanism};

/// A thing that has to be there.
pub(super) struct PlanItem {
    /// `topic`, `user` or `right`
    pub kind: &'static str,
    /// of the topic or the user
    pub name: String,
    /// more about it
    pub what: String,
    /// whether it is there already
    pub exists: bool,
    /// how it is there otherwise than it should be
    pub conflict: Option<String>,
    pub change: PlannedChange,
}

/// How it is made.
pub(super) enum PlannedChange {
    Topic(String, TopicSpec),
    /// more partitions of a topic, so many in all
    Partitions(String, i32),
    User {
        name: String,
        mechanism: ScramMechanism,
        password: Secret,
        /// where the password is to be written first
        save_to: Option<PathBuf>,
    },
    Acl(AclBinding),
}

impl PlanItem {
    /// An ACL.
    pub fn acl(acl: &AclBinding, exists: bool) -> Self {
        let name = acl.principal.strip_prefix("User:").unwrap_or(&acl.principal).to_owned();
        let what = acl_table::sentence(acl);
        Self { kind: "right", name, what, exists, conflict: None, change: PlannedChange::Acl(acl.clone()) }
    }

    /// What is to become of it, in a word.
    pub fn planned(&self) -> &'static str {
        match (&self.conflict, self.exists) {
            (Some(_), _) => "is there otherwise",
            (None, true) => "was there",
            (None, false) => "would be made",
        }
    }

    /// Makes it where it is missing; what became of it, in a word.
    pub fn apply(&self, admin: &Admin, outcomes: &mut Outcomes) -> &'static str {
        if self.exists {
            return outcomes.record(&Ok::<(), String>(()), "was there");
        }
        outcomes.record(&self.make(admin).map_err(|error| format!("{error:#}")), "made")
    }

    fn make(&self, admin: &Admin) -> anyhow::Result<()> {
        match &self.change {
            PlannedChange::Topic(name, spec) => {
                admin.create_topic(name, spec)?;
            }
            PlannedChange::Partitions(name, partitions) => admin.add_partitions(name, *partitions)?,
            PlannedChange::User { name, mechanism, password, save_to } => {
                if let Some(path) = save_to {
                    save(password, path)?;
                }
                let change = CredentialChange::Upsert {
                    user: name.clone(),
                    mechanism: *mechanism,
                    iterations: DEFAULT_ITERATIONS,
                    password: password.clone(),
                };
                admin.alter_users(&[change])?.into_iter().collect::<Result<(), _>>()?;
            }
            PlannedChange::Acl(acl) => {
                admin.create_acls(std::slice::from_ref(acl))?.into_iter().collect::<Result<(), _>>()?
            }
        }
        Ok(())
    }
}

//! The elements that a bootstrap creates.

use std::path::PathBuf;

use crate::cli::kafka::acl_table;
use crate::cli::kafka::outcomes::Outcomes;
use crate::cli::kafka::password::save;
use crate::kafka::acls::AclBinding;
use crate::kafka::scram::{CredentialChange, DEFAULT_ITERATIONS, ScramMechanism};
use crate::kafka::topics::TopicSpec;
use crate::kafka::{self, Admin};
use crate::secret::Secret;

/// An element that has to exist.
pub(super) struct PlanItem {
    /// `topic`, `user` or `right`
    pub kind: &'static str,
    /// the name of the topic or user
    pub name: String,
    /// a description
    pub what: String,
    pub exists: bool,
    /// how the existing element differs from the configuration
    pub conflict: Option<String>,
    pub change: PlannedChange,
}

/// The change that creates an element.
pub(super) enum PlannedChange {
    Topic(String, TopicSpec),
    /// adds partitions to a topic, up to this number
    Partitions(String, i32),
    User {
        name: String,
        mechanism: ScramMechanism,
        password: Secret,
        /// the file that a generated password is written to first
        save_to: Option<PathBuf>,
    },
    Acl(AclBinding),
}

impl PlanItem {
    pub fn acl(acl: &AclBinding, exists: bool) -> Self {
        let name = acl.principal.strip_prefix("User:").unwrap_or(&acl.principal).to_owned();
        let what = acl_table::sentence(acl);
        Self { kind: "right", name, what, exists, conflict: None, change: PlannedChange::Acl(acl.clone()) }
    }

    /// The result column of the plan.
    pub fn planned(&self) -> &'static str {
        match (&self.conflict, self.exists) {
            (Some(_), _) => "is there otherwise",
            (None, true) => "was there",
            (None, false) => "would be made",
        }
    }
}

/// Creates the missing elements: one request each for all topics, users and ACLs. Returns the result of each item, in order.
pub(super) fn apply(items: &[PlanItem], admin: &Admin, outcomes: &mut Outcomes) -> Vec<&'static str> {
    let mut results: Vec<&'static str> =
        items.iter().map(|item| if item.exists { outcomes.succeed("was there") } else { "" }).collect();
    let (mut topics, mut users, mut acls) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.exists) {
        match &item.change {
            PlannedChange::Topic(name, spec) => topics.push((index, (name.as_str(), spec))),
            PlannedChange::Partitions(name, partitions) => {
                results[index] = outcomes.record(admin.add_partitions(name, *partitions).err(), "made");
            }
            PlannedChange::User { name, mechanism, password, save_to } => {
                // A password that cannot be saved would be lost.
                if let Some(Err(error)) = save_to.as_ref().map(|path| save(password, path)) {
                    results[index] = outcomes.fail(format!("{error:#}"));
                    continue;
                }
                let change = CredentialChange::Upsert {
                    user: name.clone(),
                    mechanism: *mechanism,
                    iterations: DEFAULT_ITERATIONS,
                    password: password.clone(),
                };
                users.push((index, change));
            }
            PlannedChange::Acl(acl) => acls.push((index, acl.clone())),
        }
    }
    let mut record = |requested: Vec<usize>, errors: kafka::Result<Vec<Option<kafka::Error>>>| match errors {
        Ok(errors) => {
            for (index, error) in requested.into_iter().zip(errors) {
                results[index] = outcomes.record(error, "made");
            }
        }
        Err(error) => requested.into_iter().for_each(|index| results[index] = outcomes.fail(&error)),
    };
    let (requested, topics): (Vec<usize>, Vec<_>) = topics.into_iter().unzip();
    if !topics.is_empty() {
        let created = admin.create_topics(&topics);
        record(requested, created.map(|rows| rows.into_iter().map(|row| row.error).collect()));
    }
    let (requested, users): (Vec<usize>, Vec<_>) = users.into_iter().unzip();
    if !users.is_empty() {
        record(requested, admin.alter_users(&users).map(|rows| rows.into_iter().map(|row| row.error).collect()));
    }
    let (requested, acls): (Vec<usize>, Vec<_>) = acls.into_iter().unzip();
    if !acls.is_empty() {
        record(requested, admin.create_acls(&acls).map(|rows| rows.into_iter().map(|row| row.error).collect()));
    }
    results
}

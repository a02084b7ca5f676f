//! Whether the user may write the topics of a distribution, and read those that it reads back.

use super::checklist::Checklist;
use crate::kafka::acls::{AclBinding, AclFilter, Operation, Permission, ResourceType};
use crate::kafka::topics::TopicDescription;
use crate::kafka::{Admin, Error};

/// An operation that the user needs.
#[derive(Clone, Copy)]
struct Requirement {
    /// the name of the check
    what: &'static str,
    operation: Operation,
    /// for an error, such as `write to`
    action: &'static str,
    /// what the operation is for
    granted: &'static str,
}

const WRITE: Requirement = Requirement {
    what: "right to write",
    operation: Operation::Write,
    action: "write to",
    granted: "may write the topics of the distribution",
};
const READ: Requirement = Requirement {
    what: "right to read back",
    operation: Operation::Read,
    action: "read",
    granted: "may read the topics without transactions and the schemas",
};

/// A resource whose ACLs only an administrator may see.
type Resource = (ResourceType, String);

/// Checks the `written` topics, and those that are read back: of streams without transactions, and of schemas.
pub(super) fn check(
    list: &mut Checklist,
    admin: &Admin,
    administrator: Option<&Admin>,
    written: &[TopicDescription],
    read_back: &[&str],
    distribution: &str,
) -> anyhow::Result<()> {
    let transactional_id = (ResourceType::TransactionalId, format!("{distribution}-0"));
    let written: Vec<&TopicDescription> = written.iter().collect();
    require(list, admin, administrator, WRITE, &written, Some(transactional_id))?;
    let read_back: Vec<&TopicDescription> =
        written.into_iter().filter(|topic| read_back.contains(&topic.name.as_str())).collect();
    match read_back.is_empty() {
        true => Ok(()),
        false => require(list, admin, administrator, READ, &read_back, None),
    }
}

/// Kafka tells what the user may do with topics that it may see. For other resources, only the ACLs can tell, which an administrator may see.
fn require(
    list: &mut Checklist,
    admin: &Admin,
    administrator: Option<&Admin>,
    requirement: Requirement,
    topics: &[&TopicDescription],
    other: Option<Resource>,
) -> anyhow::Result<()> {
    let user = admin.connection().user();
    let Requirement { what, operation, granted, .. } = requirement;
    let mut undecided: Vec<Resource> = other.into_iter().collect();
    let mut is_denied = false;
    for topic in topics {
        if topic.operations.iter().any(|o| [operation, Operation::All].contains(o)) {
            continue;
        }
        if topic.error.is_none() && !topic.operations.is_empty() {
            is_denied = true;
            let (user, action) = (user.to_owned(), requirement.action.to_owned());
            list.fail(what, Error::NotAuthorized { user, action, resource: format!("topic `{}`", topic.name) })?;
        } else {
            // It does not exist, the user may not see it, or the brokers do not tell (before 2.3).
            undecided.push((ResourceType::Topic, topic.name.clone()));
        }
    }
    match administrator {
        _ if is_denied => Ok(()),
        Some(administrator) => by_acls(list, administrator, user, requirement, &undecided),
        None if undecided.is_empty() => list.pass(what, format!("{user} {granted}")),
        None => {
            let undecided = names(&undecided);
            list.unknown(
                what,
                format!("only an administrator may see the ACLs of {undecided}: configure [kafka.admin] to check them"),
            )
        }
    }
}

fn names(resources: &[Resource]) -> String {
    resources.iter().map(|(resource_type, name)| format!("{resource_type} {name}")).collect::<Vec<_>>().join(", ")
}

fn by_acls(
    list: &mut Checklist,
    administrator: &Admin,
    user: &str,
    requirement: Requirement,
    resources: &[Resource],
) -> anyhow::Result<()> {
    let Requirement { what, operation, granted, .. } = requirement;
    let acls = match administrator.describe_acls(&AclFilter::any()) {
        Ok(acls) => acls,
        Err(error) => return list.fail(what, error),
    };
    let (mut missing, mut denied) = (Vec::new(), Vec::new());
    for resource in resources {
        let (resource_type, name) = resource;
        let applies = |acl: &&AclBinding| acl.applies_to(user, operation, *resource_type, name);
        let applicable: Vec<&AclBinding> = acls.iter().filter(applies).collect();
        if applicable.iter().any(|acl| acl.permission == Permission::Deny) {
            denied.push(resource.clone());
        } else if applicable.is_empty() {
            missing.push(resource.clone());
        }
    }
    match (denied.is_empty(), missing.is_empty()) {
        (true, true) => list.pass(what, format!("{user} {granted}")),
        (false, _) => list
            .fail(what, format!("an ACL denies {user} to {operation} {}; see `fink kafka list-acls`", names(&denied))),
        (true, false) => list.unknown(
            what,
            format!(
                "no ACL allows {user} to {operation} {}: unless it is a super user, see `fink kafka grant --help`",
                names(&missing)
            ),
        ),
    }
}

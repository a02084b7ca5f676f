//! Whether the user may write all that a distribution writes, and read what it reads back.

use super::checklist::Checklist;
use crate::kafka::acls::{AclFilter, Match, Operation, PatternFilter, Permission, ResourceType, principal};
use crate::kafka::{Admin, Error};

/// A right to be looked for: its name in the list, the operation, and as words.
#[derive(Clone, Copy)]
struct Requirement {
    what: &'static str,
    operation: Operation,
    action: &'static str,
    verb: &'static str,
}

const WRITE: Requirement =
    Requirement { what: "right to write", operation: Operation::Write, action: "write to", verb: "write" };
const READ: Requirement =
    Requirement { what: "right to read back", operation: Operation::Read, action: "read", verb: "read" };

/// Asks about the topics that are written, and about those that are `read_back`: of streams without transactions, and of schemas.
pub(super) fn check(
    list: &mut Checklist,
    admin: &Admin,
    administrator: Option<&Admin>,
    written: &[&str],
    read_back: &[String],
    distribution: &str,
) -> anyhow::Result<()> {
    let id = (ResourceType::TransactionalId, format!("{distribution}-0"));
    one(list, admin, administrator, WRITE, written, Some(id))?;
    if read_back.is_empty() {
        return Ok(());
    }
    let read_back: Vec<&str> = read_back.iter().map(String::as_str).collect();
    one(list, admin, administrator, READ, &read_back, None)
}

/// Asks Kafka about the topics that the user may see, and an administrator, where there is one, about the rest: there only rules can tell.
fn one(
    list: &mut Checklist,
    admin: &Admin,
    administrator: Option<&Admin>,
    requirement: Requirement,
    topics: &[&str],
    also: Option<(ResourceType, String)>,
) -> anyhow::Result<()> {
    let user = admin.context().user();
    let mut asked: Vec<_> = also.into_iter().collect();
    let mut lacks = false;
    let own = match admin.authorized_operations(topics) {
        Ok(own) => own,
        Err(error) => return list.fail(requirement.what, error),
    };
    for (topic, operations) in topics.iter().zip(own) {
        match operations {
            Ok(operations) if operations.iter().any(|o| *o == requirement.operation || *o == Operation::All) => {}
            Ok(operations) if !operations.is_empty() => {
                lacks = true;
                let (user, action) = (user.to_owned(), requirement.action.to_owned());
                list.fail(
                    requirement.what,
                    Error::NotAuthorized { user, action, resource: format!("topic `{topic}`") },
                )?;
            }
            // Not there, not to be seen, or brokers before 2.3, which do not tell.
            _ => asked.push((ResourceType::Topic, (*topic).to_owned())),
        }
    }
    match administrator {
        _ if lacks => Ok(()),
        Some(administrator) => by_rules(list, administrator, user, requirement, &asked),
        None if asked.is_empty() => list.pass(requirement.what, granted(user, requirement)),
        None => {
            let asked = names(&asked);
            list.unknown(
                requirement.what,
                format!("only an administrator can ask about {asked}: configure [kafka.admin] to know"),
            )
        }
    }
}

fn names(asked: &[(ResourceType, String)]) -> String {
    asked.iter().map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>().join(", ")
}

fn granted(user: &str, Requirement { verb, .. }: Requirement) -> String {
    match verb {
        "write" => format!("{user} may write all that a distribution writes"),
        _ => format!("{user} may read the topics without transactions and the schemas"),
    }
}

fn by_rules(
    list: &mut Checklist,
    administrator: &Admin,
    user: &str,
    requirement: Requirement,
    asked: &[(ResourceType, String)],
) -> anyhow::Result<()> {
    let (mut missing, mut denied) = (Vec::new(), Vec::new());
    for (kind, name) in asked {
        let filter =
            AclFilter { kind: Match::Is(*kind), pattern: PatternFilter::Matching(name.clone()), ..AclFilter::any() };
        let mut rules = match administrator.describe_acls(&filter) {
            Ok(rules) => rules,
            Err(error) => return list.fail(requirement.what, error),
        };
        let principals = [principal(user), principal("*")];
        rules.retain(|rule| {
            let applies = rule.operation == requirement.operation || rule.operation == Operation::All;
            principals.contains(&rule.principal) && applies
        });
        if rules.iter().any(|rule| rule.permission == Permission::Deny) {
            denied.push((*kind, name.clone()));
        } else if rules.is_empty() {
            missing.push((*kind, name.clone()));
        }
    }
    let Requirement { what, verb, .. } = requirement;
    match (denied.is_empty(), missing.is_empty()) {
        (true, true) => list.pass(what, granted(user, requirement)),
        (false, _) => {
            list.fail(what, format!("a rule denies {user} to {verb} {}; see `fink kafka list-acls`", names(&denied)))
        }
        (true, false) => list.unknown(
            what,
            format!(
                "no rule lets {user} {verb} {}: if it is no super user, see `fink kafka grant --help`",
                names(&missing)
            ),
        ),
    }
}

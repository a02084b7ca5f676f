//! Whether the user may write all that a distribution writes.

use super::checklist::Checklist;
use crate::kafka::acls::{Filter, Operation, PatternFilter, Permission, ResourceKind, Wanted, principal};
use crate::kafka::{Admin, Error};

const WHAT: &str = "right to write";

/// Asks Kafka about the topics that the user may see, and an administrator, where there is one, about the rest: there only rules can tell.
pub(super) fn check(
    list: &mut Checklist,
    admin: &Admin,
    administrator: Option<&Admin>,
    topics: &[&str],
    distribution: &str,
) -> anyhow::Result<()> {
    let user = admin.context().user();
    let mut asked = vec![(ResourceKind::TransactionalId, format!("{distribution}-0"))];
    let mut lacks = false;
    let own = match admin.own_rights(topics) {
        Ok(own) => own,
        Err(error) => return list.bad(WHAT, error),
    };
    for (topic, operations) in topics.iter().zip(own) {
        match operations {
            Ok(operations) if operations.iter().any(|o| matches!(o, Operation::Write | Operation::All)) => {}
            Ok(operations) if !operations.is_empty() => {
                lacks = true;
                let (user, action) = (user.to_owned(), "write to".to_owned());
                list.bad(WHAT, Error::NotAuthorized { user, action, resource: format!("topic `{topic}`") })?;
            }
            // Not there, not to be seen, or brokers before 2.3, which do not tell.
            _ => asked.push((ResourceKind::Topic, (*topic).to_owned())),
        }
    }
    match administrator {
        _ if lacks => Ok(()),
        Some(administrator) => by_rules(list, administrator, user, &asked),
        None => {
            let asked = names(&asked);
            list.unknown(WHAT, format!("only an administrator can ask about {asked}: configure [kafka.admin] to know"))
        }
    }
}

fn names(asked: &[(ResourceKind, String)]) -> String {
    asked.iter().map(|(kind, name)| format!("{kind} {name}")).collect::<Vec<_>>().join(", ")
}

fn by_rules(
    list: &mut Checklist,
    administrator: &Admin,
    user: &str,
    asked: &[(ResourceKind, String)],
) -> anyhow::Result<()> {
    let (mut missing, mut denied) = (Vec::new(), Vec::new());
    for (kind, name) in asked {
        let filter =
            Filter { kind: Wanted::Is(*kind), pattern: PatternFilter::Matching(name.clone()), ..Filter::any() };
        let mut rules = match administrator.rules(&filter) {
            Ok(rules) => rules,
            Err(error) => return list.bad(WHAT, error),
        };
        let principals = [principal(user), principal("*")];
        rules.retain(|rule| {
            principals.contains(&rule.principal) && matches!(rule.operation, Operation::Write | Operation::All)
        });
        if rules.iter().any(|rule| rule.permission == Permission::Deny) {
            denied.push((*kind, name.clone()));
        } else if rules.is_empty() {
            missing.push((*kind, name.clone()));
        }
    }
    match (denied.is_empty(), missing.is_empty()) {
        (true, true) => list.good(WHAT, format!("{user} may write all that a distribution writes")),
        (false, _) => {
            list.bad(WHAT, format!("a rule denies {user} to write {}; see `fink kafka list-acls`", names(&denied)))
        }
        (true, false) => list.unknown(
            WHAT,
            format!(
                "no rule lets {user} write {}: if it is no super user, see `fink kafka grant --help`",
                names(&missing)
            ),
        ),
    }
}

//! Access rules as rows: sentences for people, fields for programs.

use serde_json::Value;

use crate::cli::output::{Format, Table};
use crate::kafka::acls::{AclBinding, Operation, Pattern, Permission, ResourceType};

const WORDS: &[&str] = &["user", "right", "on", "from"];
const WORDS_AND_RESULT: &[&str] = &["user", "right", "on", "from", "result"];
const FIELDS: &[&str] = &["user", "host", "permission", "operation", "resource", "pattern", "name"];
const FIELDS_AND_RESULT: &[&str] =
    &["user", "host", "permission", "operation", "resource", "pattern", "name", "result"];

/// Rules that are there.
pub(super) fn plain<'a>(acls: impl IntoIterator<Item = &'a AclBinding>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { WORDS } else { FIELDS });
    for acl in acls {
        match format {
            Format::Table => table.row(words(acl)),
            Format::Json | Format::Ndjson => table.row(fields(acl)),
        }
    }
    table
}

/// Rules, each with what becomes of it.
pub(super) fn with_results<'a>(acls: impl IntoIterator<Item = (&'a AclBinding, &'a str)>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { WORDS_AND_RESULT } else { FIELDS_AND_RESULT });
    for (acl, result) in acls {
        match format {
            Format::Table => {
                let [user, right, on, from] = words(acl);
                table.row([user, right, on, from, result.into()]);
            }
            Format::Json | Format::Ndjson => {
                let [user, host, permission, operation, resource, pattern, name] = fields(acl);
                table.row([user, host, permission, operation, resource, pattern, name, result.into()]);
            }
        }
    }
    table
}

/// The rule as a sentence, such as `may read topics fink_… from any host`.
pub(super) fn sentence(acl: &AclBinding) -> String {
    format!("{} {} from {}", right(acl), on(acl), from(acl))
}

fn words(acl: &AclBinding) -> [Value; 4] {
    [user(acl).into(), right(acl).into(), on(acl).into(), from(acl).into()]
}

fn fields(acl: &AclBinding) -> [Value; 7] {
    let permission = match acl.permission {
        Permission::Allow => "allow",
        Permission::Deny => "deny",
    };
    let (pattern, name) = match &acl.pattern {
        Pattern::Literal(name) => ("literal", name),
        Pattern::Prefixed(name) => ("prefixed", name),
    };
    [
        user(acl).into(),
        acl.host.as_str().into(),
        permission.into(),
        acl.operation.to_string().into(),
        acl.kind.to_string().into(),
        pattern.into(),
        name.as_str().into(),
    ]
}

/// The user's name; a principal of another kind (made by other tools) as it is.
fn user(acl: &AclBinding) -> &str {
    acl.principal.strip_prefix("User:").unwrap_or(&acl.principal)
}

fn right(acl: &AclBinding) -> String {
    let what = match acl.operation {
        Operation::All => "do everything with".to_owned(),
        Operation::DescribeConfigs => "see the configuration of".to_owned(),
        Operation::AlterConfigs => "change the configuration of".to_owned(),
        Operation::IdempotentWrite => "write without doubles in".to_owned(),
        Operation::Describe => "see".to_owned(),
        Operation::Write if acl.kind == ResourceType::TransactionalId => "use".to_owned(),
        Operation::Read if acl.kind == ResourceType::Group => "use".to_owned(),
        other => other.to_string(),
    };
    match acl.permission {
        Permission::Allow => format!("may {what}"),
        Permission::Deny => format!("must not {what}"),
    }
}

fn on(acl: &AclBinding) -> String {
    match (acl.kind, &acl.pattern) {
        (ResourceType::Cluster, _) => "the cluster".to_owned(),
        (kind, Pattern::Literal(name)) if name == "*" => format!("every {kind}"),
        (kind, Pattern::Literal(name)) => format!("{kind} {name}"),
        (kind, Pattern::Prefixed(name)) => format!("{kind}s {name}…"),
    }
}

fn from(acl: &AclBinding) -> &str {
    if acl.host == "*" { "any host" } else { &acl.host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::roles;

    #[test]
    fn rules_read_as_sentences() {
        let topics = [Pattern::Prefixed("fink_".to_owned()), Pattern::Literal("*".to_owned())];
        let mut acls = roles::consumer_acls("bob", "*", &topics, &[Pattern::Literal("g".to_owned())]);
        acls.extend(roles::producer_acls("bob", "10.0.0.1", &[], Some("night"), false));
        let sentences: Vec<String> = acls.iter().map(sentence).collect();
        assert_eq!(
            sentences,
            [
                "may read topics fink_… from any host",
                "may read every topic from any host",
                "may use group g from any host",
                "may write topic fink_checkpoint_night from 10.0.0.1",
                "may read topic fink_checkpoint_night from 10.0.0.1",
                "may see the configuration of topic fink_checkpoint_night from 10.0.0.1",
                "may use transactional-ids night-… from 10.0.0.1",
                "may write without doubles in the cluster from 10.0.0.1",
            ]
        );
        let denied = acls.first_mut().unwrap();
        denied.permission = Permission::Deny;
        assert_eq!(sentence(denied), "must not read topics fink_… from any host");
    }
}

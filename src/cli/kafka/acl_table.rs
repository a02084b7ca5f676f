//! ACLs as rows: phrases in a table, fields in JSON.

use serde_json::Value;

use crate::cli::output::{Format, Table};
use crate::kafka::acls::{AclBinding, Operation, Pattern, Permission, ResourceType};

const PHRASES: &[&str] = &["user", "right", "on", "from"];
const PHRASES_AND_RESULT: &[&str] = &["user", "right", "on", "from", "result"];
const FIELDS: &[&str] = &["user", "host", "permission", "operation", "resource", "pattern", "name"];
const FIELDS_AND_RESULT: &[&str] =
    &["user", "host", "permission", "operation", "resource", "pattern", "name", "result"];

/// ACLs.
pub(super) fn plain<'a>(acls: impl IntoIterator<Item = &'a AclBinding>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { PHRASES } else { FIELDS });
    for acl in acls {
        match format {
            Format::Table => table.row(phrases(acl)),
            Format::Json | Format::Ndjson => table.row(fields(acl)),
        }
    }
    table
}

/// ACLs with their results.
pub(super) fn with_results<'a>(acls: impl IntoIterator<Item = (&'a AclBinding, &'a str)>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { PHRASES_AND_RESULT } else { FIELDS_AND_RESULT });
    for (acl, result) in acls {
        match format {
            Format::Table => {
                let [user, right, on, from] = phrases(acl);
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

/// The ACL as a sentence, such as `may read topics fink_… from any host`.
pub(super) fn sentence(acl: &AclBinding) -> String {
    format!("{} {} from {}", right(acl), on(acl), from(acl))
}

fn phrases(acl: &AclBinding) -> [Value; 4] {
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
        acl.resource_type.to_string().into(),
        pattern.into(),
        name.as_str().into(),
    ]
}

/// The user name; another principal, which other tools may create, is printed as it is.
fn user(acl: &AclBinding) -> &str {
    acl.principal.strip_prefix("User:").unwrap_or(&acl.principal)
}

fn right(acl: &AclBinding) -> String {
    let what = match acl.operation {
        Operation::All => "do everything with".to_owned(),
        Operation::DescribeConfigs => "see the configuration of".to_owned(),
        Operation::AlterConfigs => "change the configuration of".to_owned(),
        Operation::IdempotentWrite => "write idempotently to".to_owned(),
        Operation::Describe => "see".to_owned(),
        Operation::Write if acl.resource_type == ResourceType::TransactionalId => "use".to_owned(),
        Operation::Read if acl.resource_type == ResourceType::Group => "use".to_owned(),
        other => other.to_string(),
    };
    match acl.permission {
        Permission::Allow => format!("may {what}"),
        Permission::Deny => format!("must not {what}"),
    }
}

fn on(acl: &AclBinding) -> String {
    match (acl.resource_type, &acl.pattern) {
        (ResourceType::Cluster, _) => "the cluster".to_owned(),
        (resource_type, Pattern::Literal(name)) if name == "*" => format!("every {resource_type}"),
        (resource_type, Pattern::Literal(name)) => format!("{resource_type} {name}"),
        (resource_type, Pattern::Prefixed(name)) => format!("{resource_type}s {name}…"),
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
    fn acls_are_printed_as_sentences() {
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
                "may write idempotently to the cluster from 10.0.0.1",
            ]
        );
        let denied = acls.first_mut().unwrap();
        denied.permission = Permission::Deny;
        assert_eq!(sentence(denied), "must not read topics fink_… from any host");
    }
}

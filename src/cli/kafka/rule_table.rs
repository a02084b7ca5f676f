//! Access rules as rows: sentences for people, fields for programs.

use serde_json::Value;

use crate::cli::output::{Format, Table};
use crate::kafka::acls::{Operation, Pattern, Permission, ResourceKind, Rule};

const WORDS: &[&str] = &["user", "right", "on", "from"];
const WORDS_AND_RESULT: &[&str] = &["user", "right", "on", "from", "result"];
const FIELDS: &[&str] = &["user", "host", "permission", "operation", "resource", "pattern", "name"];
const FIELDS_AND_RESULT: &[&str] =
    &["user", "host", "permission", "operation", "resource", "pattern", "name", "result"];

/// Rules that are there.
pub(super) fn plain<'a>(rules: impl IntoIterator<Item = &'a Rule>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { WORDS } else { FIELDS });
    for rule in rules {
        match format {
            Format::Table => table.row(words(rule)),
            Format::Json | Format::Ndjson => table.row(fields(rule)),
        }
    }
    table
}

/// Rules, each with what becomes of it.
pub(super) fn with_results<'a>(rules: impl IntoIterator<Item = (&'a Rule, &'a str)>, format: Format) -> Table {
    let mut table = Table::new(if format == Format::Table { WORDS_AND_RESULT } else { FIELDS_AND_RESULT });
    for (rule, result) in rules {
        match format {
            Format::Table => {
                let [user, right, on, from] = words(rule);
                table.row([user, right, on, from, result.into()]);
            }
            Format::Json | Format::Ndjson => {
                let [user, host, permission, operation, resource, pattern, name] = fields(rule);
                table.row([user, host, permission, operation, resource, pattern, name, result.into()]);
            }
        }
    }
    table
}

/// The rule as a sentence, such as `may read topics fink_… from any host`.
pub(super) fn sentence(rule: &Rule) -> String {
    format!("{} {} from {}", right(rule), on(rule), from(rule))
}

fn words(rule: &Rule) -> [Value; 4] {
    [user(rule).into(), right(rule).into(), on(rule).into(), from(rule).into()]
}

fn fields(rule: &Rule) -> [Value; 7] {
    let permission = match rule.permission {
        Permission::Allow => "allow",
        Permission::Deny => "deny",
    };
    let (pattern, name) = match &rule.pattern {
        Pattern::Literal(name) => ("literal", name),
        Pattern::Prefixed(name) => ("prefixed", name),
    };
    [
        user(rule).into(),
        rule.host.as_str().into(),
        permission.into(),
        rule.operation.to_string().into(),
        rule.kind.to_string().into(),
        pattern.into(),
        name.as_str().into(),
    ]
}

/// The user's name; a principal of another kind (made by other tools) as it is.
fn user(rule: &Rule) -> &str {
    rule.principal.strip_prefix("User:").unwrap_or(&rule.principal)
}

fn right(rule: &Rule) -> String {
    let what = match rule.operation {
        Operation::All => "do everything with".to_owned(),
        Operation::DescribeConfigs => "see the configuration of".to_owned(),
        Operation::AlterConfigs => "change the configuration of".to_owned(),
        Operation::IdempotentWrite => "write without doubles in".to_owned(),
        Operation::Describe => "see".to_owned(),
        Operation::Write if rule.kind == ResourceKind::TransactionalId => "use".to_owned(),
        Operation::Read if rule.kind == ResourceKind::Group => "use".to_owned(),
        other => other.to_string(),
    };
    match rule.permission {
        Permission::Allow => format!("may {what}"),
        Permission::Deny => format!("must not {what}"),
    }
}

fn on(rule: &Rule) -> String {
    match (rule.kind, &rule.pattern) {
        (ResourceKind::Cluster, _) => "the cluster".to_owned(),
        (kind, Pattern::Literal(name)) if name == "*" => format!("every {kind}"),
        (kind, Pattern::Literal(name)) => format!("{kind} {name}"),
        (kind, Pattern::Prefixed(name)) => format!("{kind}s {name}…"),
    }
}

fn from(rule: &Rule) -> &str {
    if rule.host == "*" { "any host" } else { &rule.host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::roles;

    #[test]
    fn rules_read_as_sentences() {
        let topics = [Pattern::Prefixed("fink_".to_owned()), Pattern::Literal("*".to_owned())];
        let mut rules = roles::consumer("bob", "*", &topics, &[Pattern::Literal("g".to_owned())]);
        rules.extend(roles::producer("bob", "10.0.0.1", &[], Some("night"), false));
        let sentences: Vec<String> = rules.iter().map(sentence).collect();
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
        let denied = rules.first_mut().unwrap();
        denied.permission = Permission::Deny;
        assert_eq!(sentence(denied), "must not read topics fink_… from any host");
    }
}

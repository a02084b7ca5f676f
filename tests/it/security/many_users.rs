//! Many users and many ACLs: correct results, and the time that they take.
//!
//! The test of the suite is short; FINK_MANY_USERS and FINK_MANY_RULES make it as long as one likes (`scripts/dev/long-test users` runs it with
//! 1,000 users and 10,000 rights).

use std::time::Instant;

use serde_json::Value;

use crate::fixture::kafka_cli::KafkaCli;

fn setting(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn many_users_and_rights_are_added_listed_and_removed() {
    let (users, rules) = (setting("FINK_MANY_USERS", 60), setting("FINK_MANY_RULES", 600));
    let cli = KafkaCli::new("many");
    // Blanks and quotes as well, not in the first one alone.
    let names: Vec<String> = (0..users).map(|i| cli.name(&format!("_{i:04} O'Brien \"{i}\""))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let timed = |what: &str, arguments: &[&str]| -> Vec<Value> {
        let began = Instant::now();
        let rows = cli.rows(0, arguments);
        println!("{what}: {} rows in {:.2} s", rows.len(), began.elapsed().as_secs_f64());
        rows
    };
    let mine = |rows: &[Value]| {
        rows.iter().filter(|row| row["user"].as_str().is_some_and(|u| u.contains(&cli.fixture.name))).count()
    };

    let added = timed("add-user", &[&["add-user", "--generate"], &names[..]].concat());
    assert_eq!(added.len(), users);
    assert!(added.iter().all(|row| row["result"] == "added" && row["password"].is_string()));
    let passwords: std::collections::BTreeSet<&str> =
        added.iter().map(|row| row["password"].as_str().unwrap()).collect();
    assert_eq!(passwords.len(), users, "each has a password of its own");
    for i in [0, users / 2, users - 1] {
        assert!(cli.logs_in(names[i], added[i]["password"].as_str().unwrap()), "{}", names[i]);
    }
    assert_eq!(mine(&timed("list-users", &["list-users"])), users);

    // Several users with as many topics as make the number.
    let holders = 4.min(users);
    let topics: Vec<String> = (0..rules / holders).map(|i| cli.name(&format!("_t{i}"))).collect();
    let topics: Vec<&str> = topics.iter().flat_map(|topic| ["--topic", topic.as_str()]).collect();
    for name in &names[..holders] {
        let given = timed("grant", &[&["grant", name, "--consume", "--any-host", "--yes"], &topics[..]].concat());
        assert!(given.iter().all(|row| row["result"] == "added"));
    }
    let expected = rules / holders * holders;
    assert_eq!(mine(&timed("list-acls", &["list-acls"])), expected);
    assert_eq!(timed("list-acls --user", &["list-acls", "--user", names[0]]).len(), rules / holders);
    assert_eq!(mine(&timed("list-acls --topic", &["list-acls", "--topic", topics[1]])), holders);
    let taken = timed("revoke", &[&["revoke", names[0], "--consume", "--any-host", "--yes"], &topics[..]].concat());
    assert!(taken.iter().all(|row| row["result"] == "removed"));

    let removed = timed("remove-user", &[&["remove-user", "--yes"], &names[..]].concat());
    assert_eq!(removed.len(), users + expected - rules / holders);
    assert!(removed.iter().all(|row| row["result"] == "removed"));
    assert_eq!(mine(&cli.rows(0, &["list-users"])), 0);
    assert_eq!(mine(&cli.rows(0, &["list-acls"])), 0);
}

//! Topic configurations that would lose alerts.

use fink::kafka::topics::TopicSpec;

use crate::fixture::alert_table::Table;
use crate::fixture::cluster::User;

/// Creates a topic as the administrator.
fn create(table: &Table, topic: &str, config: &[(&str, &str)]) {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    table
        .fixture
        .cluster()
        .admin()
        .create_topic(topic, &TopicSpec { partitions: Some(1), replication: None, config })
        .expect("a topic");
}

/// Lets the service log in as a user who may see how topics are configured.
fn see_configurations(table: &mut Table) {
    table.fixture.log_in_as(User::Admin);
}

#[test]
fn a_compacted_topic_stops_the_start_and_a_short_retention_is_reported() {
    let mut table = Table::new("policies");
    let (topic, rejected) = (table.fixture.name.clone(), format!("{}_rejected", table.fixture.name));
    see_configurations(&mut table);
    create(&table, &topic, &[("cleanup.policy", "compact,delete")]);
    create(&table, &rejected, &[("cleanup.policy", "compact")]);
    table.put(0..10, None);
    let service = ["start", "distribution"];
    let finished = table.fixture.run(&service);
    finished.assert_stderr(
        1,
        &["is not as required", "cleanup.policy is compact", "only the last alert of each key is kept"],
    );
    for name in [&topic, &rejected] {
        assert!(finished.stderr.contains(&format!("topic `{name}`")), "{finished:?}");
        assert!(table.messages(name).is_empty());
    }
    let doctor = table.fixture.run(&["doctor"]).stdout;
    for what in ["topic of stream full", "topic of rejected alerts"] {
        assert!(doctor.contains(&format!("✖ {what}: ")), "{doctor}");
    }

    let (short, old_rejected) = (format!("{topic}_short"), rejected);
    create(&table, &short, &[("retention.ms", "3600000")]);
    table.fixture.replace(&format!("topic = \"{topic}\""), &format!("topic = \"{short}\""));
    table
        .fixture
        .replace(&format!("rejected_topic = \"{old_rejected}\""), &format!("rejected_topic = \"{topic}_bad\""));
    let running = table.fixture.start(&service, "log");
    table.wait_for_messages(&short, 10, &running);
    let log = running.terminate();
    assert!(log.contains(&format!("topic `{short}`: alerts are deleted after 1h")), "{log}");
    assert_eq!(table.messages(&short).len(), 10);
    let doctor = table.fixture.run(&["doctor"]).stdout;
    assert!(doctor.contains(&format!("? topic of stream full: {short}: alerts are deleted after 1h")), "{doctor}");
    assert!(doctor.contains("✔ retention: 1 topics"), "{doctor}");
}

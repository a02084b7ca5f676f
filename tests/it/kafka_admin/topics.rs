use fink::kafka::topics::TopicSpec;
use serde_json::Value;

use crate::fixture::kafka_cli::KafkaCli;

#[test]
fn a_topic_is_made_once_and_another_shape_is_told() {
    let cli = KafkaCli::new("topic");
    let name = cli.name("_a");
    let create = |more: &[&'static str]| [&["create-topic", &name, "--partitions", "3"], more].concat();
    assert_eq!(cli.rows(0, &create(&["--dry-run"]))[0]["result"], "would be created");
    assert!(cli.rows(0, &["list-topics", &name]).is_empty());
    let made = cli.rows(0, &create(&["--topic-config", "retention.ms=3600000"]));
    assert_eq!((&made[0]["result"], &made[0]["partitions"]), (&"created".into(), &3.into()));
    for same in [create(&[]), create(&["--topic-config", "retention.ms=3600000"]), vec!["create-topic", &name]] {
        assert_eq!(cli.rows(0, &same)[0]["result"], "was there");
    }
    cli.run(&["create-topic", &name, "--partitions", "5"]).assert_stderr(1, &["it has 3 partitions, not 5"]);
    cli.run(&create(&["--topic-config", "retention.ms=7200000", "--replication", "7"]))
        .assert_stderr(1, &["retention.ms is 3600000, not 7200000", "replicas, not 7"]);
    assert_eq!(cli.rows(0, &["create-topic", &name, "--partitions", "5", "--if-missing"])[0]["partitions"], 3);

    let text = cli.ok(&["describe-topic", &name]).stdout;
    assert!(text.contains("partitions: 3, messages: 0") && text.contains("retention.ms"), "{text}");
    assert!(!text.contains("segment.bytes"), "a default: {text}");
    let described: Value =
        serde_json::from_str(&cli.ok(&["describe-topic", &name, "--all-config", "--format", "json"]).stdout).unwrap();
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(3));
    assert!(described["partitions"][2]["leader"].as_i64().is_some_and(|leader| leader > 0), "{described}");
    let own: Vec<&Value> = described["config"].as_array().unwrap().iter().filter(|o| o["own"] == true).collect();
    assert!(own.len() == 1 && own[0]["name"] == "retention.ms", "{own:?}");
    assert!(described["config"].as_array().unwrap().len() > 10);
}

#[test]
fn a_topic_of_the_configuration_gets_the_shape_that_it_needs() {
    let cli = KafkaCli::new("configured");
    assert_eq!(cli.rows(0, &["create-topic", &cli.fixture.name])[0]["partitions"], 4);
    assert_eq!(cli.rows(0, &["create-topic", &cli.name("_rejected")])[0]["partitions"], 1);
    let text = cli.ok(&["describe-topic", &cli.fixture.name]).stdout;
    assert!(text.lines().any(|line| line.starts_with("cleanup.policy") && line.contains("delete")), "{text}");
    let checkpoint = format!("fink_checkpoint_{}", cli.fixture.name);
    assert_eq!(cli.rows(0, &["create-topic", &checkpoint])[0]["partitions"], 16);
    let text = cli.ok(&["describe-topic", &checkpoint]).stdout;
    assert!(text.lines().any(|line| line.starts_with("cleanup.policy") && line.contains("compact")), "{text}");
}

#[test]
fn wrong_topics_are_refused_with_the_reason() {
    let cli = KafkaCli::new("wrong");
    let name = cli.name("_a");
    cli.run(&["create-topic", "no topic"]).assert_stderr(2, &["is not a valid topic name"]);
    cli.run(&["create-topic", &name, "--partitions", "0"]).assert_stderr(2, &["--partitions"]);
    cli.run(&["create-topic", &name, "--topic-config", "retention"]).assert_stderr(2, &["KEY=VALUE"]);
    cli.run(&["create-topic", &name, "--topic-config", "retention.ms=soon"])
        .assert_stderr(1, &["--topic-config retention.ms=soon", "Not a number"]);
    cli.run(&["create-topic", &name, "--replication", "99"]).assert_stderr(
        1,
        &["--replication 99", "it needs 99 brokers for its replicas", "lower the replication factor"],
    );
    cli.run(&["describe-topic", &name])
        .assert_stderr(1, &["does not exist", &format!("fink kafka create-topic {name}")]);
    cli.run(&["delete-topic", "__consumer_offsets", "--yes"]).assert_stderr(2, &["is internal to Kafka"]);
}

#[test]
fn topics_are_deleted_after_consent_and_a_missing_one_is_named() {
    let cli = KafkaCli::new("delete");
    let (a, b, missing) = (cli.name("_a"), cli.name("_b"), cli.name("_missing"));
    for name in [&a, &b] {
        cli.admin().create_topic(name, &TopicSpec::stream(1)).unwrap();
    }
    let list = || cli.rows(0, &["list-topics", &cli.name("_")]).len();
    cli.run(&["delete-topic", &a]).assert_stderr(2, &["--yes"]);
    assert_eq!(cli.rows(0, &["delete-topic", &a, "--dry-run"])[0]["result"], "would be deleted");
    assert_eq!(list(), 2);
    cli.run(&["delete-topic", &a, &missing, &b, "--yes"]).assert_stderr(1, &[&missing, "1 of 3 topics failed"]);
    assert_eq!(list(), 0);
    cli.run(&["delete-topic", &missing, "--yes"]).assert_stderr(1, &["1 of 1 topics failed"]);
}

#[test]
fn kafkas_own_topics_are_listed_where_they_are_asked_for() {
    let cli = KafkaCli::new("own");
    let has_own = |more: &[&str]| {
        let rows = cli.rows(0, &[&["list-topics"], more].concat());
        rows.iter().any(|row| row["topic"].as_str().is_some_and(|name| name.starts_with("__")))
    };
    assert!(!has_own(&[]));
    // Where no group was ever used there is none to see.
    let _may_be_there = has_own(&["--internal"]);
}

use fink::kafka::topics::TopicShape;
use serde_json::Value;

use crate::stage::Stage;

#[test]
fn a_topic_is_made_once_and_another_shape_is_told() {
    let stage = Stage::new("topic");
    let name = stage.name("_a");
    let create = |more: &[&'static str]| [&["create-topic", &name, "--partitions", "3"], more].concat();
    assert_eq!(stage.rows(0, &create(&["--dry-run"]))[0]["result"], "would be created");
    assert!(stage.rows(0, &["list-topics", &name]).is_empty());
    let made = stage.rows(0, &create(&["--topic-config", "retention.ms=3600000"]));
    assert_eq!((&made[0]["result"], &made[0]["partitions"]), (&"created".into(), &3.into()));
    for same in [create(&[]), create(&["--topic-config", "retention.ms=3600000"]), vec!["create-topic", &name]] {
        assert_eq!(stage.rows(0, &same)[0]["result"], "was there");
    }
    stage.run(&["create-topic", &name, "--partitions", "5"]).says(1, &["it has 3 partitions, not 5"]);
    stage
        .run(&create(&["--topic-config", "retention.ms=7200000", "--replication", "7"]))
        .says(1, &["retention.ms is 3600000, not 7200000", "replicas, not 7"]);
    assert_eq!(stage.rows(0, &["create-topic", &name, "--partitions", "5", "--if-missing"])[0]["partitions"], 3);

    let text = stage.ok(&["describe-topic", &name]).stdout;
    assert!(text.contains("partitions: 3, messages: 0") && text.contains("retention.ms"), "{text}");
    assert!(!text.contains("segment.bytes"), "a default: {text}");
    let described: Value =
        serde_json::from_str(&stage.ok(&["describe-topic", &name, "--all-config", "--format", "json"]).stdout).unwrap();
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(3));
    assert!(described["partitions"][2]["leader"].as_i64().is_some_and(|leader| leader > 0), "{described}");
    let own: Vec<&Value> = described["config"].as_array().unwrap().iter().filter(|o| o["own"] == true).collect();
    assert!(own.len() == 1 && own[0]["name"] == "retention.ms", "{own:?}");
    assert!(described["config"].as_array().unwrap().len() > 10);
}

#[test]
fn a_topic_of_the_configuration_gets_the_shape_that_it_needs() {
    let stage = Stage::new("configured");
    assert_eq!(stage.rows(0, &["create-topic", &stage.scene.name])[0]["partitions"], 4);
    assert_eq!(stage.rows(0, &["create-topic", &stage.name("_rejected")])[0]["partitions"], 1);
    let text = stage.ok(&["describe-topic", &stage.scene.name]).stdout;
    assert!(text.lines().any(|line| line.starts_with("cleanup.policy") && line.contains("delete")), "{text}");
    let checkpoint = format!("fink_checkpoint_{}", stage.scene.name);
    assert_eq!(stage.rows(0, &["create-topic", &checkpoint])[0]["partitions"], 16);
    let text = stage.ok(&["describe-topic", &checkpoint]).stdout;
    assert!(text.lines().any(|line| line.starts_with("cleanup.policy") && line.contains("compact")), "{text}");
}

#[test]
fn wrong_topics_are_refused_with_the_reason() {
    let stage = Stage::new("wrong");
    let name = stage.name("_a");
    stage.run(&["create-topic", "no topic"]).says(2, &["is not a topic's name"]);
    stage.run(&["create-topic", &name, "--partitions", "0"]).says(2, &["--partitions"]);
    stage.run(&["create-topic", &name, "--topic-config", "retention"]).says(2, &["KEY=VALUE"]);
    stage
        .run(&["create-topic", &name, "--topic-config", "retention.ms=soon"])
        .says(1, &["--topic-config retention.ms=soon", "configuration is invalid"]);
    stage
        .run(&["create-topic", &name, "--replication", "99"])
        .says(1, &["--replication 99", "invalid replication factor"]);
    stage.run(&["describe-topic", &name]).says(1, &["does not exist", &format!("fink kafka create-topic {name}")]);
    stage.run(&["delete-topic", "__consumer_offsets", "--yes"]).says(2, &["Kafka's own"]);
}

#[test]
fn topics_are_deleted_where_somebody_says_so_and_a_missing_one_is_told_apart() {
    let stage = Stage::new("delete");
    let (a, b, missing) = (stage.name("_a"), stage.name("_b"), stage.name("_missing"));
    for name in [&a, &b] {
        stage.admin().create_topic(name, &TopicShape::stream(1)).unwrap();
    }
    let list = || stage.rows(0, &["list-topics", &stage.name("_")]).len();
    stage.run(&["delete-topic", &a]).says(2, &["--yes"]);
    assert_eq!(stage.rows(0, &["delete-topic", &a, "--dry-run"])[0]["result"], "would be deleted");
    assert_eq!(list(), 2);
    stage.run(&["delete-topic", &a, &missing, &b, "--yes"]).says(1, &[&missing, "1 of 3 topics failed"]);
    assert_eq!(list(), 0);
    stage.run(&["delete-topic", &missing, "--yes"]).says(1, &["none of 1 topics"]);
}

#[test]
fn kafkas_own_topics_are_listed_where_they_are_asked_for() {
    let stage = Stage::new("own");
    let has_own = |more: &[&str]| {
        let rows = stage.rows(0, &[&["list-topics"], more].concat());
        rows.iter().any(|row| row["topic"].as_str().is_some_and(|name| name.starts_with("__")))
    };
    assert!(!has_own(&[]));
    // Where no group was ever used there is none to see.
    let _may_be_there = has_own(&["--internal"]);
}

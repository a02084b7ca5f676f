use std::os::unix::fs::PermissionsExt;

use fink::kafka::topics::TopicShape;

use crate::stage::Stage;

/// A stage whose configuration names users of its own, of whom nobody has heard yet.
pub fn new_cluster(what: &str) -> Stage {
    let mut stage = Stage::new(what);
    let cluster = stage.scene.cluster.as_ref().unwrap();
    let user = format!("username = \"{}\"", cluster.value("FINK_TEST_PRODUCER_USER"));
    let file = format!("password_file = \"{}\"", cluster.value("FINK_TEST_PRODUCER_PASSWORD_FILE"));
    let (new_user, new_file) = (stage.name("_producer"), stage.scene.path("producer.password"));
    stage.scene.replace(&user, &format!("username = \"{new_user}\""));
    stage.scene.replace(&file, &format!("password_file = \"{}\"", new_file.display()));
    stage
}

/// The password in a file of the scene.
pub fn password(stage: &Stage, file: &str) -> String {
    let path = stage.scene.path(file);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

#[test]
fn a_bootstrap_makes_all_that_a_distribution_needs_and_nothing_the_second_time() {
    let stage = new_cluster("boot");
    let (producer, consumer) = (stage.name("_producer"), stage.name("_consumer"));
    let order = ["bootstrap", "--host", "127.0.0.1", "--consumer", &consumer];
    let with = |more: &[&'static str]| [&order[..], more].concat();
    stage.run(&order).says(2, &["--yes"]);
    let planned = stage.rows(0, &with(&["--dry-run"]));
    assert!(planned.iter().all(|row| row["result"] == "would be made"), "{planned:?}");
    assert!(!stage.scene.path("producer.password").exists() && stage.rules(&producer).is_empty());

    let ended = stage.ok(&with(&["--yes"]));
    assert!(ended.stderr.contains("would be made") && !ended.stdout.contains("was there"), "{ended:?}");
    assert!(stage.logs_in(&producer, &password(&stage, "producer.password")));
    let consumers_file = format!("{consumer}.password");
    assert!(stage.logs_in(&consumer, &password(&stage, &consumers_file)));
    for secret in [password(&stage, "producer.password"), password(&stage, &consumers_file)] {
        assert!(!ended.stdout.contains(&secret) && !ended.stderr.contains(&secret));
    }
    let (rules, partitions) = (stage.rules(&producer), stage.admin().partitions(&stage.scene.name));
    assert_eq!((rules.len(), partitions), (9, Ok(Some(4))));

    // Again, and once more without the consumer's file, which was given to somebody.
    for _ in 0..2 {
        let again = stage.rows(0, &with(&["--yes"]));
        assert!(again.iter().all(|row| row["result"] == "was there"), "{again:?}");
        assert_eq!(stage.rules(&producer), rules);
        let _gone_the_second_time = std::fs::remove_file(stage.scene.path(&consumers_file));
    }
    assert!(!stage.scene.path(&consumers_file).exists());

    // With these rights the checkpoint and the topics are as the service wants them.
    let doctor = stage.scene.run(&["doctor"]);
    assert!(doctor.stdout.contains("✔ right to write"), "{doctor:?}");
    assert!(doctor.stdout.contains("✔ retention: 2 topics keep alerts for a day or longer"), "{doctor:?}");
    assert!(doctor.stdout.contains("✔ checkpoint") && doctor.stdout.contains("✔ topic of stream full"), "{doctor:?}");
}

#[test]
fn a_compacted_topic_of_a_stream_stops_a_bootstrap() {
    let stage = new_cluster("compacted");
    let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    stage.admin().create_topic(&stage.scene.name, &TopicShape { config, ..TopicShape::stream(4) }).unwrap();
    let ended = stage.run(&["bootstrap", "--any-host", "--no-consumer", "--yes"]);
    ended.says(1, &["cleanup.policy is compact, not delete", "nothing was done"]);
    stage.run(&["create-topic", &stage.scene.name]).says(1, &["cleanup.policy is compact, not delete"]);
}

#[test]
fn a_checkpoint_of_an_earlier_version_gets_more_partitions() {
    let stage = new_cluster("narrow");
    let checkpoint = fink::kafka::checkpoint::topic_of(&stage.scene.name);
    let shape = TopicShape { partitions: 1, ..fink::kafka::checkpoint::shape() };
    stage.admin().create_topic(&checkpoint, &shape).unwrap();
    let bootstrap = ["bootstrap", "--any-host", "--no-consumer", "--yes"];
    let ended = stage.ok(&bootstrap);
    assert!(ended.stdout.contains("partitions: 16 instead of 1"), "{ended:?}");
    assert_eq!(stage.admin().partitions(&checkpoint), Ok(Some(fink::kafka::checkpoint::PARTITIONS)));
    assert!(!stage.ok(&bootstrap).stdout.contains("instead of"));
    stage.admin().delete_topic(&checkpoint).unwrap();
}

#[test]
fn what_is_there_otherwise_stops_a_bootstrap_before_anything_is_done() {
    let stage = new_cluster("conflict");
    stage.admin().create_topic(&stage.scene.name, &TopicShape::stream(2)).unwrap();
    let producer = stage.name("_producer");
    stage.add_user(&producer, "another-password");
    std::fs::write(stage.scene.path("producer.password"), "the-configured-one").unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.scene.path("producer.password"), mode).unwrap();
    let ended = stage.run(&["bootstrap", "--any-host", "--no-consumer", "--yes"]);
    ended.says(1, &["it has 2 partitions, not 4", "not the one that is configured", "--replace", "nothing was done"]);
    assert!(ended.stdout.contains("is there otherwise"), "{ended:?}");
    assert!(stage.rules(&producer).is_empty());
    assert_eq!(stage.admin().partitions(&stage.name("_rejected")), Ok(None));
    stage.run(&["bootstrap", "--yes"]).says(2, &["--any-host"]);
}

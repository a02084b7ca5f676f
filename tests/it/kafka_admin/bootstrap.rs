use std::os::unix::fs::PermissionsExt;

use fink::kafka::topics::TopicSpec;

use crate::fixture::cluster::User;
use crate::fixture::kafka_cli::KafkaCli;

/// A `fink kafka` whose configuration names users that do not exist yet.
pub fn new_cluster(what: &str) -> KafkaCli {
    let mut cli = KafkaCli::new(what);
    let cluster = cli.fixture.cluster();
    let user = format!("username = \"{}\"", cluster.username(User::Producer));
    let file = format!("password_file = \"{}\"", cluster.password_file(User::Producer));
    let (new_user, new_file) = (cli.name("_producer"), cli.fixture.path("producer.password"));
    cli.fixture.replace(&user, &format!("username = \"{new_user}\""));
    cli.fixture.replace(&file, &format!("password_file = \"{}\"", new_file.display()));
    cli
}

/// The password in a file of the fixture.
pub fn password(cli: &KafkaCli, file: &str) -> String {
    let path = cli.fixture.path(file);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

#[test]
fn a_bootstrap_makes_all_that_a_distribution_needs_and_nothing_the_second_time() {
    let cli = new_cluster("boot");
    let (producer, consumer) = (cli.name("_producer"), cli.name("_consumer"));
    let order = ["bootstrap", "--host", "127.0.0.1", "--consumer", &consumer];
    let with = |more: &[&'static str]| [&order[..], more].concat();
    cli.run(&order).assert_stderr(2, &["--yes"]);
    let planned = cli.rows(0, &with(&["--dry-run"]));
    assert!(planned.iter().all(|row| row["result"] == "would be made"), "{planned:?}");
    assert!(!cli.fixture.path("producer.password").exists() && cli.acls(&producer).is_empty());

    let finished = cli.ok(&with(&["--yes"]));
    assert!(finished.stderr.contains("would be made") && !finished.stdout.contains("was there"), "{finished:?}");
    assert!(cli.logs_in(&producer, &password(&cli, "producer.password")));
    let consumers_file = format!("{consumer}.password");
    assert!(cli.logs_in(&consumer, &password(&cli, &consumers_file)));
    for secret in [password(&cli, "producer.password"), password(&cli, &consumers_file)] {
        assert!(!finished.stdout.contains(&secret) && !finished.stderr.contains(&secret));
    }
    let (rules, partitions) = (cli.acls(&producer), cli.admin().partitions(&cli.fixture.name));
    assert_eq!((rules.len(), partitions), (9, Ok(Some(4))));

    // Again, and once more without the consumer's file, which its owner has taken.
    for _ in 0..2 {
        let again = cli.rows(0, &with(&["--yes"]));
        assert!(again.iter().all(|row| row["result"] == "was there"), "{again:?}");
        assert_eq!(cli.acls(&producer), rules);
        let _gone_the_second_time = std::fs::remove_file(cli.fixture.path(&consumers_file));
    }
    assert!(!cli.fixture.path(&consumers_file).exists());

    // With these rights the checkpoint and the topics are as the service wants them.
    let doctor = cli.fixture.run(&["doctor"]);
    assert!(doctor.stdout.contains("✔ right to write"), "{doctor:?}");
    assert!(doctor.stdout.contains("✔ retention: 2 topics retain alerts for a day or longer"), "{doctor:?}");
    assert!(doctor.stdout.contains("✔ checkpoint") && doctor.stdout.contains("✔ topic of stream full"), "{doctor:?}");
}

#[test]
fn a_compacted_topic_of_a_stream_stops_a_bootstrap() {
    let cli = new_cluster("compacted");
    let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    cli.admin().create_topic(&cli.fixture.name, &TopicSpec { config, ..TopicSpec::stream(4) }).unwrap();
    let finished = cli.run(&["bootstrap", "--any-host", "--no-consumer", "--yes"]);
    finished.assert_stderr(1, &["cleanup.policy is compact, not delete", "nothing was done"]);
    cli.run(&["create-topic", &cli.fixture.name]).assert_stderr(1, &["cleanup.policy is compact, not delete"]);
}

#[test]
fn a_checkpoint_of_an_earlier_version_gets_more_partitions() {
    let cli = new_cluster("narrow");
    let checkpoint = fink::kafka::checkpoint::topic_of(&cli.fixture.name);
    let spec = TopicSpec { partitions: Some(1), ..fink::kafka::checkpoint::topic_spec() };
    cli.admin().create_topic(&checkpoint, &spec).unwrap();
    let bootstrap = ["bootstrap", "--any-host", "--no-consumer", "--yes"];
    let finished = cli.ok(&bootstrap);
    assert!(finished.stdout.contains("partitions: 16 instead of 1"), "{finished:?}");
    assert_eq!(cli.admin().partitions(&checkpoint), Ok(Some(fink::kafka::checkpoint::PARTITIONS)));
    assert!(!cli.ok(&bootstrap).stdout.contains("instead of"));
    cli.admin().delete_topic(&checkpoint).unwrap();
}

#[test]
fn what_is_there_otherwise_stops_a_bootstrap_before_anything_is_done() {
    let cli = new_cluster("conflict");
    cli.admin().create_topic(&cli.fixture.name, &TopicSpec::stream(2)).unwrap();
    let producer = cli.name("_producer");
    cli.add_user(&producer, "another-password");
    std::fs::write(cli.fixture.path("producer.password"), "the-configured-one").unwrap();
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(cli.fixture.path("producer.password"), mode).unwrap();
    let finished = cli.run(&["bootstrap", "--any-host", "--no-consumer", "--yes"]);
    finished.assert_stderr(
        1,
        &["it has 2 partitions, not 4", "not the one that is configured", "--replace", "nothing was done"],
    );
    assert!(finished.stdout.contains("is there otherwise"), "{finished:?}");
    assert!(cli.acls(&producer).is_empty());
    assert_eq!(cli.admin().partitions(&cli.name("_rejected")), Ok(None));
    cli.run(&["bootstrap", "--yes"]).assert_stderr(2, &["--any-host"]);
}

#[test]
fn configured_replicas_and_retention_are_planned_made_and_checked() {
    let mut cli = new_cluster("durable");
    cli.fixture.add("[distribution]", "replication = 1\nmin_insync_replicas = 1\nrejected_retention = \"30d\"");
    cli.fixture.add("[[stream]]", "retention = \"2d\"");
    // A first look, before there is anything.
    let doctor = cli.fixture.run(&["doctor"]);
    assert!(
        doctor.stdout.contains("? kafka: ") && doctor.stdout.contains("producer.password does not exist yet"),
        "{doctor:?}"
    );
    assert!(!doctor.stdout.contains("✖ kafka"), "{doctor:?}");

    let bootstrap = ["bootstrap", "--any-host", "--no-consumer"];
    let planned = cli.rows(0, &[&bootstrap[..], &["--dry-run"]].concat());
    let what = |name: &str| planned.iter().find(|row| row["name"] == name).expect("a row")["what"].as_str().unwrap();
    let name = cli.fixture.name.clone();
    assert!(what(&name).ends_with("replication: 1, min.insync.replicas: 1, retention: 2d"), "{planned:?}");
    assert!(what(&cli.name("_rejected")).ends_with("retention: 30d"), "{planned:?}");
    let checkpoint = format!("fink_checkpoint_{name}");
    assert!(what(&checkpoint).ends_with("compacted, replication: 1, min.insync.replicas: 1"), "{planned:?}");
    cli.ok(&[&bootstrap[..], &["--yes"]].concat());
    let value = |topic: &str, option: &str| {
        let config = cli.admin().describe_configs(&[topic]).unwrap().pop().unwrap();
        let entry = config.entries.iter().find(|entry| entry.name == option).expect("an option");
        (entry.value.clone(), entry.is_override)
    };
    assert_eq!(value(&name, "retention.ms"), ("172800000".to_owned(), true));
    assert_eq!(value(&cli.name("_rejected"), "retention.ms"), ("2592000000".to_owned(), true));
    assert_eq!(value(&checkpoint, "min.insync.replicas"), ("1".to_owned(), true));
    assert!(cli.rows(0, &[&bootstrap[..], &["--yes"]].concat()).iter().all(|row| row["result"] == "was there"));
    let doctor = cli.fixture.run(&["doctor"]);
    assert!(doctor.stdout.contains("✔ replication: 3 topics"), "{doctor:?}");

    // Another configuration: doctor and bootstrap say what differs, and change nothing.
    cli.fixture.replace("replication = 1\n", "replication = 3\n");
    cli.fixture.replace("retention = \"2d\"", "retention = \"5d\"");
    let doctor = cli.fixture.run(&["doctor"]);
    for difference in ["it has 1 replicas, not 3", "retention.ms is 172800000, not 432000000"] {
        assert!(doctor.stdout.contains(difference), "{difference}: {doctor:?}");
    }
    cli.run(&[&bootstrap[..], &["--yes"]].concat()).assert_stderr(1, &["it has 1 replicas, not 3", "nothing was done"]);
}

#[test]
fn without_configuration_the_plan_names_the_clusters_defaults() {
    let cli = new_cluster("defaults");
    let planned = cli.rows(0, &["bootstrap", "--any-host", "--no-consumer", "--dry-run"]);
    let text = planned[0]["what"].as_str().expect("a text");
    assert!(text.contains("replication: 1 (default)") && text.contains("(default), retention: "), "{text}");
}

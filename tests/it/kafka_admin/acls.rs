use std::process::Command;
use std::time::{Duration, Instant};

use fink::cancel::CancellationToken;
use fink::kafka::acls::AclBinding;
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use fink::kafka::topics::TopicSpec;
use fink::kafka::{Admin, CommitOutcome, Error, Identity, Producer, ProducerOptions, ProducerRecord};

use crate::fixture::cluster::TIMEOUT;
use crate::fixture::kafka_cli::KafkaCli;

const PASSWORD: &str = "password-of-a-test";

impl KafkaCli {
    fn topic(&self, more: &str) -> String {
        let name = self.name(more);
        self.admin().create_topic(&name, &TopicSpec::stream(1)).unwrap();
        name
    }

    fn producer(&self, user: &str, id: &str) -> Result<Producer, Error> {
        let options = ProducerOptions { transactional_id: id.to_owned(), memory: 1 << 24, timeout: TIMEOUT };
        Producer::open(&self.as_user(user, PASSWORD), &options, &CancellationToken::new())
    }

    /// Sends one message in a transaction.
    fn send(&self, producer: &Producer, topic: &str) -> Result<CommitOutcome, Error> {
        producer.begin()?;
        let message = ProducerRecord { topic, partition: 0, key: Some(b"k"), value: Some(b"v"), headers: &[], id: 0 };
        let sent = producer.send(&message).and_then(|()| producer.commit());
        match sent {
            Ok(CommitOutcome::Committed) => {}
            _ => drop(producer.abort()),
        }
        sent
    }

    /// The first message of a topic, read in a group.
    fn read(&self, user: &str, topic: &str, group: Option<&str>) -> Result<Vec<u8>, Error> {
        let options = ConsumerOptions {
            topics: vec![topic.to_owned()],
            group: group.map(str::to_owned),
            start: StartAt::Earliest,
            timeout: TIMEOUT,
        };
        let mut consumer = Consumer::open(&self.as_user(user, PASSWORD), &options)?;
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(Event::Message(message)) = consumer.next(Duration::from_millis(200))? {
                return Ok(message.value.unwrap_or_default());
            }
        }
        panic!("nothing came from {topic}")
    }
}

fn is_denied<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::NotAuthorized { .. } | Error::UnknownTopic { .. }))
}

#[test]
fn a_producer_may_write_its_topic_in_its_transactions_and_nothing_else() {
    let cli = KafkaCli::new("produce");
    let (user, topic, other) = (cli.name("_p"), cli.topic("_t"), cli.topic("_other"));
    cli.add_user(&user, PASSWORD);
    let name = cli.name("_d");
    let checkpoint = format!("fink_checkpoint_{name}");
    // The error messages name this command: it has to make a topic that a checkpoint can live in.
    cli.ok(&["create-topic", &checkpoint]);
    let role = ["--produce", "--topic", &topic, "--transactional-id", &name, "--host", "127.0.0.1"];
    let grant = |more: &[&'static str]| [&["grant", &user], &role[..], more].concat();

    cli.run(&grant(&[])).assert_stderr(2, &["--yes", "--dry-run"]);
    let planned = cli.rows(0, &grant(&["--dry-run"]));
    assert!(planned.len() == 7 && planned.iter().all(|row| row["result"] == "would be added"), "{planned:?}");
    assert!(cli.acls(&user).is_empty());
    let shown = cli.ok(&grant(&["--yes"]));
    assert!(shown.stderr.contains("may write") && shown.stdout.contains("added"), "{shown:?}");
    assert_eq!(cli.acls(&user).len(), 7);
    assert!(cli.rows(0, &grant(&["--yes"])).iter().all(|row| row["result"] == "was there"));

    let producer = cli.producer(&user, &format!("{name}-0")).unwrap();
    assert_eq!(cli.send(&producer, &topic), Ok(CommitOutcome::Committed));
    assert_eq!(cli.send(&producer, &checkpoint), Ok(CommitOutcome::Committed));
    let settings = cli.as_user(&user, PASSWORD);
    assert_eq!(
        fink::kafka::checkpoint::ensure(
            &Admin::open(&settings, Identity::User, TIMEOUT).unwrap(),
            &checkpoint,
            &fink::kafka::checkpoint::topic_spec()
        ),
        Ok(fink::kafka::checkpoint::PARTITIONS)
    );
    let reader = Admin::open(&settings, Identity::User, TIMEOUT).unwrap();
    assert_eq!(
        fink::kafka::checkpoint::read(&reader, &checkpoint, &[0], &CancellationToken::new()).unwrap()[&0].len(),
        1
    );

    assert!(cli.send(&producer, &other).is_err());
    assert!(is_denied(&cli.producer(&user, &cli.name("_d2-0")).map(|_| ())));
    assert!(is_denied(&cli.read(&user, &topic, None)));
    let as_user = Admin::open(&settings, Identity::User, TIMEOUT).unwrap();
    assert!(is_denied(&as_user.create_topic(&cli.name("_new"), &TopicSpec::stream(1))));
    assert!(is_denied(&as_user.delete_topic(&topic)));
    let configs = as_user.describe_configs(&[&topic, &other]).unwrap();
    assert_eq!(configs[0].error, None, "to see that it is not compacted");
    assert!(matches!(configs[1].error, Some(Error::NotAuthorized { .. })), "{configs:?}");

    // With --create a missing topic can be made, and only that.
    let made = cli.name("_made");
    cli.ok(&["grant", &user, "--produce", "--topic", &made, "--create", "--any-host", "--yes"]);
    assert!(as_user.create_topic(&made, &TopicSpec::stream(1)).is_ok());
    assert!(is_denied(&as_user.create_topic(&cli.name("_new"), &TopicSpec::stream(1))));
}

#[test]
fn a_consumer_may_read_its_topics_in_its_groups_and_nothing_else() {
    let cli = KafkaCli::new("consume");
    let (user, topic, other) = (cli.name("_c"), cli.topic("_t1"), cli.topic("_other"));
    cli.add_user(&user, PASSWORD);
    let writer = cli.name("_w");
    cli.add_user(&writer, PASSWORD);
    let name = cli.name("_w");
    cli.ok(&["grant", &writer, "--produce", "--all-topics", "--transactional-id", &name, "--any-host", "--yes"]);
    let producer = cli.producer(&writer, &format!("{name}-0")).unwrap();
    for topic in [&topic, &other] {
        assert_eq!(cli.send(&producer, topic), Ok(CommitOutcome::Committed));
    }
    let beginning = cli.name("_t");
    let role = ["--consume", "--topic", &beginning, "--prefix", "--group-prefix", &user, "--any-host", "--yes"];
    cli.ok(&[&["grant", &user], &role[..]].concat());
    assert_eq!(cli.acls(&user).len(), 2);
    let group = format!("{user}_x");
    assert_eq!(cli.read(&user, &topic, Some(&group)), Ok(b"v".to_vec()));
    assert_eq!(cli.read(&user, &topic, None), Ok(b"v".to_vec()), "who keeps no position needs no group");
    assert!(is_denied(&cli.read(&user, &topic, Some("somebody's"))));
    assert!(is_denied(&cli.read(&user, &other, Some(&group))));
    assert!(is_denied(&cli.producer(&user, "fink-0").map(|_| ())));

    cli.ok(&[&["revoke", &user], &role[..]].concat());
    assert!(cli.acls(&user).is_empty());
    assert!(is_denied(&cli.read(&user, &topic, Some(&group))));
}

#[test]
fn revoke_takes_exactly_what_grant_gave() {
    let cli = KafkaCli::new("revoke");
    let user = cli.name("_u");
    let (a, b) = (cli.name("_a"), cli.name("_b"));
    let roles: [&[&str]; 6] = [
        &["--produce", "--topic", &a, "--transactional-id", &a, "--any-host"],
        &["--produce", "--topic", &a, "--create", "--host", "192.0.2.1", "--host", "::1"],
        &["--consume", "--topic", &a, "--topic", &b, "--group", &user, "--any-host"],
        &["--consume", "--topic", &a, "--prefix", "--group-prefix", &b, "--any-host"],
        &["--consume", "--all-topics", "--all-groups", "--host", "127.0.0.1"],
        &["--consume", "--topic", &b, "--host", "127.0.0.1"],
    ];
    for role in roles {
        let call = |verb: &'static str| cli.rows(0, &[&[verb, &user], role, &["--yes"]].concat());
        let all: Vec<AclBinding> = cli.acls(&user);
        let given = call("grant");
        assert!(given.iter().all(|row| row["result"] == "added"), "{given:?}");
        assert_eq!(cli.acls(&user).len(), all.len() + given.len());
        let taken = call("revoke");
        assert!(taken.iter().all(|row| row["result"] == "removed"), "{taken:?}");
        assert_eq!(cli.acls(&user), all, "what was there before stays");
        // To stand in the way of the next role.
        call("grant");
    }
    cli.run(&["revoke", &user, "--consume", "--topic", &b, "--host", "192.0.2.9", "--yes"])
        .assert_stderr(1, &["none of these"]);
    let finished = cli.ok(&["revoke", &user, "--consume", "--topic", &b, "--any-host", "--yes"]);
    assert!(finished.stderr.contains("still may read every topic from 127.0.0.1"), "{finished:?}");
}

#[test]
fn wildcards_need_an_option_of_their_own() {
    let cli = KafkaCli::new("words");
    let user = cli.name("_u");
    let refused = |role: &[&str], word: &str| {
        cli.run(&[&["grant", &user, "--consume", "--yes"], role].concat()).assert_stderr(2, &[word]);
    };
    refused(&["--topic", "*", "--any-host"], "--all-topics");
    refused(&["--topic", "fink_*", "--any-host"], "--topic fink_ --prefix");
    refused(&["--topic", "t", "--host", "*"], "--any-host");
    refused(&["--topic", "t", "--host", "example.org"], "not an IP address");
    refused(&["--topic", "t", "--any-host", "--group", "*"], "--all-groups");
    refused(&["--topic", "t"], "--any-host");
    refused(&["--any-host"], "--all-topics");
    refused(&["--topic", "t", "--any-host", "--host", "127.0.0.1"], "cannot be used with");
    refused(&["--topic", "t", "--all-topics", "--any-host"], "cannot be used with");
    refused(&["--topic", "t", "--any-host", "--transactional-id", "x"], "cannot be used with");
    assert!(cli.acls(&user).is_empty());
    cli.ok(&["grant", &user, "--consume", "--all-topics", "--all-groups", "--any-host", "--yes"]);
    let rows = cli.rows(0, &["list-acls", "--user", &user]);
    assert!(rows.iter().all(|row| row["name"] == "*" && row["host"] == "*" && row["pattern"] == "literal"), "{rows:?}");
}

#[test]
fn a_star_that_the_shell_expanded_is_explained() {
    let cli = KafkaCli::new("star");
    let user = cli.name("_u");
    // The configuration is written by now, so that the folder has two visible files.
    std::fs::write(cli.fixture.path("alerts.avro"), "").unwrap();
    cli.ok(&["list-users", "--quiet"]);
    let config = cli.fixture.path("fink.toml");
    let shell = |folder: &std::path::Path, line: &str| {
        let line = format!("exec {} --config '{}' kafka {line}", env!("CARGO_BIN_EXE_fink"), config.display());
        let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let one = cli.fixture.path("one");
    std::fs::create_dir(&one).unwrap();
    std::fs::write(one.join("notes.txt"), "").unwrap();
    for folder in [cli.fixture.folder.path(), &one] {
        for (verb, line) in [
            ("grant", format!("{user} --consume --topic t --yes --host *")),
            ("grant", format!("--consume --topic * --any-host --yes {user}")),
            ("grant", format!("{user} --consume --topic t --any-host --yes --group *")),
            ("revoke", format!("{user} --produce --topic * --any-host --yes")),
            ("bootstrap", "--yes --host *".to_owned()),
        ] {
            let (code, stderr) = shell(folder, &format!("{verb} {line}"));
            assert_eq!(code, Some(2), "{line}: {stderr}");
            assert!(stderr.contains("files of this directory") && stderr.contains("--any-host"), "{line}: {stderr}");
        }
    }
    assert!(cli.acls(&user).is_empty());
    let (code, stderr) = shell(&one, &format!("grant {user} --consume --topic t --any-host --yes O Brien"));
    assert!(code == Some(2) && stderr.contains("unexpected argument `O`"), "{stderr}");
}

#[test]
fn acls_are_listed_by_user_topic_and_group() {
    let cli = KafkaCli::new("list");
    let (alice, bob, topic) = (cli.name("_alice"), cli.name("_bob"), cli.name("_topic_1"));
    cli.ok(&["grant", &alice, "--consume", "--topic", &topic, "--group", &alice, "--any-host", "--yes"]);
    let beginning = cli.name("_topic");
    cli.ok(&["grant", &bob, "--produce", "--topic", &beginning, "--prefix", "--host", "127.0.0.1", "--yes"]);
    let count = |filters: &[&str]| {
        let rows = cli.rows(0, &[&["list-acls"], filters].concat());
        rows.iter().filter(|row| row["user"] == alice.as_str() || row["user"] == bob.as_str()).count()
    };
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--topic", &topic]), 2);
    assert_eq!(count(&["--topic", &topic, "--exact"]), 1);
    assert_eq!(count(&["--topic", &topic, "--operation", "write"]), 1);
    assert_eq!(count(&["--group", &alice]), 1);
    assert_eq!(count(&["--user", &bob, "--host", "127.0.0.1"]), 1);
    assert_eq!(count(&["--user", &bob, "--any-host"]), 0);
    assert_eq!(count(&["--denied"]), 0);
    assert_eq!(count(&["--cluster"]), 0);
    cli.run(&["list-acls", "--operation", "raed"]).assert_stderr(2, &["describe-configs"]);
    let text = cli.ok(&["list-acls", "--user", &bob]).stdout;
    let line = text.lines().nth(1).unwrap_or_default();
    assert!(line.contains("may write") && line.contains(&format!("topics {beginning}…  127.0.0.1")), "{text}");
}

use std::process::Command;
use std::time::{Duration, Instant};

use fink::kafka::acls::Rule;
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use fink::kafka::topics::TopicShape;
use fink::kafka::{Admin, CommitOutcome, Error, Outgoing, Producer, ProducerOptions, client::As};

use crate::stage::{Stage, WITHIN};

const PASSWORD: &str = "password-of-a-test";

impl Stage {
    fn topic(&self, more: &str) -> String {
        let name = self.name(more);
        self.admin().create_topic(&name, &TopicShape::stream(1)).unwrap();
        name
    }

    fn producer(&self, user: &str, id: &str) -> Result<Producer, Error> {
        let options = ProducerOptions { transactional_id: id.to_owned(), memory: 1 << 24, within: WITHIN };
        Producer::open(&self.as_user(user, PASSWORD), &options, || false)
    }

    /// Sends one message in a transaction.
    fn send(&self, producer: &Producer, topic: &str) -> Result<CommitOutcome, Error> {
        producer.begin()?;
        let message = Outgoing { topic, partition: 0, key: Some(b"k"), value: Some(b"v"), headers: &[], id: 0 };
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
            within: WITHIN,
        };
        let mut consumer = Consumer::open(&self.as_user(user, PASSWORD), &options)?;
        let deadline = Instant::now() + WITHIN;
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
    let stage = Stage::new("produce");
    let (user, topic, other) = (stage.name("_p"), stage.topic("_t"), stage.topic("_other"));
    stage.add_user(&user, PASSWORD);
    let name = stage.name("_d");
    let checkpoint = format!("fink_checkpoint_{name}");
    // The error messages name this command: it has to make a topic that a checkpoint can live in.
    stage.ok(&["create-topic", &checkpoint]);
    let role = ["--produce", "--topic", &topic, "--transactional-id", &name, "--host", "127.0.0.1"];
    let grant = |more: &[&'static str]| [&["grant", &user], &role[..], more].concat();

    stage.run(&grant(&[])).says(2, &["--yes", "--dry-run"]);
    let planned = stage.rows(0, &grant(&["--dry-run"]));
    assert!(planned.len() == 7 && planned.iter().all(|row| row["result"] == "would be added"), "{planned:?}");
    assert!(stage.rules(&user).is_empty());
    let shown = stage.ok(&grant(&["--yes"]));
    assert!(shown.stderr.contains("may write") && shown.stdout.contains("added"), "{shown:?}");
    assert_eq!(stage.rules(&user).len(), 7);
    assert!(stage.rows(0, &grant(&["--yes"])).iter().all(|row| row["result"] == "was there"));

    let producer = stage.producer(&user, &format!("{name}-0")).unwrap();
    assert_eq!(stage.send(&producer, &topic), Ok(CommitOutcome::Committed));
    assert_eq!(stage.send(&producer, &checkpoint), Ok(CommitOutcome::Committed));
    let settings = stage.as_user(&user, PASSWORD);
    assert_eq!(
        fink::kafka::checkpoint::ensure(&Admin::open(&settings, As::User, WITHIN).unwrap(), &checkpoint),
        Ok(())
    );
    assert_eq!(fink::kafka::checkpoint::read_all(&settings, &checkpoint, WITHIN).unwrap().len(), 1);

    assert!(stage.send(&producer, &other).is_err());
    assert!(is_denied(&stage.producer(&user, &stage.name("_d2-0")).map(|_| ())));
    assert!(is_denied(&stage.read(&user, &topic, None)));
    let as_user = Admin::open(&settings, As::User, WITHIN).unwrap();
    assert!(is_denied(&as_user.create_topic(&stage.name("_new"), &TopicShape::stream(1))));
    assert!(is_denied(&as_user.delete_topic(&topic)));
    assert!(matches!(as_user.topic_options(&topic), Ok(Some(_))), "to see that it is not compacted");
    assert_eq!(as_user.topic_options(&other), Ok(None));

    // With --create a missing topic can be made, and only that.
    let made = stage.name("_made");
    stage.ok(&["grant", &user, "--produce", "--topic", &made, "--create", "--any-host", "--yes"]);
    assert!(as_user.create_topic(&made, &TopicShape::stream(1)).is_ok());
    assert!(is_denied(&as_user.create_topic(&stage.name("_new"), &TopicShape::stream(1))));
}

#[test]
fn a_consumer_may_read_its_topics_in_its_groups_and_nothing_else() {
    let stage = Stage::new("consume");
    let (user, topic, other) = (stage.name("_c"), stage.topic("_t1"), stage.topic("_other"));
    stage.add_user(&user, PASSWORD);
    let writer = stage.name("_w");
    stage.add_user(&writer, PASSWORD);
    let name = stage.name("_w");
    stage.ok(&["grant", &writer, "--produce", "--all-topics", "--transactional-id", &name, "--any-host", "--yes"]);
    let producer = stage.producer(&writer, &format!("{name}-0")).unwrap();
    for topic in [&topic, &other] {
        assert_eq!(stage.send(&producer, topic), Ok(CommitOutcome::Committed));
    }
    let beginning = stage.name("_t");
    let role = ["--consume", "--topic", &beginning, "--prefix", "--group-prefix", &user, "--any-host", "--yes"];
    stage.ok(&[&["grant", &user], &role[..]].concat());
    assert_eq!(stage.rules(&user).len(), 2);
    let group = format!("{user}_x");
    assert_eq!(stage.read(&user, &topic, Some(&group)), Ok(b"v".to_vec()));
    assert_eq!(stage.read(&user, &topic, None), Ok(b"v".to_vec()), "who keeps no position needs no group");
    assert!(is_denied(&stage.read(&user, &topic, Some("somebody's"))));
    assert!(is_denied(&stage.read(&user, &other, Some(&group))));
    assert!(is_denied(&stage.producer(&user, "fink-0").map(|_| ())));

    stage.ok(&[&["revoke", &user], &role[..]].concat());
    assert!(stage.rules(&user).is_empty());
    assert!(is_denied(&stage.read(&user, &topic, Some(&group))));
}

#[test]
fn revoke_takes_exactly_what_grant_gave() {
    let stage = Stage::new("revoke");
    let user = stage.name("_u");
    let (a, b) = (stage.name("_a"), stage.name("_b"));
    let roles: [&[&str]; 6] = [
        &["--produce", "--topic", &a, "--transactional-id", &a, "--any-host"],
        &["--produce", "--topic", &a, "--create", "--host", "192.0.2.1", "--host", "::1"],
        &["--consume", "--topic", &a, "--topic", &b, "--group", &user, "--any-host"],
        &["--consume", "--topic", &a, "--prefix", "--group-prefix", &b, "--any-host"],
        &["--consume", "--all-topics", "--all-groups", "--host", "127.0.0.1"],
        &["--consume", "--topic", &b, "--host", "127.0.0.1"],
    ];
    for role in roles {
        let call = |verb: &'static str| stage.rows(0, &[&[verb, &user], role, &["--yes"]].concat());
        let all: Vec<Rule> = stage.rules(&user);
        let given = call("grant");
        assert!(given.iter().all(|row| row["result"] == "added"), "{given:?}");
        assert_eq!(stage.rules(&user).len(), all.len() + given.len());
        let taken = call("revoke");
        assert!(taken.iter().all(|row| row["result"] == "removed"), "{taken:?}");
        assert_eq!(stage.rules(&user), all, "what was there before stays");
        // To stand in the way of the next role.
        call("grant");
    }
    stage
        .run(&["revoke", &user, "--consume", "--topic", &b, "--host", "192.0.2.9", "--yes"])
        .says(1, &["none of these"]);
    let ended = stage.ok(&["revoke", &user, "--consume", "--topic", &b, "--any-host", "--yes"]);
    assert!(ended.stderr.contains("still may read every topic from 127.0.0.1"), "{ended:?}");
}

#[test]
fn wildcards_are_asked_for_in_words() {
    let stage = Stage::new("words");
    let user = stage.name("_u");
    let refused = |role: &[&str], word: &str| {
        stage.run(&[&["grant", &user, "--consume", "--yes"], role].concat()).says(2, &[word]);
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
    assert!(stage.rules(&user).is_empty());
    stage.ok(&["grant", &user, "--consume", "--all-topics", "--all-groups", "--any-host", "--yes"]);
    let rows = stage.rows(0, &["list-acls", "--user", &user]);
    assert!(rows.iter().all(|row| row["name"] == "*" && row["host"] == "*" && row["pattern"] == "literal"), "{rows:?}");
}

#[test]
fn a_star_that_the_shell_expanded_is_explained() {
    let stage = Stage::new("star");
    let user = stage.name("_u");
    // The configuration is written by now, so that the folder has two visible files.
    std::fs::write(stage.scene.path("alerts.avro"), "").unwrap();
    stage.ok(&["list-users", "--quiet"]);
    let config = stage.scene.path("fink.toml");
    let shell = |folder: &std::path::Path, line: &str| {
        let line = format!("exec {} --config '{}' kafka {line}", env!("CARGO_BIN_EXE_fink"), config.display());
        let output = Command::new("sh").args(["-c", &line]).current_dir(folder).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let one = stage.scene.path("one");
    std::fs::create_dir(&one).unwrap();
    std::fs::write(one.join("notes.txt"), "").unwrap();
    for folder in [stage.scene.folder.path(), &one] {
        for (verb, line) in [
            ("grant", format!("{user} --consume --topic t --yes --host *")),
            ("grant", format!("--consume --topic * --any-host --yes {user}")),
            ("grant", format!("{user} --consume --topic t --any-host --yes --group *")),
            ("revoke", format!("{user} --produce --topic * --any-host --yes")),
            ("bootstrap", "--yes --host *".to_owned()),
        ] {
            let (code, stderr) = shell(folder, &format!("{verb} {line}"));
            assert_eq!(code, Some(2), "{line}: {stderr}");
            assert!(stderr.contains("files of this folder") && stderr.contains("--any-host"), "{line}: {stderr}");
        }
    }
    assert!(stage.rules(&user).is_empty());
    let (code, stderr) = shell(&one, &format!("grant {user} --consume --topic t --any-host --yes O Brien"));
    assert!(code == Some(2) && stderr.contains("`O` is not expected"), "{stderr}");
}

#[test]
fn rules_are_found_by_what_they_speak_of() {
    let stage = Stage::new("list");
    let (alice, bob, topic) = (stage.name("_alice"), stage.name("_bob"), stage.name("_topic_1"));
    stage.ok(&["grant", &alice, "--consume", "--topic", &topic, "--group", &alice, "--any-host", "--yes"]);
    let beginning = stage.name("_topic");
    stage.ok(&["grant", &bob, "--produce", "--topic", &beginning, "--prefix", "--host", "127.0.0.1", "--yes"]);
    let count = |filters: &[&str]| {
        let rows = stage.rows(0, &[&["list-acls"], filters].concat());
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
    stage.run(&["list-acls", "--operation", "raed"]).says(2, &["describe-configs"]);
    let text = stage.ok(&["list-acls", "--user", &bob]).stdout;
    let line = text.lines().nth(1).unwrap_or_default();
    assert!(line.contains("may write") && line.contains(&format!("topics {beginning}…  127.0.0.1")), "{text}");
}

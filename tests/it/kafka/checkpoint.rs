use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fink::cancel::CancellationToken;
use fink::kafka::Identity;
use fink::kafka::{Admin, CommitOutcome, Error, Producer, ProducerRecord, checkpoint};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

fn write(producer: &Producer, topic: &str, records: &[(&str, Option<&str>)], commits: bool) {
    producer.begin().unwrap();
    for (key, value) in records {
        producer
            .send(&ProducerRecord {
                topic,
                partition: checkpoint::SERVICE_PARTITION,
                key: Some(key.as_bytes()),
                value: value.map(str::as_bytes),
                headers: &[],
                id: 0,
            })
            .unwrap();
    }
    if commits {
        assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    } else {
        producer.abort().unwrap();
    }
}

/// A checkpoint topic with a single partition.
fn of_earlier_version(name: &str) -> Topic {
    let topic = Topic::named(unique(name).replace("fink_", "fink_checkpoint_"));
    let spec = fink::kafka::topics::TopicSpec { partitions: Some(1), ..checkpoint::topic_spec() };
    admin().create_topic(&topic.0, &spec).unwrap();
    topic
}

fn user() -> Admin {
    Admin::open(&settings(), Identity::User, TIMEOUT).unwrap()
}

fn read_all(topic: &str) -> BTreeMap<String, String> {
    let partition = checkpoint::SERVICE_PARTITION;
    let map =
        checkpoint::read(&user(), topic, &[partition], &CancellationToken::new()).unwrap().remove(&partition).unwrap();
    let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
    map.into_iter().map(|(k, v)| (text(k), text(v))).collect()
}

#[test]
fn a_checkpoint_holds_what_was_committed_last() {
    let topic = Topic::named(unique("checkpoint").replace("fink_", "fink_checkpoint_"));
    checkpoint::ensure(&user(), &topic.0, &checkpoint::topic_spec()).unwrap();
    checkpoint::ensure(&user(), &topic.0, &checkpoint::topic_spec()).unwrap();
    assert!(read_all(&topic.0).is_empty());

    let id = unique("checkpoint");
    let producer = producer(&id);
    write(&producer, &topic.0, &[("watermark", Some("1")), ("a", Some("x")), ("b", Some("y"))], true);
    write(&producer, &topic.0, &[("watermark", Some("2")), ("c", Some("z"))], false);
    let expected = [("watermark", "1"), ("a", "x"), ("b", "y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(read_all(&topic.0), BTreeMap::from(expected), "the aborted tail does not count");

    write(&producer, &topic.0, &[("watermark", Some("3")), ("a", None), ("b", Some(""))], true);
    let expected = [("watermark", "3"), ("b", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(read_all(&topic.0), BTreeMap::from(expected.clone()));

    // What a dead process left open is aborted by the next one's start, and does not hold the reading up.
    producer.begin().unwrap();
    producer.send(&message(&topic.0, b"watermark", b"4")).unwrap();
    wait_until(|| "the record is not sent".to_owned(), || (producer.in_flight() == 0).then_some(()));
    drop(producer);
    let _next = self::producer(&id);
    assert_eq!(read_all(&topic.0), BTreeMap::from(expected));
}

/// Opens the next producer under the same id, as a restart does.
fn producer(id: &str) -> Producer {
    crate::fixture::topics::producer(id)
}

#[test]
fn a_checkpoint_that_cannot_be_created_says_how_to_create_it() {
    let topic = unique("nomake").replace("fink_", "fink_checkpoint_");
    let error = checkpoint::ensure(
        &Admin::open(&consumer_settings(), Identity::User, TIMEOUT).unwrap(),
        &topic,
        &checkpoint::topic_spec(),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::UnknownTopic { .. }), "{text}");
    assert!(text.contains("`finkConsumer` is not authorized to create it"), "{text}");
    assert!(
        text.contains(&format!("fink kafka create-topic {topic}")) && text.contains("cleanup.policy=compact"),
        "{text}"
    );
}

#[test]
fn a_topic_without_compaction_is_no_checkpoint() {
    let topic = Topic::named(unique("forgets").replace("fink_", "fink_checkpoint_"));
    admin().create_topic(&topic.0, &fink::kafka::topics::TopicSpec::stream(1)).unwrap();
    let error = checkpoint::ensure(&user(), &topic.0, &checkpoint::topic_spec()).unwrap_err().to_string();
    assert!(error.contains("cleanup.policy is delete"), "{error}");
}

#[test]
fn a_topic_of_an_earlier_version_gets_the_partitions_it_lacks() {
    let topic = of_earlier_version("narrow");
    let producer = producer(&unique("narrow"));
    write(&producer, &topic.0, &[("watermark", Some("1"))], true);
    assert_eq!(checkpoint::ensure(&user(), &topic.0, &checkpoint::topic_spec()), Ok(checkpoint::PARTITIONS));
    assert_eq!(checkpoint::ensure(&user(), &topic.0, &checkpoint::topic_spec()), Ok(checkpoint::PARTITIONS));
    assert_eq!(read_all(&topic.0), BTreeMap::from([("watermark".to_owned(), "1".to_owned())]));
}

#[test]
fn a_topic_that_may_not_be_widened_is_used_as_it_is() {
    let topic = of_earlier_version("fixed");
    let user =
        Admin::open(&fink::config::KafkaSettings { admin: None, ..settings() }, Identity::User, TIMEOUT).unwrap();
    assert_eq!(checkpoint::ensure(&user, &topic.0, &checkpoint::topic_spec()), Ok(1));
}

#[test]
fn what_is_committed_behind_another_producers_open_transaction_is_read() {
    let topic = of_earlier_version("behind");
    let other = producer(&unique("other"));
    other.begin().unwrap();
    other.send(&message(&topic.0, b"other", b"1")).unwrap();
    let own = producer(&unique("own"));
    write(&own, &topic.0, &[("watermark", Some("5"))], true);
    let stable =
        checkpoint::read_stable(&user(), &topic.0, checkpoint::SERVICE_PARTITION, &CancellationToken::new()).unwrap();
    assert!(stable.is_empty(), "the open transaction hides it");
    let token = CancellationToken::new().child_with_deadline(Some(Instant::now() + Duration::from_secs(1)));
    let stopped = checkpoint::read(&user(), &topic.0, &[checkpoint::SERVICE_PARTITION], &token);
    assert!(matches!(stopped, Err(Error::Cancelled(_))), "{stopped:?}");
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        other.abort().unwrap();
    });
    assert_eq!(read_all(&topic.0), BTreeMap::from([("watermark".to_owned(), "5".to_owned())]));
    ends.join().unwrap();
}

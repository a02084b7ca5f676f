//! The producer without transactions, the reader of a topic's tail, and the schema topic.

use std::time::SystemTime;

use fink::cancel::CancellationToken;
use fink::config::KafkaSettings;
use fink::kafka::schema_topic::{self, SchemaWrite};
use fink::kafka::tail::OffsetRange;
use fink::kafka::{
    Cause, CommitOutcome, Error, FlushOutcome, IdempotentProducer, ProducerOptions, ProducerRecord, TailReader,
    UnexpectedOffset,
};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

/// Settings of a user who may both read and write.
fn both() -> KafkaSettings {
    let settings = settings();
    KafkaSettings { login: settings.admin.clone(), ..settings }
}

fn plain(topics: &[(&Topic, i32)]) -> IdempotentProducer {
    let topics: Vec<_> = topics.iter().map(|(topic, partitions)| (topic.0.clone(), *partitions)).collect();
    IdempotentProducer::open(&both(), &options("plain"), &topics, &CancellationToken::new()).expect("a producer")
}

fn stamp() -> Option<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_millis()).ok()
}

fn reader() -> TailReader {
    TailReader::open(&both(), TIMEOUT, &CancellationToken::new()).expect("a reader")
}

fn tail(topic: &Topic, from: &[i64]) -> Vec<String> {
    let until: Vec<i64> = reader()
        .offset_ranges(&topic.0, i32::try_from(from.len()).unwrap())
        .unwrap()
        .iter()
        .map(|ends| ends.end)
        .collect();
    let mut found = Vec::new();
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default()).expect("text");
    reader().read(&topic.0, from, &until, |message| found.push(text(message.value))).unwrap();
    found
}

#[test]
fn messages_take_consecutive_offsets_and_nothing_else_does() {
    let topic = Topic::new("plain", 2);
    let producer = plain(&[(&topic, 2)]);
    producer.set_offsets(&topic.0, &[0, 0]);
    for round in 0..3 {
        for partition in [0, 0, 1] {
            let value = format!("{round}");
            producer.send(&ProducerRecord { partition, ..message(&topic.0, b"k", value.as_bytes()) }, &stamp).unwrap();
        }
        assert_eq!(producer.flush(), Ok(FlushOutcome::Delivered));
    }
    assert_eq!((producer.offsets(&topic.0), producer.in_flight()), (vec![6, 3], 0));
    assert_eq!(
        reader().offset_ranges(&topic.0, 2),
        Ok(vec![OffsetRange { begin: 0, end: 6 }, OffsetRange { begin: 0, end: 3 }])
    );
    assert_eq!(values(&topic.0).len(), 9);
}

#[test]
fn brokers_refuse_a_message_that_comes_late() {
    let config = [("message.timestamp.before.max.ms", "20000"), ("message.timestamp.after.max.ms", "10000")];
    let topic = Topic::with("late", 1, &config);
    let producer = plain(&[(&topic, 1)]);
    producer.set_offsets(&topic.0, &[0]);
    producer.send(&message(&topic.0, b"k", b"late"), &|| Some(stamp()? - 25_000)).unwrap();
    let Ok(FlushOutcome::Failed(aborted)) = producer.flush() else { panic!("it was taken") };
    assert!(aborted.failures.is_empty() && aborted.reason.contains("as too old"), "{aborted:?}");
    let unsent = producer.send(&message(&topic.0, b"k", b"unsent"), &|| None);
    assert!(matches!(unsent, Err(Error::MustAbort { .. })), "{unsent:?}");
    producer.send(&message(&topic.0, b"k", b"v"), &stamp).unwrap();
    assert_eq!(producer.flush(), Ok(FlushOutcome::Delivered));
    assert_eq!(values(&topic.0), ["v"]);
}

#[test]
fn a_second_writer_is_noticed() {
    let topic = Topic::new("second", 1);
    let (first, second) = (plain(&[(&topic, 1)]), plain(&[(&topic, 1)]));
    for producer in [&first, &second] {
        producer.set_offsets(&topic.0, &[0]);
    }
    first.send(&message(&topic.0, b"k", b"a"), &stamp).unwrap();
    assert_eq!(first.flush(), Ok(FlushOutcome::Delivered));
    second.send(&message(&topic.0, b"k", b"b"), &stamp).unwrap();
    let seen = |expected, found| UnexpectedOffset { topic: topic.0.clone(), partition: 0, expected, found };
    assert_eq!(second.flush(), Ok(FlushOutcome::UnexpectedOffset(seen(0, 1))));
    first.send(&message(&topic.0, b"k", b"c"), &stamp).unwrap();
    assert_eq!(first.flush(), Ok(FlushOutcome::UnexpectedOffset(seen(1, 2))));
    assert_eq!(first.flush(), Ok(FlushOutcome::Delivered), "reported once");
}

#[test]
fn a_message_that_is_too_large_fails_alone_and_the_producer_goes_on() {
    let topic = Topic::with("plainlarge", 1, &[("max.message.bytes", "1048588")]);
    let producer = plain(&[(&topic, 1)]);
    producer.set_offsets(&topic.0, &[0]);
    let (small, large) = (vec![1_u8; 50_000], vec![2_u8; 1_500_000]);
    for id in 0..30 {
        let value = if id == 17 { &large } else { &small };
        producer.send(&ProducerRecord { id, ..message(&topic.0, b"k", value) }, &stamp).unwrap();
    }
    let Ok(FlushOutcome::Failed(aborted)) = producer.flush() else { panic!("nothing failed") };
    assert!(aborted.failures.iter().any(|f| (f.id, &f.cause) == (17, &Cause::TooLarge)), "{aborted:?}");
    let end = reader().offset_ranges(&topic.0, 1).unwrap()[0].end;
    producer.set_offsets(&topic.0, &[end]);
    producer.send(&message(&topic.0, b"k", b"after"), &stamp).unwrap();
    assert_eq!(producer.flush(), Ok(FlushOutcome::Delivered));
    assert_eq!(producer.offsets(&topic.0), [end + 1]);
}

#[test]
fn a_flush_waits_for_brokers_no_longer_than_a_message_may() {
    let token = CancellationToken::new();
    let nobody = KafkaSettings { bootstrap_servers: "127.0.0.1:1".to_owned(), ..both() };
    let topics = [("t".to_owned(), 1)];
    let producer =
        IdempotentProducer::open(&nobody, &ProducerOptions { timeout: TIMEOUT, ..options("x") }, &topics, &token);
    let producer = producer.unwrap();
    token.cancel();
    assert!(matches!(producer.send(&message("t", b"k", b"v"), &stamp), Err(Error::Cancelled(_))));
}

#[test]
fn the_tail_is_read_from_the_given_offsets_committed_or_not() {
    let topic = Topic::new("tail", 2);
    let id = unique("tail");
    let transactional = crate::fixture::topics::producer(&id);
    transactional.begin().unwrap();
    for (partition, value) in [(0, "a"), (0, "b"), (1, "c")] {
        transactional.send(&ProducerRecord { partition, ..message(&topic.0, b"k", value.as_bytes()) }).unwrap();
    }
    assert_eq!(transactional.commit(), Ok(CommitOutcome::Committed));
    assert_eq!(tail(&topic, &[1, 1]), ["b"]);
    assert!(tail(&topic, &[3, 2]).is_empty(), "markers alone");
    transactional.begin().unwrap();
    transactional.send(&message(&topic.0, b"k", b"open")).unwrap();
    let is_written = || (reader().offset_ranges(&topic.0, 1).unwrap()[0].end >= 4).then_some(());
    wait_until(|| "the message is not written".to_owned(), is_written);
    assert_eq!(tail(&topic, &[3, 2]), ["open"]);
    transactional.abort().unwrap();
}

#[test]
fn a_reader_without_the_right_names_user_and_topic() {
    let topic = Topic::new("tailright", 1);
    let producer = plain(&[(&topic, 1)]);
    producer.set_offsets(&topic.0, &[0]);
    producer.send(&message(&topic.0, b"k", b"v"), &stamp).unwrap();
    assert_eq!(producer.flush(), Ok(FlushOutcome::Delivered));
    // The producer's user may write to the topic, and so see it, but not read it.
    let reader = TailReader::open(&settings(), TIMEOUT, &CancellationToken::new()).unwrap();
    let error = reader.read(&topic.0, &[0], &[1], |_| panic!("it was read")).unwrap_err();
    let expected = Error::NotAuthorized {
        user: "finkProducer".to_owned(),
        action: "read".to_owned(),
        resource: format!("topic `{}`", topic.0),
    };
    assert_eq!(error, expected);
}

#[test]
fn a_schema_is_written_once() {
    let topic = Topic::new("schema", 1);
    let (producer, reader) = (plain(&[]), reader());
    let write = |schema: &str| {
        schema_topic::write(&reader, &producer, &topic.0, 1, schema.as_bytes(), "alerts").expect("a schema topic")
    };
    assert_eq!(write("{}"), SchemaWrite::First);
    assert_eq!(write("{}"), SchemaWrite::Unchanged);
    assert_eq!(write("[]"), SchemaWrite::Replaced);
    assert_eq!(write("[]"), SchemaWrite::Unchanged);
    let keys: Vec<_> = read(&[&topic.0]).into_iter().map(|m| String::from_utf8(m.key.unwrap()).unwrap()).collect();
    assert_eq!(keys, ["{}", "[]"]);
}

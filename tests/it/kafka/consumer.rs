use std::time::{Duration, Instant};

use fink::config::{Login, Secret};
use fink::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use fink::kafka::{CommitOutcome, Error, Producer, ProducerRecord};

use crate::fixture::alert_table::now;
use crate::fixture::topics::*;
use crate::fixture::wait_for_clock;

fn put(producer: &Producer, topic: &str, value: &str) {
    producer.begin().unwrap();
    producer.send(&message(topic, b"k", value.as_bytes())).unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
}

fn open(topics: &[&str], group: Option<&str>, start: StartAt) -> Result<Consumer, Error> {
    let topics = topics.iter().map(|t| (*t).to_owned()).collect();
    let options = ConsumerOptions { topics, group: group.map(str::to_owned), start, timeout: TIMEOUT };
    Consumer::open(&consumer_settings(), &options)
}

/// The values that come until nothing comes for a second after the first end of a partition.
fn drain(consumer: &mut Consumer, done: bool) -> Vec<String> {
    let mut values = Vec::new();
    let deadline = Instant::now() + TIMEOUT;
    let mut finished = false;
    loop {
        assert!(Instant::now() < deadline, "no end; {values:?}");
        match consumer.next(Duration::from_secs(1)).unwrap() {
            Some(Event::Message(message)) => {
                if done {
                    consumer.store_offset(&message).unwrap();
                }
                values.push(String::from_utf8(message.value.unwrap()).unwrap());
            }
            Some(Event::EndOfPartition { .. }) => finished = true,
            Some(_) => {}
            None if finished => return values,
            None => {}
        }
    }
}

#[test]
fn a_consumer_starts_where_it_is_told() {
    let topic = Topic::new("start", 1);
    let producer = producer(&unique("start"));
    put(&producer, &topic.0, "one");
    wait_for_clock(now() + 20);
    let now = now();
    put(&producer, &topic.0, "two");
    let mut latest = open(&[&topic.0], None, StartAt::Latest).unwrap();
    assert_eq!(latest.next(TIMEOUT).unwrap(), Some(Event::Assigned(vec![(topic.0.clone(), 0)])));
    put(&producer, &topic.0, "three");
    assert_eq!(drain(&mut latest, false), ["three"]);
    let mut timed = open(&[&topic.0], None, StartAt::Timestamp(now)).unwrap();
    assert_eq!(drain(&mut timed, false), ["two", "three"]);
    let mut future = open(&[&topic.0], None, StartAt::Timestamp(now + 3_600_000)).unwrap();
    assert!(drain(&mut future, false).is_empty());
    let lag = latest.lag().unwrap();
    assert_eq!(lag.len(), 1);
    assert_eq!(lag[0].position, Some(lag[0].end), "{lag:?}");
}

#[test]
fn a_group_resumes_at_its_committed_offset() {
    let topic = Topic::new("group", 1);
    let producer = producer(&unique("group"));
    let group = unique("group");
    put(&producer, &topic.0, "one");
    let mut first = open(&[&topic.0], Some(&group), StartAt::Earliest).unwrap();
    assert_eq!(drain(&mut first, true), ["one"]);
    drop(first);
    put(&producer, &topic.0, "two");
    let mut second = open(&[&topic.0], Some(&group), StartAt::Earliest).unwrap();
    let values = drain(&mut second, false);
    assert_eq!(values, ["two"]);
    let lag = second.lag().unwrap();
    assert!(lag[0].committed.is_some_and(|at| at < lag[0].end), "{lag:?}");
}

#[test]
fn the_end_of_each_partition_of_each_topic_is_reported() {
    let (a, b) = (Topic::new("enda", 2), Topic::new("endb", 2));
    let producer = producer(&unique("end"));
    producer.begin().unwrap();
    for topic in [&a.0, &b.0] {
        for partition in 0..2 {
            producer.send(&ProducerRecord { partition, ..message(topic, b"k", b"v") }).unwrap();
        }
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    assert_eq!(read(&[&a.0, &b.0]).len(), 4, "read() waits for each of the four ends");
}

#[test]
fn refusals_are_errors_not_silence() {
    let error = open(&[&unique("nowhere")], None, StartAt::Earliest).err().unwrap();
    assert!(matches!(error, Error::UnknownTopic { .. }), "{error}");
    // The producer may describe the topic but not read it.
    let topic = Topic::new("unreadable", 1);
    put(&producer(&unique("unreadable")), &topic.0, "v");
    let options =
        ConsumerOptions { topics: vec![topic.0.clone()], group: None, start: StartAt::Earliest, timeout: TIMEOUT };
    let error = Consumer::open(&settings(), &options).and_then(|mut c| {
        loop {
            match c.next(TIMEOUT)? {
                Some(Event::Assigned(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    let text = error.map(|(): ()| ()).unwrap_err().to_string();
    assert!(text.contains("is not authorized to read topic") && text.contains(&topic.0), "{text}");
    // Groups of the consumer begin with fink.
    let mut other = open(&[&topic.0], Some("other-group"), StartAt::Earliest).unwrap();
    let text = other.next(TIMEOUT).unwrap_err().to_string();
    assert!(text.contains("consumer group `other-group`"), "{text}");
    // A wrong password.
    let mut settings = consumer_settings();
    settings.login = Some(Login { username: "finkConsumer".into(), password: Secret::new("wrong".into()) });
    let error = Consumer::open(&settings, &options).err().unwrap();
    assert!(matches!(error, Error::AuthenticationRefused { .. }), "{error}");
}

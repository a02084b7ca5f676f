use fink::kafka::Identity;
use fink::kafka::watermarks::Watermarks;
use fink::kafka::{Admin, CommitOutcome, Error, ProducerRecord};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

fn user() -> Admin {
    Admin::open(&settings(), Identity::User, TIMEOUT).expect("user")
}

/// Waits until the watermarks are as expected: the markers of a commit are written, and records replicated, a moment later.
fn await_watermarks(admin: &Admin, topics: &[&str], expected: &[Watermarks]) {
    let found = || admin.watermarks(topics).expect("watermarks");
    wait_until(|| format!("{:#?} instead of {expected:#?}", found()), || (found() == expected).then_some(()));
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset_back() {
    let (first, second) = (Topic::new("marks", 2), Topic::new("marks", 1));
    let names = [first.0.as_str(), "fink_kafkatest_missing", second.0.as_str(), first.0.as_str()];
    let user = user();
    let producer = producer(&unique("marks"));
    producer.begin().unwrap();
    producer.send(&message(&first.0, b"k", b"a")).unwrap();
    producer.send(&message(&second.0, b"k", b"a")).unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let of = |topic: &Topic, partition, low, last_stable, high| Watermarks {
        topic: topic.0.clone(),
        partition,
        low,
        last_stable,
        high,
    };
    // A commit writes a marker behind the records.
    let settled = [of(&first, 0, 0, 2, 2), of(&first, 1, 0, 0, 0), of(&second, 0, 0, 2, 2)];
    await_watermarks(&user, &names, &settled);

    producer.begin().unwrap();
    producer.send(&ProducerRecord { partition: 1, ..message(&first.0, b"k", b"b") }).unwrap();
    let open = [of(&first, 0, 0, 2, 2), of(&first, 1, 0, 0, 1), of(&second, 0, 0, 2, 2)];
    await_watermarks(&user, &names, &open);
    assert!(producer.abort().unwrap().failures.is_empty());
    let settled = [of(&first, 0, 0, 2, 2), of(&first, 1, 0, 2, 2), of(&second, 0, 0, 2, 2)];
    await_watermarks(&user, &names, &settled);

    let places = [(second.0.clone(), 0), (first.0.clone(), 1)];
    assert_eq!(user.high_watermarks(&places), Ok(vec![2, 2]));
    assert_eq!(user.last_stable_offsets(&places), Ok(vec![2, 2]));
}

#[test]
fn offsets_of_a_missing_topic_are_refused() {
    let missing = unique("marks");
    let error = user().high_watermarks(&[(missing.clone(), 0)]).unwrap_err();
    assert!(matches!(&error, Error::UnknownTopic { topic, .. } if *topic == missing), "{error}");
}

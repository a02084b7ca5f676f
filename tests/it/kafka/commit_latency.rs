//! How long a commit takes.

use std::time::{Duration, Instant};

use fink::kafka::{CommitOutcome, ProducerRecord};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

/// 50 messages of 46 kB in each transaction.
#[test]
#[ignore = "a measurement: scripts/dev/long-test commit runs it"]
fn a_commit_takes_less_than_50_ms_at_the_median() {
    let topic = Topic::new("speed", 4);
    let producer = producer(&unique("speed"));
    let value: Vec<u8> = (0..46_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for _ in 0..60 {
        producer.begin().unwrap();
        for i in 0..50 {
            producer.send(&ProducerRecord { partition: i % 4, ..message(&topic.0, b"k", &value) }).unwrap();
        }
        let before = Instant::now();
        assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
        full.push(before.elapsed());
    }
    let all = start.elapsed();
    for _ in 0..30 {
        producer.begin().unwrap();
        producer.send(&message(&topic.0, b"k", b"small")).unwrap();
        wait_until(|| "the message is not sent".to_owned(), || (producer.in_flight() == 0).then_some(()));
        let before = Instant::now();
        assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
        empty.push(before.elapsed());
    }
    full.sort();
    empty.sort();
    println!(
        "50 x 46 kB: flush and commit {:?} at the median, {:?} at 90 %; {:.0} messages/s; commit alone {:?} at the median, {:?} at 90 %",
        full[30],
        full[54],
        3000.0 / all.as_secs_f64(),
        empty[15],
        empty[27]
    );
    assert!(empty[15] < Duration::from_millis(50), "{empty:?}");
}

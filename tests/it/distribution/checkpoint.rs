//! The checkpoint under external conditions: other writers, a deleted topic, size limits, a wrong clock.

use fink::cancel::CancellationToken;
use fink::distribution::checkpoint_state::CheckpointState;
use fink::kafka::{CommitOutcome, Producer, ProducerOptions, ProducerRecord, checkpoint};
use fink::timestamp::Timestamp;

use crate::fixture::alert_table::{SHORT_INTERVALS, Table, now, row};
use crate::fixture::cluster::{TIMEOUT, User};
use crate::fixture::proxy::Proxy;
use crate::fixture::{wait_for_clock, wait_until};

fn topic(table: &Table) -> String {
    checkpoint::topic_of(&table.fixture.name)
}

/// A producer of the service's user with a transactional id of its own.
fn producer(table: &Table, id: &str) -> Producer {
    let options =
        ProducerOptions { transactional_id: format!("{}-{id}", table.fixture.name), memory: 1 << 20, timeout: TIMEOUT };
    Producer::open(&table.fixture.cluster().kafka(User::Producer), &options, &CancellationToken::new())
        .expect("a producer")
}

fn write(producer: &Producer, topic: &str, key: &[u8], value: &[u8]) {
    let partition = checkpoint::SERVICE_PARTITION;
    let message = ProducerRecord { topic, partition, key: Some(key), value: Some(value), headers: &[], id: 0 };
    producer.send(&message).expect("a record");
}

#[test]
fn a_restart_sees_its_own_commits_behind_another_producers_open_transaction() {
    let mut table = Table::with_short_intervals("foreign");
    table.put(0..200, Some(now() - 5_000));
    let running = table.fixture.start(&["start", "distribution", "--from", "earliest"], "log");
    table.wait_for(200, &running);
    let other = producer(&table, "job-x");
    other.begin().expect("a transaction");
    write(&other, &topic(&table), b"job-x/state", b"{}");
    wait_until(|| "the record is not sent".to_owned(), || (other.in_flight() == 0).then_some(()));
    table.put(200..500, None);
    table.wait_for(500, &running);
    running.terminate();
    let again = table.fixture.start(&["start", "distribution", "--from", "earliest"], "again");
    again.wait_for("a transaction of another producer is open");
    drop(other);
    again.wait_for("distributing what is written");
    table.put(500..510, None);
    table.wait_for(510, &again);
    again.terminate();
    table.assert_published(0..510);
}

#[test]
fn a_checkpoint_that_is_deleted_ends_the_service_and_the_next_start_asks() {
    let mut table = Table::with_short_intervals("deleted");
    table.put(0..50, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(50, &running);
    let admin = table.fixture.cluster().admin();
    admin.delete_topic(&topic(&table)).expect("a checkpoint");
    let (code, log) = running.wait();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&topic(&table)), "{log}");
    table.put(50..60, None);
    let refused = table.fixture.run(&["start", "distribution", "--exit-after", "20s"]);
    refused.assert_stderr(1, &["has no checkpoint", &table.fixture.name, "--from"]);
    table.assert_published(0..50);
}

#[test]
fn many_small_rows_with_a_status_are_distributed_in_bounded_records() {
    let mut table = Table::with_columns("small", r#", "status": {"cf": "i", "col": "status", "type": "string"}"#);
    // More row keys than fit into one record of a megabyte.
    table.put(0..60_000, Some(now() - 3_600_000));
    let until = (now() - 1_800_000).to_string();
    let finished = table.fixture.ok(&["start", "distribution", "--until", &until]);
    assert!(finished.stderr.contains("finished: 60000 alerts"), "{finished:?}");
    table.assert_published(0..60_000);
}

#[test]
fn a_rejected_alert_that_fits_no_topic_stops_nothing() {
    let mut table = Table::new("tight");
    let admin = table.fixture.cluster().admin();
    let spec = fink::kafka::topics::TopicSpec {
        config: vec![("max.message.bytes".to_owned(), "150".to_owned())],
        ..fink::kafka::topics::TopicSpec::stream(1)
    };
    admin.create_topic(&format!("{}_rejected", table.fixture.name), &spec).expect("a topic");
    table.put(0..20, None);
    let mut bad = row(7, None);
    bad.cells[2].value = vec![1, 2, 3];
    table.db.put(&[bad]).expect("a row is written");
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(19, &running);
    running.wait_for("the rejected topic does not take its copy");
    let log = running.terminate();
    assert!(log.contains("row00007") && log.contains("1 rejected"), "{log}");
    assert_eq!(table.published().into_keys().collect::<Vec<i64>>(), (0..7).chain(8..20).collect::<Vec<i64>>());
}

#[test]
fn a_watermark_ahead_of_the_clock_ends_the_service_with_the_way_out() {
    let table = Table::new("ahead");
    let admin = table.fixture.cluster().admin();
    checkpoint::ensure(&admin, &topic(&table), &checkpoint::topic_spec()).expect("a checkpoint");
    let service = producer(&table, "0");
    let ahead = now() + 3_600_000;
    let (key, value) =
        CheckpointState::service("live", "latest", Timestamp::from_millis(ahead)).state_record().expect("a record");
    service.begin().expect("a transaction");
    write(&service, &topic(&table), &key, &value.expect("a value"));
    assert_eq!(service.commit(), Ok(CommitOutcome::Committed));
    drop(service);
    let finished = table.fixture.run(&["start", "distribution", "--exit-after", "20s"]);
    finished.assert_stderr(1, &["ahead of the system clock", &ahead.to_string(), "--from", "--until"]);
}

#[test]
fn now_is_the_time_of_the_command_even_if_kafka_answers_late() {
    let mut table = Table::with_short_intervals("moment");
    let servers = table.fixture.cluster().bootstrap_servers().to_owned();
    let proxy = Proxy::new(&servers);
    proxy.refuse(true);
    table.fixture.replace(&servers, &proxy.address());
    table.put(0..10, None);
    let before = now();
    wait_for_clock(before + 1);
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    // It has read the catalog and asked the science database by then.
    running.wait_for("nothing is published until it answers");
    table.put(10..30, None);
    proxy.refuse(false);
    table.wait_for(20, &running);
    running.terminate();
    table.assert_published(10..30);
}

#[test]
fn rows_stamped_ahead_are_reported() {
    let mut table = Table::with_short_intervals("future");
    table.put(0..3, None);
    // In microseconds.
    table.put(3..5, Some(now() * 1000));
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(3, &running);
    running.wait_for("2 rows are stamped ahead of now");
    assert!(running.log().contains("row0000"), "{}", running.log());
    running.terminate();
    table.assert_published(0..3);
}

#[test]
fn a_gap_is_closed_in_the_order_of_timestamps() {
    let mut table = Table::new("order");
    table.fixture.add("[distribution]", "poll = \"100ms\"\noverlap = \"1s\"\nrepair = \"60s\"\nrepair_every = \"1s\"");
    table.put(0..3, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(3, &running);
    running.terminate();
    // While it is stopped: rows whose keys ascend while their timestamps descend, three of each object.
    let last = now() + 2_500;
    wait_for_clock(last + 1);
    for number in 3..603 {
        table.put(number..number + 1, Some(last - 2 * i64::from(number)));
    }
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.put(603..620, None);
    table.wait_for(620, &running);
    running.terminate();
    table.assert_published(0..620);
    let mut newest = std::collections::HashMap::new();
    for message in table.messages(&table.fixture.name) {
        let stamp =
            message.headers.iter().find(|(name, _)| name == "fink-timestamp").and_then(|(_, value)| value.clone());
        let stamp: i64 = String::from_utf8(stamp.expect("a header")).expect("digits").parse().expect("a number");
        let before = newest.insert(message.partition, stamp).unwrap_or(stamp);
        assert!(before <= stamp, "{stamp} came after {before} in partition {}", message.partition);
    }
}

#[test]
fn large_rows_keep_within_the_memory_that_is_given() {
    let mut table = Table::with_columns("memory", r#", "stamp": {"cf": "i", "col": "stamp", "type": "binary"}"#);
    table.fixture.add("[distribution]", &format!("{SHORT_INTERVALS}\nmemory = \"32MB\""));
    table.put(0..1, None);
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(1, &running);
    let large = |number: u32| {
        let mut large = row(number, None);
        let value = vec![number as u8; 900_000];
        large.cells.push(fink::science_db::PutCell { family: "i".into(), qualifier: "stamp".into(), value });
        large
    };
    for first in (1..200).step_by(20) {
        let puts: Vec<_> = (first..200.min(first + 20)).map(large).collect();
        table.db.put(&puts).expect("rows are written");
    }
    table.wait_for(200, &running);
    let peak = running.peak_memory();
    running.terminate();
    table.assert_published(0..200);
    // The program itself, librdkafka's buffers and those of six sessions come on top of the 32 MB.
    assert!(peak < 150 << 20, "{} MB", peak >> 20);
}

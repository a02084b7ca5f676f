//! Faults that real brokers do not commit on request: librdkafka's own mock brokers, which need no cluster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fink::cancel::CancellationToken;
use fink::kafka::{Admin, CommitOutcome, Error, Identity, Producer, ProducerRecord};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka_sys::{RDKafkaApiKey as Request, RDKafkaRespErr as ErrorCode};

use crate::fixture::cluster::plaintext;
use crate::fixture::topics::{message, options};
use crate::fixture::wait_until;

const TOPIC: &str = "fink_faults";

type Mock = MockCluster<'static, DefaultProducerContext>;

fn open(token: &CancellationToken) -> (Mock, Producer) {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 2, 1).unwrap();
    let settings = plaintext(mock.bootstrap_servers());
    let producer = Producer::open(&settings, &options("fink-faults"), token).unwrap();
    (mock, producer)
}

fn send(producer: &Producer, count: usize) -> Result<(), Error> {
    (0..count).try_for_each(|id| producer.send(&ProducerRecord { id, ..message(TOPIC, b"k", b"value") }))
}

/// Sends until it is committed. After a failed message the next transaction may be aborted as well, since the numbers that the broker expects
/// have a gap; then they are counted anew.
fn commit_again(producer: &Producer, count: usize) {
    for _ in 0..2 {
        producer.begin().unwrap();
        let sent = send(producer, count);
        let outcome = if sent.is_ok() { producer.commit() } else { producer.abort().map(CommitOutcome::Aborted) };
        match outcome.unwrap() {
            CommitOutcome::Committed => return,
            CommitOutcome::Aborted(aborted) => assert!(aborted.failures.is_empty(), "{aborted:?}"),
        }
    }
    panic!("not committed")
}

#[test]
fn a_producer_is_opened_on_brokers_that_have_just_started() {
    let mock = MockCluster::new(1).unwrap();
    let unavailable = ErrorCode::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
    let loading = ErrorCode::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    let moved = ErrorCode::RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    let busy = ErrorCode::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    mock.request_errors(Request::FindCoordinator, &[unavailable, loading, unavailable]);
    mock.request_errors(Request::InitProducerId, &[loading, moved, unavailable, busy]);
    let settings = plaintext(mock.bootstrap_servers());
    Producer::open(&settings, &options("fink-faults"), &CancellationToken::new()).unwrap();
}

#[test]
fn transient_errors_are_retried() {
    let (mock, producer) = open(&CancellationToken::new());
    let coordinator = ErrorCode::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
    let busy = ErrorCode::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    let replicas = ErrorCode::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    mock.request_errors(Request::AddPartitionsToTxn, &[busy, coordinator]);
    mock.request_errors(Request::Produce, &[replicas, replicas, ErrorCode::RD_KAFKA_RESP_ERR__TRANSPORT]);
    mock.request_errors(Request::EndTxn, &[coordinator, busy, coordinator]);
    producer.begin().unwrap();
    send(&producer, 10).unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
}

#[test]
fn a_transaction_that_fails_is_aborted_and_the_next_one_works() {
    let (mock, producer) = open(&CancellationToken::new());
    mock.request_errors(Request::Produce, &[ErrorCode::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
    producer.begin().unwrap();
    send(&producer, 3).unwrap();
    let Ok(CommitOutcome::Aborted(aborted)) = producer.commit() else { panic!("not aborted") };
    assert!(aborted.failures.iter().all(|f| f.topic == TOPIC && f.is_permanent()), "{aborted:?}");
    assert!(aborted.reason.contains(TOPIC), "{aborted:?}");
    commit_again(&producer, 3);
}

#[test]
fn sending_into_a_failed_transaction_asks_for_an_abort() {
    let (mock, producer) = open(&CancellationToken::new());
    mock.request_errors(Request::Produce, &[ErrorCode::RD_KAFKA_RESP_ERR_INVALID_RECORD]);
    producer.begin().unwrap();
    let error = wait_until(|| "the failure is not reported".to_owned(), || send(&producer, 1).err());
    assert!(matches!(error, Error::MustAbort { .. }), "{error}");
    let aborted = producer.abort().unwrap();
    assert!(aborted.failures.iter().any(|f| f.id == 0), "{aborted:?}");
    commit_again(&producer, 1);
}

#[test]
fn a_refused_batch_is_sent_again_one_by_one() {
    let (mock, producer) = open(&CancellationToken::new());
    mock.request_errors(Request::Produce, &[ErrorCode::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    producer.begin().unwrap();
    send(&producer, 20).unwrap();
    let Ok(CommitOutcome::Aborted(aborted)) = producer.commit() else { panic!("not aborted") };
    assert!(aborted.failures.is_empty(), "no message is known to be too large: {aborted:?}");
    commit_again(&producer, 20);
    mock.request_errors(Request::Produce, &[ErrorCode::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    producer.begin().unwrap();
    assert!(matches!(send(&producer, 20), Err(Error::MustAbort { .. })));
    let aborted = producer.abort().unwrap();
    assert_eq!(aborted.failures.iter().map(|f| f.id).collect::<Vec<_>>(), [0]);
}

#[test]
fn every_call_reports_a_fenced_producer() {
    let (mock, producer) = open(&CancellationToken::new());
    mock.request_errors(Request::EndTxn, &[ErrorCode::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
    producer.begin().unwrap();
    send(&producer, 1).unwrap();
    assert!(matches!(producer.commit(), Err(Error::Fenced { .. })));
    assert!(matches!(send(&producer, 1), Err(Error::Fenced { .. })));
    assert!(matches!(producer.begin(), Err(Error::Fenced { .. })));
    assert!(matches!(producer.abort(), Err(Error::Fenced { .. })));
}

#[test]
fn a_commit_waits_for_brokers_that_come_back() {
    let (mock, producer) = open(&CancellationToken::new());
    producer.begin().unwrap();
    send(&producer, 10).unwrap();
    mock.broker_down(-1).unwrap();
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| producer.commit());
        let is_away = || producer.connection().status().fault().is_some().then_some(());
        wait_until(|| "the producer does not notice that the broker is away".to_owned(), is_away);
        assert!(!commit.is_finished());
        mock.broker_up(-1).unwrap();
        assert_eq!(commit.join().unwrap(), Ok(CommitOutcome::Committed));
    });
}

#[test]
fn a_commit_without_brokers_can_be_cancelled() {
    let token = CancellationToken::new();
    let (mock, producer) = open(&token);
    producer.begin().unwrap();
    send(&producer, 10).unwrap();
    mock.broker_down(-1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_away = || producer.connection().status().fault().is_some().then_some(());
            wait_until(|| "the producer does not notice that the broker is away".to_owned(), is_away);
            token.cancel();
        });
        assert!(matches!(producer.commit(), Err(Error::Cancelled(_))));
    });
    assert!(producer.connection().status().fault().is_some());
    drop(producer);
}

#[test]
fn a_request_to_a_broker_that_refuses_connections_keeps_the_backoff_between_them() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 1, 1).unwrap();
    let others = threads_of_clients();
    let admin = Admin::open(&plaintext(mock.bootstrap_servers()), Identity::User, Duration::from_secs(3)).unwrap();
    let partitions = [(TOPIC.to_owned(), 0)];
    assert_eq!(admin.high_watermarks(&partitions), Ok(vec![0]));
    let threads: Vec<_> = threads_of_clients().into_iter().filter(|thread| !others.contains(thread)).collect();
    drop(mock);
    admin.high_watermarks(&partitions).unwrap_err();
    // Each refused connection is some switches between the thread of the broker and that of the request.
    let switches = threads.iter().filter_map(|thread| switches(thread)).max();
    assert!(switches.is_some_and(|switches| switches < 20_000), "{switches:?} in 3 s");
}

/// The threads of librdkafka's clients in this process, by their folder in /proc.
fn threads_of_clients() -> Vec<PathBuf> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let is_of_client =
        |thread: &PathBuf| std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == "rdk:main");
    threads.filter(is_of_client).collect()
}

/// How often a thread has waited for something; `None`: it has ended.
fn switches(thread: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(thread.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
}

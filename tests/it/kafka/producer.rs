use std::time::{Duration, Instant};

use fink::cancel::CancellationToken;
use fink::config::{Login, Secret, SecurityProtocol};
use fink::kafka::{Cause, CommitOutcome, Error, Producer, ProducerOptions, ProducerRecord, SaslMechanism, partition};

use crate::fixture::topics::*;
use crate::fixture::wait_until;

/// Commits a message after a transaction that was aborted with messages in flight: one more may be aborted, without failures.
fn commit_after_abort(producer: &Producer, message: &ProducerRecord<'_>) {
    for _ in 0..2 {
        producer.begin().unwrap();
        let sent = producer.send(message);
        let outcome = if sent.is_ok() { producer.commit() } else { producer.abort().map(CommitOutcome::Aborted) };
        match outcome.unwrap() {
            CommitOutcome::Committed => return,
            CommitOutcome::Aborted(aborted) => assert!(aborted.failures.is_empty(), "{aborted:?}"),
        }
    }
    panic!("not committed")
}

#[test]
fn only_committed_transactions_are_seen() {
    let topic = Topic::new("commit", 1);
    let producer = producer(&unique("commit"));
    for (value, commits) in [("a", true), ("b", false), ("c", true)] {
        producer.begin().unwrap();
        producer.send(&message(&topic.0, b"k", value.as_bytes())).unwrap();
        if commits {
            assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
        } else {
            let aborted = producer.abort().unwrap();
            assert!(aborted.failures.is_empty());
        }
    }
    producer.begin().unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed), "an empty transaction");
    assert_eq!(producer.in_flight(), 0);
    assert_eq!(values(&topic.0), ["a", "c"]);
}

#[test]
fn an_abort_drops_the_messages_in_flight() {
    let topic = Topic::new("abort", 4);
    let producer = producer(&unique("abort"));
    let value = vec![7_u8; 50_000];
    producer.begin().unwrap();
    for i in 0..500 {
        producer.send(&ProducerRecord { partition: i % 4, ..message(&topic.0, b"k", &value) }).unwrap();
    }
    producer.abort().unwrap();
    assert_eq!(producer.in_flight(), 0);
    commit_after_abort(&producer, &message(&topic.0, b"k", b"after"));
    assert_eq!(values(&topic.0), ["after"]);
}

#[test]
fn keys_headers_partitions_and_nulls_arrive_as_sent() {
    let topic = Topic::new("fields", 3);
    let producer = producer(&unique("fields"));
    producer.begin().unwrap();
    let headers: [(&str, &[u8]); 2] = [("schema", b"12"), ("empty", b"")];
    producer
        .send(&ProducerRecord {
            topic: &topic.0,
            partition: 2,
            key: Some(b"k"),
            value: Some(b""),
            headers: &headers,
            id: 1,
        })
        .unwrap();
    producer
        .send(&ProducerRecord { topic: &topic.0, partition: 2, key: None, value: None, headers: &[], id: 2 })
        .unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let read = read(&[&topic.0]);
    assert_eq!(read.len(), 2);
    assert_eq!(
        (read[0].partition, read[0].key.as_deref(), read[0].value.as_deref()),
        (2, Some(&b"k"[..]), Some(&b""[..]))
    );
    let expected = [("schema".to_owned(), Some(b"12".to_vec())), ("empty".to_owned(), Some(Vec::new()))];
    assert_eq!(read[0].headers, expected);
    assert!(read[0].timestamp.is_some());
    assert_eq!((read[1].key.as_deref(), read[1].value.as_deref()), (None, None));
}

#[test]
fn an_objects_messages_stay_in_one_partition() {
    let topic = Topic::new("partition", 4);
    let producer = producer(&unique("partition"));
    assert_eq!(producer.partitions(&topic.0, TIMEOUT), Ok(Some(4)));
    assert_eq!(producer.partitions(&unique("nowhere"), TIMEOUT), Ok(None));
    producer.begin().unwrap();
    for i in 0..40_u8 {
        let object = format!("ZTF18object{}", i % 10);
        let partition = partition::of_object(object.as_bytes(), 4);
        producer.send(&ProducerRecord { partition, ..message(&topic.0, b"the same", object.as_bytes()) }).unwrap();
    }
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    let mut seen = std::collections::BTreeMap::new();
    for m in read(&[&topic.0]) {
        assert_eq!(*seen.entry(m.value).or_insert(m.partition), m.partition);
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.values().collect::<std::collections::BTreeSet<_>>().len() > 1);
}

#[test]
fn a_second_producer_fences_the_first_and_hides_what_it_left() {
    let topic = Topic::new("fence", 1);
    let id = unique("fence");
    let old = producer(&id);
    old.begin().unwrap();
    old.send(&message(&topic.0, b"k", b"old")).unwrap();
    wait_until(|| "the message is not sent".to_owned(), || (old.in_flight() == 0).then_some(()));
    let new = producer(&id);
    let error = old.commit().unwrap_err();
    assert_eq!(error, Error::Fenced { transactional_id: id.clone() });
    assert!(!error.is_transient() && !error.requires_reopening());
    assert!(matches!(old.begin(), Err(Error::Fenced { .. })));
    new.begin().unwrap();
    new.send(&message(&topic.0, b"k", b"new")).unwrap();
    assert_eq!(new.commit(), Ok(CommitOutcome::Committed));
    assert_eq!(values(&topic.0), ["new"]);
}

#[test]
fn a_transaction_open_for_too_long_asks_for_a_new_producer() {
    let topic = Topic::new("expire", 1);
    let id = unique("expire");
    let settings = with_option(settings(), "transaction.timeout.ms", "2000");
    let producer = Producer::open(&settings, &options(&id), &CancellationToken::new()).unwrap();
    producer.begin().unwrap();
    producer.send(&message(&topic.0, b"k", b"late")).unwrap();
    // The broker aborts it, which writes a marker behind the message. Brokers look for expired transactions every 10 s by default.
    let admin = admin();
    let is_aborted = || (admin.watermarks(&[&topic.0]).expect("watermarks")[0].last_stable == 2).then_some(());
    wait_until(|| "the transaction does not expire".to_owned(), is_aborted);
    match producer.commit() {
        Err(error) => assert!(error.requires_reopening(), "{error}"),
        Ok(outcome) => assert!(matches!(outcome, CommitOutcome::Aborted(_)), "{outcome:?}"),
    }
    drop(producer);
    let again = Producer::open(&settings, &options(&id), &CancellationToken::new()).unwrap();
    again.begin().unwrap();
    again.send(&message(&topic.0, b"k", b"again")).unwrap();
    assert_eq!(again.commit(), Ok(CommitOutcome::Committed));
    assert_eq!(values(&topic.0), ["again"]);
}

#[test]
fn a_wrong_password_is_final() {
    let mut settings = settings();
    settings.login = Some(Login { username: "finkProducer".into(), password: Secret::new("not the one".into()) });
    let error = Producer::open(&settings, &options(&unique("password")), &CancellationToken::new()).err().unwrap();
    assert!(matches!(error, Error::AuthenticationRefused { .. }), "{error}");
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.contains("`finkProducer`") && !text.contains("not the one"), "{text}");
}

#[test]
fn unreachable_brokers_are_named_and_waiting_can_be_cancelled() {
    let mut settings = settings();
    settings.bootstrap_servers = "127.0.0.1:1".to_owned();
    let short = ProducerOptions { timeout: Duration::from_secs(1), ..options("fink-x") };
    let error = Producer::open(&settings, &short, &CancellationToken::new()).err().unwrap();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");

    let token = CancellationToken::new().child_with_deadline(Some(Instant::now() + Duration::from_millis(300)));
    let error = Producer::open(&settings, &options("fink-x"), &token).err().unwrap();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
}

#[test]
fn a_wrong_protocol_or_certificate_is_reported() {
    let open = |settings: &fink::config::KafkaSettings| {
        let short = ProducerOptions { timeout: Duration::from_secs(2), ..options("fink-x") };
        Producer::open(settings, &short, &CancellationToken::new()).err().unwrap()
    };
    let mut settings = settings();
    settings.security_protocol = SecurityProtocol::SaslSsl;
    let error = open(&settings);
    assert!(
        matches!(error, Error::ConfigurationMismatch { .. }) && error.to_string().contains("does not support TLS"),
        "{error}"
    );
    settings.ssl_ca = Some("/nowhere/ca.pem".into());
    let error = open(&settings);
    assert!(matches!(error, Error::Settings(_)) && error.to_string().contains("kafka.ssl_ca: cannot read"), "{error}");
    settings.security_protocol = SecurityProtocol::Plaintext;
    let error = open(&settings);
    assert!(
        matches!(error, Error::ConfigurationMismatch { .. }) && error.to_string().contains("requires a login"),
        "{error}"
    );
    settings.security_protocol = SecurityProtocol::SaslPlaintext;
    settings.sasl_mechanism = SaslMechanism::Plain;
    let error = open(&settings);
    assert!(!matches!(error, Error::TimedOut { .. }) && error.to_string().contains("PLAIN"), "{error}");
}

#[test]
fn a_missing_acl_is_reported_with_user_and_resource() {
    let topic = Topic::new("rights", 1);
    // The consumer may use neither this transactional id nor write anywhere.
    let error =
        Producer::open(&consumer_settings(), &options(&unique("rights")), &CancellationToken::new()).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::NotAuthorized { .. }), "{text}");
    assert!(text.contains("`finkConsumer`") && text.contains("transactional id `fink_kafkatest_rights"), "{text}");
    // The producer may write to topics whose names begin with fink_ only.
    let forbidden = Topic::named(unique("rights").replacen("fink_", "other_", 1));
    admin().create_topic(&forbidden.0, &fink::kafka::topics::TopicSpec::stream(1)).unwrap();
    let producer = producer(&unique("rights"));
    producer.begin().unwrap();
    producer.send(&message(&topic.0, b"k", b"v")).unwrap();
    let sent = producer.send(&message(&forbidden.0, b"k", b"v"));
    let error = sent.err().unwrap_or_else(|| producer.commit().unwrap_err());
    let text = error.to_string();
    assert!(matches!(error, Error::NotAuthorized { .. }), "{text}");
    assert!(text.contains("`finkProducer`") && text.contains(&format!("topic `{}`", forbidden.0)), "{text}");
    assert!(values(&topic.0).is_empty());
}

#[test]
fn an_unknown_topic_or_partition_is_named() {
    let name = unique("unknown");
    let producer = producer(&unique("unknown"));
    producer.begin().unwrap();
    let sent = producer.send(&message(&name, b"k", b"v"));
    let error = sent.err().unwrap_or_else(|| producer.commit().unwrap_err());
    assert!(error.to_string().contains(&format!("fink kafka create-topic {name}")), "{error}");
    assert_eq!(admin().partitions(&name), Ok(None), "it was not created behind our back");
}

#[test]
fn a_message_above_the_brokers_limit_is_told_apart_from_its_neighbours() {
    let topic = Topic::new("large", 1);
    let producer = producer(&unique("large"));
    let (small, large) = (vec![1_u8; 50_000], vec![2_u8; 1_500_000]);
    producer.begin().unwrap();
    for id in 0..30 {
        let value = if id == 17 { &large } else { &small };
        producer.send(&ProducerRecord { id, ..message(&topic.0, b"k", value) }).unwrap();
    }
    let Ok(CommitOutcome::Aborted(aborted)) = producer.commit() else { panic!("not aborted") };
    assert_eq!(aborted.failures.len(), 1, "{aborted:?}");
    let failure = &aborted.failures[0];
    assert_eq!((failure.id, failure.topic.as_str(), &failure.cause), (17, topic.0.as_str(), &Cause::TooLarge));
    assert!(failure.is_permanent());
    assert!(values(&topic.0).is_empty());
    commit_after_abort(&producer, &message(&topic.0, b"k", &small));
}

#[test]
fn where_a_topic_takes_little_its_neighbours_pass_one_by_one() {
    let topic = Topic::with("little", 1, &[("max.message.bytes", "100000")]);
    let producer = producer(&unique("little"));
    let sizes = [60_000, 150_000, 60_000, 200_000, 90_000];
    let mut sent = Vec::new();
    for _ in 0..5 {
        producer.begin().unwrap();
        sent.clear();
        let mut rejected = std::collections::BTreeSet::new();
        for (id, size) in sizes.iter().enumerate() {
            let value = vec![0_u8; *size];
            match producer.send(&ProducerRecord { id, ..message(&topic.0, b"k", &value) }) {
                Ok(()) => sent.push(*size),
                Err(Error::TooLarge { bytes, .. }) => {
                    assert_eq!(bytes, size + 1);
                    rejected.insert(*size);
                }
                Err(Error::MustAbort { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        match producer.commit().unwrap() {
            CommitOutcome::Committed => {
                assert_eq!(rejected.into_iter().collect::<Vec<_>>(), [150_000, 200_000]);
                break;
            }
            CommitOutcome::Aborted(aborted) => {
                assert!(aborted.failures.iter().all(|f| f.bytes > 100_000), "{aborted:?}");
            }
        }
    }
    let seen: Vec<usize> = read(&[&topic.0]).into_iter().map(|m| m.value.unwrap_or_default().len()).collect();
    assert_eq!(seen, [60_000, 60_000, 90_000]);
}

#[test]
fn the_memory_is_bounded_while_many_threads_send() {
    let topic = Topic::new("memory", 4);
    let options = ProducerOptions { memory: 1 << 20, ..options(&unique("memory")) };
    let producer = Producer::open(&settings(), &options, &CancellationToken::new()).unwrap();
    producer.begin().unwrap();
    let value = vec![3_u8; 50_000];
    let most = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for partition in 0..4 {
            let (producer, topic, value, most) = (&producer, &topic.0, &value, &most);
            scope.spawn(move || {
                for _ in 0..50 {
                    producer.send(&ProducerRecord { partition, ..message(topic, b"k", value) }).unwrap();
                    most.fetch_max(producer.in_flight(), std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    let huge = vec![4_u8; 1_040_000];
    producer.send(&message(&topic.0, b"k", &huge)).unwrap();
    assert_eq!(producer.commit(), Ok(CommitOutcome::Committed));
    // Each of the four may have looked at the same time.
    assert!(most.into_inner() <= (1 << 20) + 3 * 51_000);
    assert_eq!(read(&[&topic.0]).len(), 201);
}

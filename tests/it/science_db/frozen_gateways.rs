//! Gateways that accept connections and answer late or never.

use std::time::Duration;

use fink::cancel::CancellationToken;
use fink::config::StoreKind;
use fink::row::Rows;
use fink::science_db::{ScienceDb, ScienceDbError, Sessions, Timeouts};

use super::faults::{TABLE, columns, never, proxies, put, scan, settings};
use super::log_capture;
use super::stores;
use crate::fixture::cluster::Cluster;
use crate::fixture::proxy::Proxy;

fn sessions(proxies: &[&Proxy], timeouts: Timeouts) -> Sessions {
    log_capture::start();
    let addresses: Vec<String> = proxies.iter().map(|proxy| proxy.address()).collect();
    Sessions::new(&settings(StoreKind::Thrift2, &addresses), TABLE, timeouts)
}

fn thrift1() -> (Proxy, Sessions) {
    log_capture::start();
    let _table = stores::thrift1();
    let proxy = Proxy::new(&Cluster::get().thrift1()[0]);
    let settings = settings(StoreKind::Thrift1, &[proxy.address()]);
    (proxy, Sessions::new(&settings, "default:db_test_1", Timeouts::default()))
}

/// Cancels `work` while it waits; nothing else ends it.
pub fn assert_cancelled<T>(token: &CancellationToken, work: impl FnOnce() -> Result<T, ScienceDbError>) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Time for the work to begin.
            std::thread::sleep(Duration::from_millis(300));
            token.cancel();
        });
        let outcome = work();
        assert!(matches!(outcome, Err(ScienceDbError::Cancelled { .. })), "{:?}", outcome.err());
    });
}

#[test]
fn frozen_gateway_is_left_for_the_other_by_all_sessions_and_used_again_when_it_answers() {
    let store = stores::thrift2();
    store.open().put(&[put(&store, "row", Some(1), b"x".to_vec())]).expect("a put");
    let [one, other] = proxies();
    let sessions = sessions(&[&one, &other], Timeouts::default());
    let mut db = sessions.open(&never()).expect("a session with the first gateway");
    let mut second = sessions.open(&never()).expect("a session with the second gateway");
    let mut third = sessions.open(&never()).expect("a session with the first gateway");
    one.freeze(true);
    assert_eq!(scan(&mut *db, &store, 5).len(), 1);
    let failures = || log_capture::lines(&["WARN", &one.address(), "failed", "requests go to the other gateways"]);
    assert_eq!(failures().len(), 1, "{:?}", failures());

    assert_eq!(scan(&mut *second, &store, 5).len(), 1);
    third.put(&[put(&store, "other", Some(1), b"x".to_vec())]).expect("a put through the second gateway");
    let mut rows = Rows::default();
    third.get(&[b"nothing"], &columns(), &mut rows).expect("a get");
    let _ = third.key_ranges().expect("key ranges");
    let mut late = sessions.open(&never()).and_then(|_| sessions.open(&never())).expect("a session");
    assert_eq!(scan(&mut *late, &store, 5).len(), 2);
    assert_eq!(failures().len(), 1, "the other sessions do not ask it: {:?}", failures());

    one.freeze(false);
    log_capture::work_until(&[&one.address(), "answers again"], || {
        assert_eq!(scan(&mut *db, &store, 5).len(), 2);
    });
    assert_eq!(scan(&mut *db, &store, 5).len(), 2);
    other.freeze(true);
    let requests = other.requests();
    assert_eq!(scan(&mut *db, &store, 5).len(), 2);
    assert_eq!(other.requests(), requests, "it is back at its own gateway");
}

#[test]
fn frozen_gateway_is_left_at_once_where_the_other_comes_back() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let sessions = sessions(&[&one, &other], Timeouts::default());
    let mut db = sessions.open(&never()).expect("a session");
    one.freeze(true);
    other.freeze(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            log_capture::work_until(&[&other.address(), "no other gateway is available"], || {});
            other.freeze(false);
        });
        assert!(scan(&mut *db, &store, 5).is_empty());
    });
}

#[test]
fn single_gateway_that_answers_late_is_waited_for() {
    let [one, _] = proxies();
    let mut db = sessions(&[&one], Timeouts::default()).open(&never()).expect("a session");
    one.delay(Duration::from_secs(11));
    let _ = db.key_ranges().expect("key ranges in the end");
    let address = one.address();
    assert_eq!(log_capture::lines(&["WARN", &address, "has not answered for 10 s; still waiting"]).len(), 1);
    assert_eq!(log_capture::lines(&["INFO", &address, "has answered after 1"]).len(), 1);
}

#[test]
fn slow_answer_of_a_gateway_that_takes_new_connections_is_waited_for() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let timeouts = Timeouts { probe_after: Duration::from_millis(200), ..Timeouts::default() };
    let mut db = sessions(&[&one, &other], timeouts).open(&never()).expect("a session");
    one.delay(Duration::from_secs(6));
    assert!(scan(&mut *db, &store, 5).is_empty());
    assert!(one.accepted() > 1, "it was probed");
    assert_eq!(other.accepted(), 0);
}

#[test]
fn answer_of_the_other_gateway_ends_a_silence_that_was_logged() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let timeouts = Timeouts { read: Duration::from_secs(12), ..Timeouts::default() };
    let mut db = sessions(&[&one, &other], timeouts).open(&never()).expect("a session");
    // It takes new connections, and so is not given up before the call times out.
    one.delay(Duration::from_secs(60));
    assert!(scan(&mut *db, &store, 5).is_empty());
    assert_eq!(log_capture::lines(&["WARN", &one.address(), "has not answered for 10 s; still waiting"]).len(), 1);
    assert_eq!(log_capture::lines(&["INFO", &other.address(), "has answered instead, after 12."]).len(), 1);
}

#[test]
fn call_that_times_out_is_done_by_the_other_gateway() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let timeouts = Timeouts { read: Duration::from_millis(500), ..Timeouts::default() };
    let mut db = sessions(&[&one, &other], timeouts).open(&never()).expect("a session");
    one.delay(Duration::from_secs(60));
    assert!(scan(&mut *db, &store, 5).is_empty());
    let (first, next) = (one.address(), format!("trying {}", other.address()));
    assert_eq!(log_capture::lines(&["WARN", &first, "no answer", &next]).len(), 1);
}

#[test]
fn write_without_a_timestamp_that_is_not_answered_is_not_repeated() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let timeouts = Timeouts { scan: Duration::from_millis(500), ..Timeouts::default() };
    let mut db = sessions(&[&one, &other], timeouts).open(&never()).expect("a session");
    one.freeze(true);
    let error = db.put(&[put(&store, "once", None, b"x".to_vec())]).expect_err("no answer");
    assert!(error.is_transient() && error.to_string().contains("may have been done"), "{error}");
    assert_eq!(other.accepted(), 0);
}

#[test]
fn blocked_calls_end_soon_after_they_are_cancelled() {
    let store = stores::thrift2();
    let [one, other] = proxies();
    let sessions = sessions(&[&one, &other], Timeouts::default());
    let large = put(&store, "large", Some(1), vec![0; 64 << 20]);
    for work in [
        |db: &mut dyn ScienceDb, _: &[_]| db.key_ranges().map(drop),
        |db: &mut dyn ScienceDb, _: &[_]| db.get(&[b"row"], &columns(), &mut Rows::default()),
        // More than the buffers of the connection take.
        |db: &mut dyn ScienceDb, puts: &[_]| db.put(puts),
    ] {
        let token = CancellationToken::new();
        let mut db = sessions.open(&token).expect("a session");
        one.freeze(true);
        other.freeze(true);
        assert_cancelled(&token, || work(&mut *db, std::slice::from_ref(&large)));
        let token = CancellationToken::new();
        assert_cancelled(&token, || sessions.open(&token));
        one.freeze(false);
        other.freeze(false);
        let _ = db.key_ranges().expect_err("the session's token stays cancelled");
    }
}

#[test]
fn sessions_can_be_opened_after_one_was_cancelled() {
    let [one, _] = proxies();
    let token = CancellationToken::new();
    let sessions = sessions(&[&one], Timeouts::default());
    let mut db = sessions.open(&token).expect("a session");
    one.freeze(true);
    assert_cancelled(&token, || db.key_ranges());
    one.freeze(false);
    let _ = sessions.open(&never()).and_then(|mut db| db.key_ranges()).expect("key ranges in a new session");
}

#[test]
fn address_that_swallows_connections_does_not_hold_up_a_cancelled_session() {
    // Reserved for documentation: no host answers there, or the network reports at once that there is no route.
    let token = CancellationToken::new();
    let dead = settings(StoreKind::Thrift2, &[String::from("192.0.2.1:9090")]);
    let sessions = Sessions::new(&dead, TABLE, Timeouts::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            token.cancel();
        });
        let Err(_) = sessions.open(&token) else { panic!("a host was reached") };
    });
}

#[test]
fn thrift_1_session_is_cancelled_and_waits_as_well() {
    let (proxy, sessions) = thrift1();
    let token = CancellationToken::new();
    let mut db = sessions.open(&token).expect("a session");
    proxy.delay(Duration::from_secs(4));
    let _ = db.key_ranges().expect("key ranges in the end");
    proxy.freeze(true);
    assert_cancelled(&token, || db.get(&[b"row"], &columns(), &mut Rows::default()));
}

#[test]
fn frozen_thrift_1_gateway_is_left_for_the_other() {
    log_capture::start();
    let _table = stores::thrift1();
    let target = &Cluster::get().thrift1()[0];
    let (one, other) = (Proxy::new(target), Proxy::new(target));
    let settings = settings(StoreKind::Thrift1, &[one.address(), other.address()]);
    let sessions = Sessions::new(&settings, "default:db_test_1", Timeouts::default());
    let mut db = sessions.open(&never()).expect("a session");
    one.freeze(true);
    let _ = db.key_ranges().expect("key ranges from the other");
}

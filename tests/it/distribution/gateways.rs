//! Gateways that freeze under a running service.

use std::time::{Duration, Instant};

use crate::fixture::Running;
use crate::fixture::alert_table::Table;
use crate::fixture::proxy::Proxy;

const SHORT_INTERVALS: &str = "poll = \"100ms\"\noverlap = \"1s\"\nrepair = \"30s\"\nrepair_every = \"1s\"";

/// A table, and two proxies that the service takes for two gateways.
fn behind_proxies(what: &str) -> (Table, [Proxy; 2]) {
    let mut table = Table::new(what);
    let addresses = table.fixture.cluster.as_ref().expect("a cluster").value("FINK_TEST_THRIFT2").to_owned();
    // Both before the last gateway: another test restarts the first one.
    let target = addresses.split(',').next_back().expect("a gateway");
    let proxies = [Proxy::new(target), Proxy::new(target)];
    table.fixture.replace(&addresses, &format!("{},{}", proxies[0].address(), proxies[1].address()));
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    (table, proxies)
}

fn wait_for(table: &Table, running: &Running, count: usize, within: Duration) {
    let began = Instant::now();
    while table.published().len() < count {
        assert!(
            began.elapsed() < within,
            "{} of {count} within {within:?}: {}",
            table.published().len(),
            running.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// SIGTERM ends it with exit code 0, soon.
fn terminate(running: Running) {
    let began = Instant::now();
    assert_eq!(running.terminate(), 0);
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?} to stop", began.elapsed());
}

#[test]
fn alerts_go_on_and_a_stop_is_quick_while_one_of_two_gateways_is_frozen() {
    let (mut table, [frozen, _good]) = behind_proxies("frozen");
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written", Duration::from_secs(30));
    table.put(0..20, None);
    wait_for(&table, &running, 20, Duration::from_secs(30));
    frozen.freeze(true);
    let told = format!("the gateway at {} failed", frozen.address());
    let (began, mut next) = (Instant::now(), 20_u32);
    // Some of the sessions do not use it and see nothing.
    while !running.log().contains(&told) {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", running.log());
        table.put(next..next + 20, None);
        next += 20;
        wait_for(&table, &running, next as usize, Duration::from_secs(15));
    }
    table.put(next..next + 20, None);
    next += 20;
    wait_for(&table, &running, next as usize, Duration::from_secs(5));
    let log = running.log();
    assert_eq!(log.matches(&told).count(), 1, "{log}");

    frozen.freeze(false);
    running.wait_for(&format!("the gateway at {} answers again", frozen.address()), Duration::from_secs(45));
    // In the middle of the looks that go through it.
    frozen.freeze(true);
    std::thread::sleep(Duration::from_secs(1));
    terminate(running);
    table.assert_published(0..next);
}

#[test]
fn a_stop_is_quick_while_all_gateways_are_frozen() {
    let (mut table, proxies) = behind_proxies("allfrozen");
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written", Duration::from_secs(30));
    table.put(0..20, None);
    wait_for(&table, &running, 20, Duration::from_secs(30));
    proxies.iter().for_each(|proxy| proxy.freeze(true));
    running.wait_for("no other gateway is available", Duration::from_secs(20));
    running.wait_for("; still waiting", Duration::from_secs(20));
    terminate(running);
}

#[test]
fn a_stop_is_quick_before_any_gateway_has_answered() {
    let (table, proxies) = behind_proxies("neveranswered");
    proxies.iter().for_each(|proxy| proxy.freeze(true));
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("no other gateway is available", Duration::from_secs(20));
    terminate(running);
}

//! Gateways that freeze under a running service.

use crate::fixture::alert_table::{SHORT_INTERVALS, Table};
use crate::fixture::proxy::Proxy;
use crate::fixture::{Running, wait_until};

/// A table, and two proxies that the service takes for two gateways.
fn behind_proxies(what: &str) -> (Table, [Proxy; 2]) {
    let mut table = Table::new(what);
    table.fixture.use_gateways();
    let addresses = table.fixture.cluster().value("FINK_TEST_THRIFT2").to_owned();
    // Both before one gateway.
    let target = addresses.split(',').next_back().expect("a gateway");
    let proxies = [Proxy::new(target), Proxy::new(target)];
    table.fixture.replace(&addresses, &format!("{},{}", proxies[0].address(), proxies[1].address()));
    table.fixture.add("[distribution]", SHORT_INTERVALS);
    (table, proxies)
}

/// SIGTERM ends it with exit code 0 while gateways are frozen: it does not wait for their answers, which never come.
fn terminate(running: Running) {
    let timeouts = running.log().matches("no answer for").count();
    let log = running.terminate();
    assert_eq!(log.matches("no answer for").count(), timeouts, "it waited until a call timed out: {log}");
}

#[test]
fn alerts_go_on_and_a_stop_is_quick_while_one_of_two_gateways_is_frozen() {
    let (mut table, [frozen, _good]) = behind_proxies("frozen");
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written");
    table.put(0..20, None);
    table.wait_for(20, &running);
    frozen.freeze(true);
    let told = format!("gateway {} failed", frozen.address());
    let mut next = 20_u32;
    // Some of the sessions do not use it and see nothing.
    while !running.log().contains(&told) {
        assert!(next < 2_000, "the frozen gateway is not noticed: {}", running.log());
        table.put(next..next + 20, None);
        next += 20;
        table.wait_for(next as usize, &running);
    }
    table.put(next..next + 20, None);
    next += 20;
    table.wait_for(next as usize, &running);
    let log = running.log();
    assert_eq!(log.matches(&told).count(), 1, "{log}");

    frozen.freeze(false);
    running.wait_for(&format!("gateway {} answers again", frozen.address()));
    // A session that goes through it is in the middle of a scan before long.
    let before = frozen.requests();
    frozen.freeze(true);
    wait_until(|| "no request reaches the frozen gateway".to_owned(), || (frozen.requests() > before).then_some(()));
    terminate(running);
    table.assert_published(0..next);
}

#[test]
fn a_stop_is_quick_while_all_gateways_are_frozen() {
    let (mut table, proxies) = behind_proxies("allfrozen");
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written");
    table.put(0..20, None);
    table.wait_for(20, &running);
    proxies.iter().for_each(|proxy| proxy.freeze(true));
    running.wait_for("no other gateway is available");
    running.wait_for("; still waiting");
    terminate(running);
}

#[test]
fn a_stop_is_quick_before_any_gateway_has_answered() {
    let (table, proxies) = behind_proxies("neveranswered");
    proxies.iter().for_each(|proxy| proxy.freeze(true));
    let running = table.fixture.start(&["start", "distribution"], "log");
    running.wait_for("no other gateway is available");
    terminate(running);
}

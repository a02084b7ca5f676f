//! Each alert once, whatever is killed.
//!
//! The test of the suite is short; FINK_CHAOS_ALERTS, FINK_CHAOS_KILLS and FINK_CHAOS_RESTARTS make it as long as one likes
//! (`scripts/chaos` runs it at full length).

use std::time::Duration;

use rand::{RngExt, SeedableRng};

use crate::table::{Table, now};

fn setting(name: &str, short: u32) -> u32 {
    std::env::var(name).map_or(short, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn killed_again_and_again_it_publishes_each_alert_once() {
    let alerts = setting("FINK_CHAOS_ALERTS", 4_000);
    let kills = setting("FINK_CHAOS_KILLS", 5);
    let restarts = setting("FINK_CHAOS_RESTARTS", 1);
    let mut table = Table::new("chaos");
    table.scene.add("[distribution]", "poll = \"100ms\"\noverlap = \"2s\"\nrepair = \"6m\"\nrepair_every = \"2s\"");
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(u64::from(std::process::id()));
    // A third is there before the start; the rest comes while it runs, some of it stamped up to 5 minutes back.
    let first = alerts / 3;
    table.put(0..first, Some(now() - 3_600_000));
    let mut next = first;
    let step = (alerts - first) / (kills + 1) + 1;
    for kill in 0..kills {
        let running = table.scene.start(&["start", "distribution", "--from", "earliest"], "log");
        let until = (next + step).min(alerts);
        let late = next + (until - next) / 2;
        table.put(next..late, None);
        for number in late..until {
            table.put(number..number + 1, Some(now() - dice.random_range(1_000..300_000)));
        }
        next = until;
        std::thread::sleep(Duration::from_millis(dice.random_range(0..2_500)));
        running.kill();
        if kill < restarts {
            let gateway = format!("thrift2-{}", kill % 2 + 1);
            table.scene.cluster.as_ref().expect("a cluster").command(&["restart", &gateway]);
        }
    }
    let running = table.scene.start(&["start", "distribution", "--from", "earliest"], "log");
    table.put(next..alerts, None);
    let began = std::time::Instant::now();
    while table.published().len() < alerts as usize && began.elapsed() < Duration::from_secs(180) {
        std::thread::sleep(Duration::from_secs(1));
    }
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(running.terminate(), 0);
    table.assert_published(0..alerts);
}

//! Bounded jobs: a window of the past, with a separate checkpoint.

use crate::fixture::alert_table::{Table, now};
use crate::fixture::cluster::python;

#[test]
fn a_job_publishes_its_window_once_and_leaves_the_live_checkpoint_alone() {
    let mut table = Table::new("job");
    table.fixture.add("[distribution]", "poll = \"100ms\"");
    let past = now() - 3_600_000;
    table.put(0..10, Some(past - 1));
    table.put(10..700, Some(past));
    table.put(700..710, Some(past + 1_000));
    let running = table.fixture.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written");
    let (from, until) = (past.to_string(), (past + 1_000).to_string());
    let job = ["start", "distribution", "--from", &from, "--until", &until];
    let finished = table.fixture.ok(&job);
    assert!(finished.stderr.contains("690 alerts"), "{finished:?}");
    table.put(900..903, None);
    table.wait_for(693, &running);
    running.terminate();
    let published: Vec<i64> =
        table.published().into_iter().filter(|(_, count)| *count == 1).map(|(id, _)| id).collect();
    assert_eq!(published, (10..700).chain(900..903).collect::<Vec<i64>>());

    let again = table.fixture.ok(&job);
    assert!(again.stderr.contains("finished: 0 alerts"), "{again:?}");
    assert_eq!(table.published().values().sum::<u32>(), 693);
}

#[test]
fn a_killed_job_resumes() {
    const ALERTS: u32 = 4_000;
    let mut table = Table::new("resume");
    // Slow enough for several commits, however fast the machine is: 2 ms an alert.
    let filter = "import time\ndef slowly(candid):\n    time.sleep(0.004 * len(candid))\n    return candid >= 0\n";
    std::fs::write(table.fixture.path("pace.py"), filter).expect("the fixture's folder");
    let python = python();
    table.fixture.config.push_str("filters = [\"pace:slowly\"]\n[filters]\npath = [\".\"]\nworkers = 2\nbatch = 100\n");
    table.fixture.config.push_str(&format!("python = \"{python}\"\n"));
    let past = now() - 3_600_000;
    table.put(0..ALERTS, Some(past));
    let until = (past + 1).to_string();
    let job = ["start", "distribution", "--until", &until];
    let mut before = 0;
    for _ in 0..2 {
        let running = table.fixture.start(&job, "log");
        table.wait_for(before + 1, &running);
        running.kill();
        before = table.published().len();
        assert!(before < ALERTS as usize, "the job had ended before it was killed");
    }
    table.fixture.ok(&job);
    table.assert_published(0..ALERTS);
}

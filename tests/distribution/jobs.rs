//! Bounded jobs: a stretch of the past, with a checkpoint of their own.

use std::time::Duration;

use crate::table::{Table, now};

#[test]
fn a_job_publishes_its_window_once_and_leaves_the_live_checkpoint_alone() {
    let mut table = Table::new("job");
    table.scene.add("[distribution]", "poll = \"100ms\"");
    let past = now() - 3_600_000;
    table.put(0..10, Some(past - 1));
    table.put(10..700, Some(past));
    table.put(700..710, Some(past + 1_000));
    let running = table.scene.start(&["start", "distribution", "--from", "now"], "log");
    running.wait_for("distributing what is written", Duration::from_secs(30));
    let (from, until) = (past.to_string(), (past + 1_000).to_string());
    let job = ["start", "distribution", "--from", &from, "--until", &until];
    let ended = table.scene.ok(&job);
    assert!(ended.stderr.contains("690 alerts"), "{ended:?}");
    table.put(900..903, None);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(running.terminate(), 0);
    let published: Vec<i64> =
        table.published().into_iter().filter(|(_, count)| *count == 1).map(|(id, _)| id).collect();
    assert_eq!(published, (10..700).chain(900..903).collect::<Vec<i64>>());

    let again = table.scene.ok(&job);
    assert!(again.stderr.contains("finished: 0 alerts"), "{again:?}");
    assert_eq!(table.published().values().sum::<u32>(), 693);
}

#[test]
fn a_killed_job_resumes() {
    let mut table = Table::new("resume");
    let past = now() - 3_600_000;
    table.put(0..5_000, Some(past));
    let until = (past + 1).to_string();
    let job = ["start", "distribution", "--until", &until];
    for pause in [400, 700, 1_000] {
        let running = table.scene.start(&job, "log");
        std::thread::sleep(Duration::from_millis(pause));
        running.kill();
    }
    table.scene.ok(&job);
    table.assert_published(0..5_000);
}

//! What a service reads that has fallen behind: a dry run on an embedded store, which begins at a checkpoint that says what was sent.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::config::{Configuration, Environment, RequiredLogin};
use crate::ledger::LedgerEntry;
use crate::science_db::{self, NewTable, Put, PutCell};

const CATALOG: &str = r#"{"table": {"namespace": "default", "name": "alerts"}, "rowkey": "key", "columns": {
    "key": {"cf": "rowkey", "col": "key", "type": "string"},
    "objectId": {"cf": "i", "col": "objectId", "type": "string"},
    "candid": {"cf": "i", "col": "candid", "type": "long"}}}"#;

/// Time between two rows.
const ROW_INTERVAL: Duration = Duration::from_millis(500);

fn key(number: usize) -> Vec<u8> {
    // The newest rows are not the last ones in the order of keys.
    format!("{:03}-{number}", number * 37 % 1000).into_bytes()
}

fn row(number: usize, timestamp: Timestamp) -> Put {
    let cell = |qualifier: &str, value: Vec<u8>| PutCell { family: "i".into(), qualifier: qualifier.into(), value };
    let cells = vec![cell("objectId", key(number)), cell("candid", (number as i64).to_be_bytes().to_vec())];
    Put { key: key(number), timestamp: Some(timestamp.as_millis()), cells }
}

/// A table with a row each half second of the last `age`, of which the checkpoint lists those that `is_sent` accepts, by their timestamps.
struct Behind {
    _folder: tempfile::TempDir,
    settings: Settings,
    started: Timestamp,
    timestamps: Vec<Timestamp>,
}

/// What a run has read and sent.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// rows that the history lane has read whole
    whole_rows: u64,
    alerts: u64,
    late: u64,
}

impl Behind {
    fn new(age: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display();
        let text = format!(
            "[science_db]\nkind = \"embedded\"\npath = \"{path}/science.db\"\ncatalog = \"{path}/catalog.json\"\n\
             [distribution]\nrepair = \"10m\"\nrepair_every = \"1m\"\noverlap = \"30s\"\n[[stream]]\nname = \"all\"\ntopic = \"all\"\n"
        );
        let parsed = Configuration::parse(Path::new("fink.toml"), &text, &[], &Environment::default());
        let settings = parsed.expect("a configuration").settings(RequiredLogin::None).expect("settings");
        std::fs::write(folder.path().join("catalog.json"), CATALOG).expect("a file");
        let mut db = science_db::open(&settings.science_db, "default:alerts").expect("a store");
        let splits = ["3", "7"].map(|key| key.as_bytes().to_vec()).to_vec();
        db.create_table(&NewTable { families: vec!["i".into()], splits }).expect("a table");
        let started = Timestamp::now();
        let count = u32::try_from(age.as_millis() / ROW_INTERVAL.as_millis()).expect("few rows");
        let timestamps: Vec<Timestamp> = (1..=count).rev().map(|back| started - ROW_INTERVAL * back).collect();
        let rows: Vec<Put> = timestamps.iter().enumerate().map(|(number, timestamp)| row(number, *timestamp)).collect();
        db.put(&rows).expect("rows");
        Self { _folder: folder, settings, started, timestamps }
    }

    /// Runs a service whose watermark is `watermark` ago, and whose last live scan was `scanned` ago. `is_sent`: whether the row of this number, written
    /// so long ago, is in the ledger.
    fn run(&self, watermark: Duration, scanned: Duration, is_sent: impl Fn(usize, Duration) -> bool) -> Outcome {
        let mut state = CheckpointState::service(checkpoint_partition::SERVICE, "latest", self.started - watermark);
        state.finish_live_scan(self.started - scanned);
        let sent = self.timestamps.iter().enumerate();
        let sent = sent.filter(|(number, timestamp)| is_sent(*number, self.started.since(**timestamp)));
        let entries: Vec<LedgerEntry> =
            sent.map(|(number, timestamp)| LedgerEntry::new(&key(number), *timestamp)).collect();
        let mut records: BTreeMap<_, _> = BTreeMap::new();
        for (key, value) in state.record_published(&entries).expect("records") {
            records.insert(key, value.expect("no deletion"));
        }
        let request = Request { dry_run: true, ..Request::default() };
        let cancel = CancellationToken::new();
        let mut whole_rows = 0;
        let mut report = |stats: &Stats| whole_rows = stats.history.rows.max(whole_rows);
        let instruments = Instruments::default();
        let confirm: Confirm<'_> = &|_| true;
        let mut opened = open(
            &self.settings,
            &request,
            &self.settings.streams,
            self.started,
            (&cancel, confirm),
            &instruments,
            &mut report,
        )
        .expect("an open service");
        let intervals = Intervals::new(&self.settings.distribution);
        let task = Task { settings: &self.settings, request: &request, intervals, started: self.started, cancel };
        resume_and_run(&task, &records, &mut opened, &mut Clock::start()).expect("a run that catches up");
        let stats = opened.publisher.close(&task.cancel, true).expect("statistics");
        drop(opened.workers);
        Outcome { whole_rows, alerts: stats.alerts, late: stats.late }
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn rows_that_the_ledger_lists_are_not_read_whole_although_the_watermark_is_old() {
    let service = Behind::new(minutes(20));
    // Repairs were slow, but the live lane was at work until a minute ago; seven rows became visible late.
    let is_late = |number: usize| number.is_multiple_of(200);
    let outcome = service.run(minutes(14), minutes(1), |number, age| age > minutes(1) && !is_late(number));
    let late = (0..service.timestamps.len()).filter(|number| {
        let age = service.started.since(service.timestamps[*number]);
        is_late(*number) && age > minutes(1) && age <= minutes(14)
    });
    let late = late.count() as u64;
    assert_eq!(outcome, Outcome { whole_rows: 0, alerts: 120 + late, late });
}

#[test]
fn the_history_lane_reads_what_was_written_since_the_last_live_scan_and_publishes_what_it_reads() {
    let service = Behind::new(minutes(40));
    let outcome = service.run(minutes(34), minutes(21), |_, age| age > minutes(21));
    // Each minute has 120 rows. The last `overlap` before the live scan is read again.
    assert_eq!(outcome, Outcome { whole_rows: 120 * 21 + 60, alerts: 120 * 21, late: 0 });
}

//! Streams without transactions, and their schemas: what `finkctl transfer` of fink-client needs.

use std::path::Path;
use std::process::{Command, Stdio};

use fink::alert::decoder::{BytesFormat, SchemaCache};
use fink::cancel::CancellationToken;
use fink::kafka::TailReader;
use fink::kafka::topics::TopicSpec;
use fink::science_db::PutCell;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fixture::alert_table::{Table, now, row};
use crate::fixture::cluster::{TIMEOUT, User, python};
use crate::fixture::{Running, wait_for_clock, wait_until};

/// A table with a topic for transfers, and the rights for it.
struct Transfer {
    table: Table,
    topic: String,
    reader: TailReader,
}

/// Bytes of each row.
const FILLER: usize = 20_000;

impl Transfer {
    fn new(what: &str) -> Self {
        let filler = r#", "filler": {"cf": "i", "col": "filler", "type": "string"}"#;
        let mut table = Table::with_columns(what, filler);
        let topic = format!("ftransfer_{}", table.fixture.name);
        let old = format!("topic = \"{}\"\n", table.fixture.name);
        table.fixture.replace(&old, &format!("topic = \"{topic}\"\ntransactions = false\nschema_topic = true\n"));
        let cluster = table.fixture.cluster();
        let [consumer, file] =
            [cluster.username(User::Consumer), cluster.password_file(User::Consumer)].map(str::to_owned);
        let admin = cluster.admin_section();
        let without = table.fixture.config.clone();
        table.fixture.config += &admin;
        let users = ["--consumer", &consumer, "--consumer-password-file", &file, "--consumer-group", "fink"];
        table.fixture.ok(&[&["kafka", "bootstrap", "--any-host", "--yes"], &users[..]].concat());
        table.fixture.config = without;
        let reader = TailReader::open(&table.fixture.cluster().kafka(User::Admin), TIMEOUT, &CancellationToken::new())
            .expect("a reader");
        Self { table, topic, reader }
    }

    /// Writes rows so large that it takes a while to send them.
    fn put(&mut self, numbers: std::ops::Range<u32>, timestamp: i64) {
        let numbers: Vec<u32> = numbers.collect();
        for numbers in numbers.chunks(200) {
            let puts = numbers.iter().map(|number| {
                let mut put = row(*number, Some(timestamp));
                put.cells.push(PutCell { family: "i".into(), qualifier: "filler".into(), value: vec![b'x'; FILLER] });
                put
            });
            let puts: Vec<_> = puts.collect();
            self.table.db.put(&puts).expect("rows are written");
        }
    }

    /// How many offsets the topic has, markers of transactions included.
    fn offsets(&self) -> i64 {
        self.reader.offset_ranges(&self.topic, 4).expect("the topic").iter().map(|range| range.end).sum()
    }

    /// Waits until the topic has at least so many offsets.
    fn wait_for(&self, offsets: i64, job: &Running) {
        wait_until(
            || format!("{} of {offsets} messages were sent: {}", self.offsets(), job.log()),
            || (self.offsets() >= offsets).then_some(()),
        );
    }

    /// The topic has one message for each of these alerts, by `candid`, and nothing else.
    fn assert_sent_once(&self, numbers: std::ops::Range<u32>) {
        let mut schemas = SchemaCache::default();
        let mut candids: Vec<i64> = Vec::new();
        for message in self.table.messages(&self.topic) {
            let decoder = schemas.get(message.key.as_deref().expect("a key")).expect("the key is a schema");
            let alert =
                decoder.value(message.value.as_deref().expect("a value"), BytesFormat::Base64).expect("a datum");
            candids.push(alert["candid"].as_i64().expect("candid"));
        }
        candids.sort_unstable();
        let doubled = candids.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let wanted: Vec<i64> = numbers.map(i64::from).collect();
        assert!(candids == wanted, "{} messages, {doubled} doubled, of {} alerts", candids.len(), wanted.len());
        assert_eq!(self.offsets(), candids.len() as i64, "offsets that are no alerts");
    }

    /// What `finkctl transfer` writes.
    fn transfer(&self, group: &str) -> Value {
        let cluster = self.table.fixture.cluster();
        let folder = self.table.fixture.path(group);
        std::fs::create_dir(&folder).expect("the fixture's folder");
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/transfer.py"));
        command.args(
            ["FINK_TEST_BOOTSTRAP", "FINK_TEST_CONSUMER_USER", "FINK_TEST_CONSUMER_PASSWORD_FILE"]
                .map(|name| cluster.value(name)),
        );
        command.args([&format!("fink_{group}"), &self.topic]).arg(&folder).current_dir(&folder);
        let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
        let file = |path: &Path| std::fs::File::create(path).expect("the fixture's folder");
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let running = Running::from_child(command.spawn().expect("the Python interpreter"), stderr.clone());
        let (code, _) = running.wait();
        let text = |path: &Path| std::fs::read_to_string(path).expect("its output");
        assert_eq!(code, 0, "{}{}", text(&stdout), text(&stderr));
        let text = text(&stdout);
        serde_json::from_str(text.lines().last().expect("a line")).expect("a JSON object")
    }

    fn schemas(&self) -> Vec<Value> {
        let messages = self.table.messages(&format!("{}_schema", self.topic));
        let keys = messages.into_iter().map(|message| message.key.expect("a key"));
        keys.map(|key| serde_json::from_slice(&key).expect("a schema")).collect()
    }
}

#[test]
fn finkctl_transfer_gets_each_alert_of_a_job_that_was_killed_twice_and_ends() {
    let mut transfer = Transfer::new("transfer");
    let past = now() - 3_600_000;
    transfer.put(0..2_000, past);
    let until = (past + 1).to_string();
    let job = ["start", "distribution", "--until", &until];
    let mut sent = Vec::new();
    for (log, offsets) in [("first", 500), ("second", 1_200)] {
        let running = transfer.table.fixture.start(&job, log);
        transfer.wait_for(offsets, &running);
        running.kill();
        sent.push(transfer.offsets());
    }
    let finished = transfer.table.fixture.ok(&job);
    sent.push(transfer.offsets());
    println!("on the topic after each run: {sent:?}; {}", finished.stderr);
    assert_eq!(transfer.transfer("transfer"), json!({"rows": 2_000, "alerts": 2_000}));
    assert_eq!((sent[2], transfer.schemas().len()), (2_000, 1), "offsets that are no alerts, or several schemas");

    let again = transfer.table.fixture.ok(&job);
    assert!(again.stderr.contains("finished: 0 alerts"), "{again:?}");
    assert_eq!((transfer.offsets(), transfer.schemas().len()), (2_000, 1));
}

#[test]
fn a_job_that_resumes_after_another_took_over_sends_nothing() {
    let mut transfer = Transfer::new("zombie");
    let past = now() - 3_600_000;
    transfer.put(0..1_500, past);
    let until = (past + 1).to_string();
    let job = ["start", "distribution", "--until", &until];
    let sleeper = transfer.table.fixture.start(&job, "sleeper");
    transfer.wait_for(300, &sleeper);
    sleeper.signal(Signal::STOP);
    transfer.table.fixture.ok(&job);
    transfer.assert_sent_once(0..1_500);
    sleeper.signal(Signal::CONT);
    let (code, log) = sleeper.wait();
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("has taken over"), "{log}");
    transfer.assert_sent_once(0..1_500);
}

#[test]
fn a_job_that_was_stopped_for_a_while_resumes() {
    let mut transfer = Transfer::new("stopped");
    let past = now() - 3_600_000;
    transfer.put(0..1_500, past);
    let until = (past + 1).to_string();
    let job = transfer.table.fixture.start(&["start", "distribution", "--until", &until], "log");
    transfer.wait_for(300, &job);
    job.signal(Signal::STOP);
    // Longer than messages, the lease and the transaction live.
    wait_for_clock(now() + 25_000);
    job.signal(Signal::CONT);
    let (code, log) = job.wait();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("or this user may not see it"), "the topic lets late messages in: {log}");
    transfer.assert_sent_once(0..1_500);
}

#[test]
fn a_second_writer_of_a_topic_is_named() {
    let mut transfer = Transfer::new("writers");
    transfer.table.fixture.add("[distribution]", "poll = \"100ms\"");
    let past = now() - 3_600_000;
    transfer.table.put(0..5, Some(past));
    let service = transfer.table.fixture.start(&["start", "distribution", "--from", "now"], "service");
    service.wait_for("distributing what is written");
    transfer.table.put(10..12, None);
    transfer.wait_for(2, &service);
    transfer.table.fixture.ok(&["start", "distribution", "--until", &(past + 1).to_string(), "--yes"]);
    // Of 20 objects some share a partition with those of the job.
    transfer.table.put(20..80, None);
    let (code, log) = service.wait();
    assert_eq!(code, 1, "{log}");
    let named = format!("was written by `{}-job-earliest-{}-0`", transfer.table.fixture.name, past + 1);
    assert!(log.contains(&named) && log.contains(&format!("topic `{}`", transfer.topic)), "{named}: {log}");
}

#[test]
fn an_alert_that_the_topic_does_not_take_is_rejected_and_the_others_are_sent_once() {
    let mut transfer = Transfer::new("toolarge");
    let past = now() - 3_600_000;
    transfer.put(0..100, past);
    let mut large = row(50, Some(past));
    large.cells.push(PutCell { family: "i".into(), qualifier: "filler".into(), value: vec![b'y'; 5_000_000] });
    transfer.table.db.put(&[large]).expect("a large row");
    let job = ["start", "distribution", "--until", &(past + 1).to_string(), "--allow-rejected"];
    let finished = transfer.table.fixture.ok(&job);
    assert!(finished.stderr.contains("finished: 100 alerts, 99 messages sent, 0 late, 1 rejected"), "{finished:?}");
    let rejected = transfer.table.messages(&format!("{}_rejected", transfer.table.fixture.name));
    assert_eq!(rejected.len(), 1);
    assert_eq!((transfer.offsets(), transfer.table.messages(&transfer.topic).len()), (99, 99));
}

#[test]
fn a_recreated_topic_is_refused() {
    let mut transfer = Transfer::new("again");
    let past = now() - 3_600_000;
    transfer.put(0..100, past);
    let service = ["start", "distribution", "--from", "earliest"];
    let running = transfer.table.fixture.start(&service, "service");
    transfer.wait_for(100, &running);
    // The offset file follows the commit that moves the watermark past the rows: the topic's offsets are in it.
    let passes = || transfer.table.offset_file().filter(|watermark| *watermark > past).map(drop);
    wait_until(|| format!("the watermark does not pass the rows: {}", running.log()), passes);
    running.terminate();
    let admin = transfer.table.fixture.cluster().admin();
    admin.delete_topic(&transfer.topic).expect("it is deleted");
    let spec = TopicSpec::stream(4);
    let create = || admin.create_topic(&transfer.topic, &spec).ok().map(drop);
    wait_until(|| "the topic is not created again".to_owned(), create);
    transfer.table.fixture.run(&service).assert_stderr(1, &[&transfer.topic, "was deleted and created again"]);
}

#[test]
fn a_start_without_the_acl_to_read_is_refused() {
    let mut table = Table::new("noread");
    let old = format!("topic = \"{}\"\n", table.fixture.name);
    table.fixture.replace(&old, &format!("{old}transactions = false\n"));
    let named = format!("`finkProducer` is not authorized to read topic `{}`", table.fixture.name);
    table.fixture.run(&["start", "distribution", "--until", "now"]).assert_stderr(1, &[&named]);
}

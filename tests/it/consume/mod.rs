//! `fink consume` on the real servers. What it prints and saves is compared with the alerts that were sent, by fastavro, pyarrow, pandas and
//! fink-client.

mod broken;
mod choices;
mod logins;
mod notices;
mod other_tools;
mod outages;
mod positions;
mod printing;
mod real_alerts;
mod registries;
mod saving;
mod secured;
mod through_service;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fixture::cluster::{User, python};
use crate::fixture::topics::{Topic, admin};
use crate::fixture::{Fixture, Running};
use fink::kafka::topics::TopicSpec;

/// A consumer of one topic, and alerts to send to it.
pub struct Consumer {
    pub fixture: Fixture,
    pub topic: Topic,
    pub group: String,
    /// a folder of alerts in the place of simulated ones
    pub files: Option<PathBuf>,
}

impl Consumer {
    /// A topic of three partitions, and the consumer's login.
    pub fn new(what: &str) -> Self {
        Self::with_topic_options(what, &[])
    }

    /// With these options of the topic.
    pub fn with_topic_options(what: &str, options: &[(&str, &str)]) -> Self {
        let mut fixture = Fixture::with_servers(&format!("consume_{what}"));
        let topic = Topic::named(fixture.name.clone());
        let config = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let spec = TopicSpec { partitions: Some(3), replication: None, config };
        admin().create_topic(&topic.0, &spec).expect("a topic");
        let group = format!("{}_group", fixture.name);
        let cluster = fixture.cluster();
        fixture.config = format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[kafka.librdkafka]\n\"session.timeout.ms\" = \"6000\"\n\"heartbeat.interval.ms\" = \"1000\"\n\
             [consumer]\n{}group = \"{group}\"\ntopics = [\"{}\"]\n[filters]\npython = \"{}\"\npath = [\".\"]\n",
            cluster.bootstrap_servers(),
            cluster.login_keys(User::Consumer),
            topic.0,
            python()
        );
        Self { fixture, topic, group, files: None }
    }

    /// The folder of simulated alerts of a survey, which is made at the first call.
    pub fn alerts(&self, survey: &str) -> Vec<PathBuf> {
        let folder = self.files.clone().unwrap_or_else(|| self.fixture.path(survey));
        if !folder.exists() {
            let out = folder.to_str().expect("UTF-8");
            self.fixture.ok(&["simulate", "--survey", survey, "--alerts", "12", "--seed", "5", "--out", out]);
        }
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    /// Sends alerts; their ids, in the order in which they were sent.
    pub fn send(&self, survey: &str, encoding: &str, key: &str, count: usize) -> Vec<u64> {
        self.send_to(&self.topic.0, survey, encoding, key, count)
    }

    pub fn send_to(&self, topic: &str, survey: &str, encoding: &str, key: &str, count: usize) -> Vec<u64> {
        let cluster = self.fixture.cluster();
        let output = self
            .python("produce.py")
            .args([
                cluster.bootstrap_servers(),
                cluster.username(User::Producer),
                cluster.password_file(User::Producer),
            ])
            .args([topic, encoding, key, &count.to_string()])
            .args(self.alerts(survey))
            .output()
            .expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        answer["ids"].as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id")).collect()
    }

    /// What stands in the saved files: ids, sorted, each compared with the alert that was sent.
    pub fn saved(&self, folder: &str, survey: &str) -> Vec<u64> {
        let answer = self.saved_with_types(folder, survey);
        answer["ids"].as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id")).collect()
    }

    pub fn saved_with_types(&self, folder: &str, survey: &str) -> Value {
        let output =
            self.python("saved.py").arg(self.fixture.path(folder)).args(self.alerts(survey)).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(answer["differences"], Value::Array(Vec::new()));
        answer
    }

    fn python(&self, script: &str) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
        let mut command = Command::new(python());
        command.arg(script).env("HOME", self.fixture.folder.path()).stdin(Stdio::null());
        command
    }

    /// `fink consume …` in the background.
    pub fn start(&self, arguments: &[&str], log: &str) -> Running {
        let all: Vec<&str> = ["consume"].iter().chain(arguments).copied().collect();
        self.fixture.start(&all, log)
    }

    /// The lines of JSON that `fink consume …` prints; it must succeed.
    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let all: Vec<&str> = ["consume", "--format", "ndjson"].iter().chain(arguments).copied().collect();
        let finished = self.fixture.ok(&all);
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON document")).collect()
    }

    /// The candids that `fink consume …` prints, sorted.
    pub fn candids(&self, arguments: &[&str]) -> Vec<u64> {
        let all: Vec<&str> = ["--fields", "candid"].iter().chain(arguments).copied().collect();
        let mut ids: Vec<u64> = self.lines(&all).iter().map(|line| line["candid"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids
    }
}

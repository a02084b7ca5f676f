//! The embedded servers of the demonstration: an SQLite file as the science database, the mock cluster of librdkafka as Kafka.

use std::path::Path;

use anyhow::Context as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;

use crate::config::{Configuration, Environment, RequiredLogin};
use crate::distribution::settings::Settings;
use crate::kafka::checkpoint;
use crate::simulate::Survey;

/// The stream of all alerts.
pub(super) const FULL: &str = "full";
/// The stream of the alerts that the rules keep.
pub(super) const SELECTED: &str = "selected";

/// The servers and the settings that point to them. Dropping this stops them.
pub(super) struct DemoServers {
    settings: Settings,
    _folder: TempDir,
    _cluster: MockCluster<'static, DefaultProducerContext>,
}

impl DemoServers {
    /// Starts the servers. `rules` is the file for the stream [`SELECTED`]; by default the example for the survey.
    pub(super) fn start(survey: Survey, alerts: u64, rules: Option<&Path>) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("fink-demo-").tempdir().context("cannot create a temporary directory")?;
        let rules = match rules {
            Some(rules) => std::path::absolute(rules)?,
            None => {
                let (name, text) = example(survey);
                let file = folder.path().join(name);
                std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
                file
            }
        };
        let rules = rules.to_str().with_context(|| format!("the path {} is not UTF-8", rules.display()))?;
        let cluster = MockCluster::new(1).context("cannot start the embedded Kafka")?;
        let text = configuration(&cluster.bootstrap_servers(), partitions(alerts), rules);
        let configuration =
            Configuration::parse(&folder.path().join("fink.toml"), &text, &[], &Environment::default())?;
        let settings = configuration.settings(RequiredLogin::None)?;
        for (topic, partitions) in topics(&settings) {
            cluster.create_topic(&topic, partitions, 1).with_context(|| format!("cannot create topic `{topic}`"))?;
        }
        Ok(Self { settings, _folder: folder, _cluster: cluster })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The example rules for a survey, of `conf/`: name and text.
fn example(survey: Survey) -> (&'static str, &'static str) {
    match survey {
        Survey::Ztf => ("distribution-rules.xml", include_str!("../../../conf/distribution-rules.xml")),
        Survey::Lsst => ("distribution-rules-lsst.xml", include_str!("../../../conf/distribution-rules-lsst.xml")),
    }
}

/// The mock cluster deletes the oldest messages of a partition beyond 5 MiB. With so few alerts in each, no partition gets near that.
fn partitions(alerts: u64) -> u64 {
    (alerts / 8).clamp(4, 250)
}

fn configuration(servers: &str, partitions: u64, rules: &str) -> String {
    let rules = toml::Value::from(rules);
    format!(
        r#"
        [science_db]
        kind = "embedded"
        path = "science.db"
        catalog = "catalog.json"
        [kafka]
        bootstrap_servers = "{servers}"
        security_protocol = "plaintext"
        [distribution]
        name = "demo"
        [[stream]]
        name = "{FULL}"
        topic = "fink_outstream"
        partitions = {partitions}
        [[stream]]
        name = "{SELECTED}"
        topic = "fink_selected"
        partitions = {partitions}
        rules = {rules}
        "#
    )
}

/// The topics of the distribution with their partitions: the mock cluster does not support the request to create topics.
fn topics(settings: &Settings) -> Vec<(String, i32)> {
    let distribution = &settings.distribution;
    let streams = settings.streams.iter().map(|stream| (stream.topic.clone(), stream.partitions));
    let own =
        [(distribution.rejected_topic.clone(), 1), (checkpoint::topic_of(&distribution.name), checkpoint::PARTITIONS)];
    streams.chain(own).collect()
}

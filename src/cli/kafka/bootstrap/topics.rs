//! The topics of a bootstrap.

use std::time::Duration;

use super::plan::{PlanItem, PlannedChange};
use crate::distribution::settings::Settings;
use crate::kafka::topics::{CLEANUP_POLICY, MIN_INSYNC_REPLICAS, RETENTION_MS, TopicDefaults, TopicDiff, TopicSpec};
use crate::kafka::{Admin, checkpoint};
use crate::units::format_duration;

/// A topic that has to exist.
struct WantedTopic {
    name: String,
    spec: TopicSpec,
    what: String,
}

/// The topics of the distribution.
pub(super) fn topics(admin: &Admin, settings: &Settings) -> anyhow::Result<Vec<PlanItem>> {
    let distribution = &settings.distribution;
    let checkpoint = checkpoint::topic_of(&distribution.name);
    let defaults = admin.topic_defaults().unwrap_or_default();
    let wanted = wanted(settings, &checkpoint, &defaults);
    let compared: Vec<TopicSpec> = wanted.iter().map(compared_spec).collect();
    let compared: Vec<(&str, &TopicSpec)> = wanted.iter().map(|topic| topic.name.as_str()).zip(&compared).collect();
    let diffs = admin.compare_topics(&compared)?;
    let item = |(WantedTopic { name, spec, what }, diff): (WantedTopic, TopicDiff)| PlanItem {
        kind: "topic",
        name: name.clone(),
        what,
        exists: diff != TopicDiff::Missing,
        conflict: match diff {
            TopicDiff::Different(difference) => Some(difference),
            TopicDiff::Same | TopicDiff::Missing => None,
        },
        change: PlannedChange::Topic(name, spec),
    };
    let mut items: Vec<PlanItem> = wanted.into_iter().zip(diffs).map(item).collect();
    // The topic of an earlier version has one partition.
    let partitions = checkpoint::PARTITIONS;
    if let Some(found) = admin.partitions(&checkpoint)?.filter(|found| *found < partitions) {
        let what = format!("checkpoint, partitions: {partitions} instead of {found}");
        let change = PlannedChange::Partitions(checkpoint.clone(), partitions);
        items.push(PlanItem { kind: "topic", name: checkpoint, what, exists: false, conflict: None, change });
    }
    Ok(items)
}

fn wanted(settings: &Settings, checkpoint: &str, defaults: &TopicDefaults) -> Vec<WantedTopic> {
    let mut topics = Vec::new();
    let mut add = |name: String, spec: TopicSpec, what: String| {
        let what = format!("{what}, {}", durability(&spec, defaults));
        topics.push(WantedTopic { name, spec, what });
    };
    for stream in &settings.streams {
        let what = format!("stream {}, partitions: {}", stream.name, stream.partitions);
        add(stream.topic.clone(), stream.topic_spec(), what);
        if let Some(topic) = stream.schema_topic() {
            add(topic, stream.schema_topic_spec(), format!("schema of stream {}, one partition", stream.name));
        }
    }
    let distribution = &settings.distribution;
    let rejected = distribution.rejected_topic_spec();
    add(distribution.rejected_topic.clone(), rejected, "rejected alerts, one partition".to_owned());
    let what = format!("checkpoint, partitions: {}, compacted", checkpoint::PARTITIONS);
    add(checkpoint.to_owned(), distribution.checkpoint_spec(), what);
    topics
}

/// What an existing topic must have. Of a checkpoint, only compaction and replicas: its other options may be tuned.
fn compared_spec(topic: &WantedTopic) -> TopicSpec {
    let mut spec = topic.spec.clone();
    if checkpoint::is_checkpoint(&topic.name) {
        spec.config.retain(|(option, _)| option == CLEANUP_POLICY || option == MIN_INSYNC_REPLICAS);
        spec.partitions = None;
    }
    spec
}

/// Replicas and retention of a topic, by its specification or the cluster's defaults.
fn durability(spec: &TopicSpec, defaults: &TopicDefaults) -> String {
    let value = |wanted: Option<String>, default: Option<String>| match (wanted, default) {
        (Some(wanted), _) => wanted,
        (None, Some(default)) => format!("{default} (default)"),
        (None, None) => "the cluster's default".to_owned(),
    };
    let number = |number: i32| number.to_string();
    let mut text = format!(
        "replication: {}, {MIN_INSYNC_REPLICAS}: {}",
        value(spec.replication.map(number), defaults.replication.map(number)),
        value(spec.option(MIN_INSYNC_REPLICAS).map(str::to_owned), defaults.min_insync_replicas.map(number)),
    );
    if spec.option(CLEANUP_POLICY) != Some("compact") {
        let wanted = spec.option(RETENTION_MS).and_then(|ms| ms.parse().ok()).map(retention);
        text += &format!(", retention: {}", value(wanted, defaults.retention_ms.map(retention)));
    }
    text
}

fn retention(ms: i64) -> String {
    u64::try_from(ms).map_or_else(|_| "unlimited".to_owned(), |ms| format_duration(Duration::from_millis(ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::topics::Durability;

    #[test]
    fn the_plan_tells_what_is_configured_and_what_is_the_default_of_the_cluster() {
        let defaults =
            TopicDefaults { replication: Some(1), min_insync_replicas: None, retention_ms: Some(604_800_000) };
        let spec = TopicSpec::stream(4);
        assert_eq!(
            durability(&spec, &defaults),
            "replication: 1 (default), min.insync.replicas: the cluster's default, retention: 7d (default)"
        );
        let configured = Durability {
            replication: Some(3),
            min_insync_replicas: Some(2),
            retention: Some(Duration::from_secs(3600)),
        };
        assert_eq!(
            durability(&spec.with(configured), &defaults),
            "replication: 3, min.insync.replicas: 2, retention: 1h"
        );
        let unlimited = TopicDefaults { retention_ms: Some(-1), ..defaults };
        assert!(durability(&TopicSpec::stream(1), &unlimited).ends_with("retention: unlimited (default)"));
        assert!(!durability(&checkpoint::topic_spec(), &unlimited).contains("retention"));
    }
}

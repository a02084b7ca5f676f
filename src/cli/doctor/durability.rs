//! Replicas and retention of topics, compared with the configuration.

use super::checklist::Checklist;
use crate::distribution::settings::Settings;
use crate::kafka::topics::{MIN_INSYNC_REPLICAS, TopicDescription, TopicDiff, TopicSpec};
use crate::kafka::{Admin, checkpoint};

/// The topics of a distribution with what they are created with.
fn specs(settings: &Settings) -> Vec<(String, TopicSpec)> {
    let mut specs = Vec::new();
    for stream in &settings.streams {
        specs.push((stream.topic.clone(), stream.topic_spec()));
        specs.extend(stream.schema_topic().map(|topic| (topic, stream.schema_topic_spec())));
    }
    let distribution = &settings.distribution;
    specs.push((distribution.rejected_topic.clone(), distribution.rejected_topic_spec()));
    specs.push((checkpoint::topic_of(&distribution.name), distribution.checkpoint_spec()));
    specs
}

/// Whether the topics have the configured replicas and retention, and whether they can be written and survive the loss of a broker. `found`
/// describes them, in any order.
pub(super) fn check(
    list: &mut Checklist,
    admin: &Admin,
    settings: &Settings,
    found: &[TopicDescription],
) -> anyhow::Result<()> {
    const WHAT: &str = "replication";
    let is_found = |name: &str| found.iter().find(|topic| topic.name == name && topic.error.is_none());
    let specs: Vec<(String, TopicSpec)> =
        specs(settings).into_iter().filter(|(name, _)| is_found(name).is_some()).collect();
    let names: Vec<&str> = specs.iter().map(|(name, _)| name.as_str()).collect();
    let compared: Vec<TopicSpec> = specs.iter().map(|(_, spec)| spec.durability_only()).collect();
    let compared: Vec<(&str, &TopicSpec)> = names.iter().copied().zip(&compared).collect();
    let (diffs, configs) = match (admin.compare_topics(&compared), admin.describe_configs(&names)) {
        (Ok(diffs), Ok(configs)) => (diffs, configs),
        (Err(error), _) | (_, Err(error)) => return list.fail(WHAT, error),
    };
    let has_brokers = admin.live_brokers(None).map_or(0, |brokers| brokers.len()) > 1;
    let (mut good, mut single) = (0, Vec::new());
    for ((name, diff), config) in names.iter().zip(diffs).zip(&configs) {
        let replicas =
            is_found(name).and_then(|topic| topic.partitions.first()).map_or(0, |first| first.replicas.len());
        let minimum = config.value(MIN_INSYNC_REPLICAS).and_then(|value| value.parse::<usize>().ok());
        match diff {
            TopicDiff::Different(difference) => {
                list.fail(WHAT, format!("{name}: {difference}, as configured"))?;
            }
            _ if minimum.is_some_and(|minimum| minimum > replicas) => {
                let reason = format!(
                    "{MIN_INSYNC_REPLICAS} is above its number of replicas, {replicas}: nothing can be written"
                );
                list.fail(WHAT, format!("{name}: {reason}"))?;
            }
            _ if replicas == 1 && has_brokers => single.push(*name),
            _ => good += 1,
        }
    }
    if good > 0 {
        list.pass(WHAT, format!("{good} topics have the replicas and the retention that are configured"))?;
    }
    if let Some(first) = single.first() {
        let count = single.len();
        list.unknown(
            WHAT,
            format!(
                "{count} topics, such as {first}, have one replica: if its broker is lost, so are their messages; see distribution.replication, and \
                 kafka-reassign-partitions.sh for existing topics"
            ),
        )?;
    }
    Ok(())
}

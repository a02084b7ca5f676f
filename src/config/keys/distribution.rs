use std::time::Duration;

use crate::config::definition::{Key, key};
use crate::config::reader::Reader;
use crate::config::value::{ByteSize, IntegerInRange};
use crate::distribution::settings::DistributionSettings;
use crate::distribution::settings::Start;
use crate::kafka::topics::Durability;
use crate::topic::Topic;

/// Kafka's limit for the number of replicas.
const MAX_REPLICAS: u32 = 32_767;

/// Reads a number of replicas.
pub(super) fn count(reader: &mut Reader<'_>, key: Key) -> Option<i32> {
    let count = reader.optional::<IntegerInRange<1, MAX_REPLICAS>>(key)?;
    i32::try_from(count.0).ok()
}

/// Adds errors for values that no topic can have.
pub(super) fn check_durability(reader: &mut Reader<'_>, durability: Durability, retention_key: &str) {
    let Durability { replication, min_insync_replicas, retention } = durability;
    if let (Some(replication), Some(minimum)) = (replication, min_insync_replicas)
        && minimum > replication
    {
        reader.add_error(
            "min_insync_replicas",
            format!("it must be at most replication, {replication}, or nothing can be sent"),
        );
    }
    if retention.is_some_and(|retention| retention < Duration::from_millis(1)) {
        reader.add_error(retention_key, "it must be at least 1ms");
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> DistributionSettings {
    reader.section("distribution", "");
    let settings = DistributionSettings {
        name: reader.read(
            key(
                "name",
                "The name of the checkpoint and the prefix of the transactional ids. Services that run at the same time need different \
                 names.",
            ),
            "fink".to_owned(),
        ),
        start: reader.read(
            key(
                "start",
                "Where a new checkpoint starts: latest (at the time in the offset file, else at the beginning), earliest, now, \
                 milliseconds since 1970, or RFC 3339 such as 2019-11-01T00:00:00Z. A service with a checkpoint resumes there.",
            ),
            Start::Latest,
        ),
        poll: reader.read(
            key(
                "poll",
                "The interval at which the live lane polls for new rows. While rows keep coming, it polls up to four times as often, unless this is longer than 500ms.",
            ),
            Duration::from_millis(500),
        ),
        settle: reader.read(
            key("settle", "Ignore rows that are younger than this. For tables whose rows are completed by a second write."),
            Duration::ZERO,
        ),
        overlap: reader.read(
            key(
                "overlap",
                "How far back the sweep scans, every 5 s: the usual maximum of write latency and clock skew. A poll scans 2 s back.",
            ),
            Duration::from_secs(30),
        ),
        repair: reader.read(
            key("repair", "How long after its timestamp a row may become visible and still be sent."),
            Duration::from_secs(600),
        ),
        repair_every: reader.read(key("repair_every", "The interval at which late rows are searched for."), Duration::from_secs(60)),
        status: reader.read(
            key(
                "status",
                "Skip rows whose column `status` is `distributed`, and set it after a row is sent. Has no effect if the catalog has no \
                 column `status`.",
            ),
            true,
        ),
        offset_file: reader.optional(
            key("offset_file", "Write the watermark to this file after each commit, in the format of 2019.")
                .example("\"distribution.offset\""),
        ),
        memory: reader.read(key("memory", "The limit for the memory of alerts in flight."), ByteSize(256_000_000)).0,
        rejected_topic: reader.read(
            key("rejected_topic", "The topic for alerts that cannot be decoded, encoded or sent. Headers contain the reason."),
            "fink_rejected".to_owned(),
        ),
        durability: Durability {
            replication: count(
                reader,
                key(
                    "replication",
                    "The number of replicas of new topics: of streams, schemas, rejected alerts and the checkpoint. If unset: the cluster's default.",
                )
                .example("3"),
            ),
            min_insync_replicas: count(
                reader,
                key(
                    "min_insync_replicas",
                    "The number of replicas of new topics that must have a message before it counts as sent (min.insync.replicas). If unset: the \
                     cluster's default.",
                )
                .example("2"),
            ),
            retention: reader.optional(
                key("rejected_retention", "The retention of rejected_topic, if it is new. If unset: the cluster's default.")
                    .example("\"30d\""),
            ),
        },
    };
    check_durability(reader, settings.durability, "rejected_retention");
    if let Err(error) = format!("fink_checkpoint_{}", settings.name).parse::<Topic>() {
        reader.add_error("name", format!("it is part of the name of the checkpoint topic, and {error}"));
    }
    if let Err(error) = settings.rejected_topic.parse::<Topic>() {
        reader.add_error("rejected_topic", error.to_string());
    }
    for (name, duration) in [("poll", settings.poll), ("repair_every", settings.repair_every)] {
        if duration < Duration::from_millis(1) {
            reader.add_error(name, "it must be at least 1ms");
        }
    }
    if settings.settle >= settings.overlap {
        reader.add_error("overlap", "it must be longer than distribution.settle, or the live lane finds no rows");
    }
    if settings.repair < settings.overlap {
        reader.add_error("repair", "it must not be shorter than distribution.overlap, which each sweep scans");
    }
    if settings.memory < 16_000_000 {
        reader.add_error("memory", "it must be at least 16MB: an alert can have several hundred kilobytes");
    }
    settings
}

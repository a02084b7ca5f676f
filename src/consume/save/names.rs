//! Names of files and folders, built from the contents of alerts. These are untrusted: no name may point outside its folder.

use std::path::PathBuf;

use super::PartitionBy;
use crate::alert::decoder::Decoder;
use crate::consume::observation::Observation;
use crate::kafka::Message;

/// Longest part of a name, bytes; Linux takes 255, and an ending follows.
const MAX_PART_BYTES: usize = 180;

/// A part of a name: bytes other than letters, digits, `.`, `_`, `+` and `-` become `%XX`, as does a leading `.`; a long one is cut, and
/// ends with its hash.
pub fn safe(part: &str) -> String {
    let mut name = String::with_capacity(part.len());
    for (at, byte) in part.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => name.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'+' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > MAX_PART_BYTES {
        name.truncate(MAX_PART_BYTES - 17);
        name.push_str(&format!("-{:016x}", xxhash_rust::xxh3::xxh3_64(part.as_bytes())));
    }
    name
}

/// The name of a file for one alert: `{objectId}_{candid}.avro` for ZTF, `{diaSourceId}.avro` for Rubin, as fink-client names them; for others
/// topic, partition and offset.
pub fn alert_file(decoder: &Decoder, observation: &Observation, message: &Message, number: usize) -> String {
    let name = match (&observation.object, &observation.detection) {
        (Some(object), Some(candid)) if decoder.has_field("objectId") && decoder.has_field("candid") => {
            format!("{}_{}", safe(object), safe(candid))
        }
        (_, Some(source)) if decoder.has_field("diaSourceId") || decoder.has_field("diaSource.diaSourceId") => {
            safe(source)
        }
        _ => {
            let number = if number > 0 { format!("-{number}") } else { String::new() };
            format!("{}-p{}-{:012}{number}", safe(&message.topic), message.partition, message.offset)
        }
    };
    name + ".avro"
}

/// The folder of an alert, relative to that of all.
pub fn folder(
    by_topic: bool,
    partition_by: Option<PartitionBy>,
    observation: &Observation,
    message: &Message,
) -> PathBuf {
    let mut folder = PathBuf::new();
    if by_topic {
        folder.push(safe(&message.topic));
    }
    match partition_by {
        None => {}
        Some(PartitionBy::Class) => {
            folder.push(format!("finkclass={}", observation.class.as_deref().map_or("Unknown".to_owned(), safe)));
        }
        Some(PartitionBy::Time) => {
            let time = observation.time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            let date = time.map(|time| time.to_zoned(jiff::tz::TimeZone::UTC).date());
            match date {
                Some(date) => {
                    folder.push(format!("year={:04}", date.year()));
                    folder.push(format!("month={:02}", date.month()));
                    folder.push(format!("day={:02}", date.day()));
                }
                // As Hive calls the partition of what has no value.
                None => folder.push("year=__HIVE_DEFAULT_PARTITION__"),
            }
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_leaves_its_folder() {
        assert_eq!(safe("ZTF18aceatkx"), "ZTF18aceatkx");
        assert_eq!(safe("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(safe("a b\0é"), "a%20b%00%C3%A9");
        let (one, other) = (safe(&"x".repeat(1000)), safe(&"x".repeat(1001)));
        assert!(one.len() <= MAX_PART_BYTES && one != other);
    }

    #[test]
    fn partitions_are_those_of_the_observation() {
        let (topic, timestamp, key, value, headers) = ("t/x".to_owned(), None, None, None, Vec::new());
        let message = Message { topic, partition: 3, offset: 12, timestamp, key, value, headers };
        let observation = Observation {
            time: Some(1_771_891_199_999),
            class: Some("SN candidate".to_owned()),
            ..Observation::default()
        };
        let of = |by_topic, partition_by| folder(by_topic, partition_by, &observation, &message).display().to_string();
        assert_eq!(of(true, Some(PartitionBy::Time)), "t%2Fx/year=2026/month=02/day=23");
        assert_eq!(of(false, Some(PartitionBy::Class)), "finkclass=SN%20candidate");
        assert_eq!(of(false, None), "");
    }
}

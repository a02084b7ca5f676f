//! The file of an exported checkpoint: JSON, described in docs/operate.md.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::TransferError;
use super::writer::{WriterCheckpoint, writer_name};
use crate::distribution::checkpoint_state::hex;
use crate::kafka::checkpoint::Records;
use crate::timestamp::Timestamp;

const FORMAT: &str = "fink checkpoint";
const VERSION: u32 = 1;

/// An exported checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointFile {
    format: String,
    version: u32,
    /// the distribution that it was exported from
    pub distribution: String,
    /// RFC 3339
    pub exported: String,
    writers: Vec<WriterEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriterEntry {
    name: String,
    /// for people; the records count
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watermark: Option<String>,
    records: Vec<RecordEntry>,
}

/// A record. Its value is text or, where it is not UTF-8, hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RecordEntry {
    key: String,
    #[serde(flatten)]
    value: RecordValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordValue {
    Text(String),
    Hex(#[serde(with = "hex")] Vec<u8>),
}

/// The file of these checkpoints. Those that were moved away are left out.
///
/// # Errors
/// A checkpoint is damaged, or does not say how far a topic without transactions is written.
pub(crate) fn export(distribution: &str, writers: &[WriterCheckpoint]) -> Result<CheckpointFile, TransferError> {
    let mut entries = Vec::with_capacity(writers.len());
    for writer in writers {
        writer.check()?;
        let Some(state) = writer.state()? else { continue };
        let record = |(key, value): (&Vec<u8>, &Vec<u8>)| RecordEntry {
            key: String::from_utf8_lossy(key).into_owned(),
            value: match String::from_utf8(value.clone()) {
                Ok(text) => RecordValue::Text(text),
                Err(_) => RecordValue::Hex(value.clone()),
            },
        };
        entries.push(WriterEntry {
            name: writer.name.clone(),
            watermark: Some(state.watermark().rfc3339()),
            records: writer.movable_records().map(record).collect(),
        });
    }
    Ok(CheckpointFile {
        format: FORMAT.to_owned(),
        version: VERSION,
        distribution: distribution.to_owned(),
        exported: Timestamp::now().rfc3339(),
        writers: entries,
    })
}

impl CheckpointFile {
    /// Reads a file. `path` is for errors.
    ///
    /// # Errors
    /// It is not such a file, a later version wrote it, or a checkpoint is damaged.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, TransferError> {
        #[derive(Deserialize)]
        struct Header {
            format: String,
            version: u32,
        }
        let wrong = |reason: String| TransferError::File { file: path.display().to_string(), reason };
        let header: Header =
            serde_json::from_slice(text).map_err(|error| wrong(format!("it is no exported checkpoint: {error}")))?;
        if header.format != FORMAT || header.version != VERSION {
            let Header { format, version } = header;
            return Err(wrong(format!(
                "it has format `{format}` version {version}; this program reads `{FORMAT}` version {VERSION}"
            )));
        }
        let file: Self = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        for writer in file.checkpoints() {
            if let Some(key) = writer.records.keys().find(|key| writer_name(key).as_ref() != Some(&writer.name)) {
                let key = key.escape_ascii();
                return Err(wrong(format!("the key `{key}` does not begin with `{}/`", writer.name)));
            }
            writer.check()?;
            if writer.state()?.is_none() {
                return Err(wrong(format!("the checkpoint of `{}` has no state", writer.name)));
            }
        }
        Ok(file)
    }

    /// The checkpoints. Their partitions have no meaning.
    pub fn checkpoints(&self) -> Vec<WriterCheckpoint> {
        let record = |record: &RecordEntry| {
            let value = match &record.value {
                RecordValue::Text(text) => text.clone().into_bytes(),
                RecordValue::Hex(bytes) => bytes.clone(),
            };
            (record.key.clone().into_bytes(), value)
        };
        let writer = |writer: &WriterEntry| WriterCheckpoint {
            name: writer.name.clone(),
            partition: 0,
            records: writer.records.iter().map(record).collect::<Records>(),
        };
        self.writers.iter().map(writer).collect()
    }

    /// The file's content.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::checkpoint_state::CheckpointState;

    fn service() -> WriterCheckpoint {
        let state = CheckpointState::service("live", "latest", Timestamp::from_millis(5));
        let (key, value) = state.state_record().expect("a record");
        let mut ledger = vec![0xff; 16];
        ledger.extend(7_i64.to_be_bytes());
        let records = Records::from([
            (key, value.expect("a value")),
            (b"live/ledger/0000000000000000".to_vec(), ledger),
            (b"live/owner".to_vec(), b"{\"host\":\"a\",\"pid\":1,\"began\":1}".to_vec()),
        ]);
        WriterCheckpoint { name: "live".to_owned(), partition: 0, records }
    }

    fn parse(text: &str) -> Result<CheckpointFile, String> {
        CheckpointFile::parse(Path::new("f.json"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_has_all_records_but_the_owner() {
        let writer = service();
        let file = export("fink", std::slice::from_ref(&writer)).expect("a file");
        let text = String::from_utf8(file.to_json().expect("JSON")).expect("UTF-8");
        let read = parse(&text).expect("a file");
        assert_eq!(read, file);
        let movable: Records = writer.movable_records().map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(movable.len(), 2);
        assert_eq!(read.checkpoints(), [WriterCheckpoint { records: movable, ..writer }]);
    }

    #[test]
    fn another_file_is_refused_with_the_reason() {
        let file = export("fink", &[service()]).expect("a file");
        let text = String::from_utf8(file.to_json().expect("JSON")).expect("UTF-8");
        assert!(parse("{}").unwrap_err().contains("no exported checkpoint"));
        assert!(parse(&text[..text.len() - 9]).is_err());
        assert!(parse(&text.replace("\"version\": 1", "\"version\": 2")).unwrap_err().contains("version 2"));
        assert!(
            parse(&text.replace("\"key\": \"live/state", "\"key\": \"job-1/state"))
                .unwrap_err()
                .contains("job-1/state")
        );
        assert!(parse(&text.replace("live/state", "live/stale")).unwrap_err().contains("live/state"), "no state");
        assert!(parse(&text.replacen("ff", "f", 1)).is_err());
    }
}

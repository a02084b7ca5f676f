//! Records of the checkpoint, and the errors of a [`CheckpointState`](super::CheckpointState).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::LedgerError;
use crate::timestamp::Timestamp;

/// One change of the checkpoint: a key and its new value, or `None` to delete the key.
pub(crate) type Record = (Vec<u8>, Option<Vec<u8>>);

/// A checkpoint that cannot be used, or a change that would break it.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointStateError {
    /// a record has unknown or damaged contents
    #[error("cannot read checkpoint record `{key}`: {reason}")]
    Unreadable {
        /// the record's key
        key: String,
        /// what is wrong
        reason: String,
    },
    /// a damaged ledger
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// there are records, but not the state
    #[error(
        "the checkpoint holds records of `{prefix}`, but the record `{prefix}/state` is gone: its topic was deleted and created again, or lost records; say with --from where to begin"
    )]
    NoState {
        /// what the records' keys begin with
        prefix: String,
    },
    /// the checkpoint was moved to another distribution
    #[error(
        "the checkpoint of `{prefix}` was moved to the distribution `{to}`: set distribution.name = \"{to}\", or move it back with `fink checkpoint move`"
    )]
    Moved {
        /// what the records' keys begin with
        prefix: String,
        /// the other distribution
        to: String,
    },
    /// a record cannot be written as JSON
    #[error("cannot write checkpoint record `{key}`: {source}")]
    Unwritable {
        /// the record's key
        key: String,
        /// why
        source: serde_json::Error,
    },
    /// a key range that the history lane does not have
    #[error("the history lane has no key range {number}")]
    NoRange {
        /// its number
        number: u32,
    },
    /// a key range would move backwards
    #[error("key range {number} of the history lane would move back from row `{from}` to row `{to}`")]
    RangeBackwards {
        /// its number
        number: u32,
        /// the last row that is done
        from: String,
        /// the row to which it would move
        to: String,
    },
    /// the history lane is not running
    #[error("the history lane is not running")]
    NoHistory,
    /// no repair is running
    #[error("no repair is running")]
    NoRepair,
    /// the watermark would move backwards
    #[error("the watermark would move back from {watermark} to {to} (ms since 1970)")]
    WatermarkBackwards {
        /// where it is
        watermark: Timestamp,
        /// where it would move
        to: Timestamp,
    },
}

/// The records whose keys are `prefix` and a number in hexadecimal digits: the number, the key and the value. The number is `None` where
/// the rest of the key is something else.
pub(crate) fn numbered<'a>(
    records: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    prefix: &str,
) -> impl Iterator<Item = (Option<u64>, &'a [u8], &'a [u8])> {
    let prefix = prefix.as_bytes().to_vec();
    let all = records.range(prefix.clone()..);
    all.map_while(move |(key, value)| {
        let digits = key.strip_prefix(&prefix[..])?;
        let number = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        Some((number, &key[..], &value[..]))
    })
}

pub(super) fn to_json(key: &[u8], value: &impl Serialize) -> Result<Vec<u8>, CheckpointStateError> {
    serde_json::to_vec(value).map_err(|source| CheckpointStateError::Unwritable { key: text(key), source })
}

pub(super) fn unreadable(key: &[u8], reason: String) -> CheckpointStateError {
    CheckpointStateError::Unreadable { key: text(key), reason }
}

/// A record key or a row key in an error.
pub(super) fn text(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

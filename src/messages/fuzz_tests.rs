//! Damaged and hostile messages: whatever their bytes, decoding them ends with alerts or a reason. PROPTEST_CASES sets the number of cases;
//! each is damaged in 20 ways.

use proptest::prelude::*;

use super::decoder::{DecodeError, MessageDecoder};
use super::schema_set::SchemaSet;
use crate::alert::message::Framing;
use crate::alert::{BytesFormat, Encoding};
use crate::avro::{Schema, write_bytes, write_long};
use crate::kafka::Message;

/// More than any message of these tests decodes to.
const MAX_DECODED_BYTES: usize = 1 << 20;

const SCHEMA: &str = r#"{"type": "record", "name": "a", "fields": [{"name": "x", "type": ["null", "string"]}, {"name": "n", "type": "long"},
    {"name": "points", "type": {"type": "array", "items": {"type": "record", "name": "p", "fields": [
        {"name": "m", "type": {"type": "map", "values": "double"}}, {"name": "b", "type": ["bytes", "null"]}]}}},
    {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}}, {"name": "nothings", "type": {"type": "array", "items": "null"}}]}"#;

fn datum() -> Vec<u8> {
    let mut datum = vec![2];
    write_bytes("é".as_bytes(), &mut datum);
    write_long(-5, &mut datum);
    write_long(2, &mut datum);
    for _ in 0..2 {
        write_long(1, &mut datum);
        write_bytes(b"k", &mut datum);
        datum.extend(1.5f64.to_le_bytes());
        write_long(0, &mut datum);
        write_long(0, &mut datum);
        write_bytes(&[7; 10], &mut datum);
    }
    write_long(0, &mut datum);
    write_long(1, &mut datum);
    write_long(3, &mut datum);
    write_long(0, &mut datum);
    datum
}

fn decoder() -> MessageDecoder {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("7.avsc");
    std::fs::write(&file, SCHEMA).expect("a file");
    MessageDecoder::new(SchemaSet::load(&[file], None).expect("a schema"))
}

/// A message in one of the framings, with or without a key and a header.
fn message(encoding: Encoding, has_key: bool, has_header: bool) -> Message {
    let schema = Schema::parse(SCHEMA).expect("a schema");
    let mut value = Vec::new();
    Framing::new(encoding, &schema, Some(7)).expect("a framing").write(&datum(), &mut value);
    let key = has_key.then(|| SCHEMA.as_bytes().to_vec());
    let headers = match has_header {
        true => vec![("__value_schema_id".to_owned(), Some(vec![0, 0, 0, 0, 7]))],
        false => Vec::new(),
    };
    Message { topic: "t".to_owned(), partition: 0, offset: 0, timestamp: None, key, value: Some(value), headers }
}

#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    /// a varint of a huge number
    Long(usize, i64),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |wanted: &usize| wanted % bytes.len().max(1);
        match self {
            Self::Cut(wanted) => bytes.truncate(at(wanted)),
            _ if bytes.is_empty() => {}
            Self::Set(wanted, byte) => {
                let at = at(wanted);
                bytes[at] = *byte;
            }
            Self::Flip(wanted, bit) => {
                let at = at(wanted);
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Insert(wanted, inserted) => {
                let at = at(wanted);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Long(wanted, number) => {
                let at = at(wanted);
                let mut inserted = Vec::new();
                write_long(*number, &mut inserted);
                bytes.splice(at..=at, inserted);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || 0..SCHEMA.len() + 200;
    prop_oneof![
        at().prop_map(Damage::Cut),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(1 << 33), any::<i64>()])
            .prop_map(|(at, number)| Damage::Long(at, number)),
    ]
}

fn encoding() -> impl Strategy<Value = Encoding> {
    let all = [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject, Encoding::Container];
    prop::sample::select(all.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_message_gives_alerts_or_a_reason(
        encoding in encoding(),
        has_key in any::<bool>(),
        has_header in any::<bool>(),
        damages in prop::collection::vec((prop::collection::vec(damage(), 1..4), 0..4u8), 20),
    ) {
        let mut decoder = decoder();
        let good = message(encoding, has_key, has_header && encoding == Encoding::Datum);
        let found = decoder.decode(&good).map(|alerts| alerts.iter().map(|alert| alert.datum.to_vec()).collect::<Vec<_>>());
        prop_assert_eq!(found.expect("a good message"), vec![datum()]);
        for (changes, part) in &damages {
            let mut bad = good.clone();
            for change in changes {
                match (part, &mut bad.key, bad.headers.first_mut()) {
                    (0, Some(key), _) => change.apply(key),
                    (1, _, Some((_, Some(header)))) => change.apply(header),
                    _ => change.apply(bad.value.as_mut().expect("a value")),
                }
            }
            match decoder.decode(&bad) {
                Ok(alerts) => {
                    let bytes: usize = alerts.iter().map(|alert| alert.datum.len()).sum();
                    prop_assert!(bytes <= MAX_DECODED_BYTES, "{bytes} bytes of {:?}", bad);
                    for alert in &alerts {
                        prop_assert!(alert.decoder.check(&alert.datum).is_ok());
                        prop_assert!(alert.decoder.value(&alert.datum, BytesFormat::Base64).is_ok());
                    }
                }
                Err(DecodeError::Broken(reason)) => prop_assert!(!reason.is_empty()),
                Err(DecodeError::Failed(error)) => prop_assert!(false, "{error}"),
            }
        }
    }
}

//! Damaged and hostile messages: whatever their bytes, decoding them ends with alerts or a reason. FINK_FUZZ_TRIALS sets their number.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

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

fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

/// Changes some bytes: cuts, sets, flips a bit, inserts bytes, or puts in a varint of a huge number.
fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = below(random, bytes.len());
    match below(random, 5) {
        0 => bytes.truncate(at),
        1 => bytes[at] = random.next_u32() as u8,
        2 => bytes[at] ^= 1 << below(random, 8),
        3 => {
            let inserted = random.next_u64().to_le_bytes();
            let count = 1 + below(random, inserted.len());
            bytes.splice(at..at, inserted[..count].iter().copied());
        }
        _ => {
            let numbers = [i64::MAX, i64::MIN, 1 << 33, random.next_u64() as i64];
            let mut inserted = Vec::new();
            write_long(numbers[below(random, numbers.len())], &mut inserted);
            bytes.splice(at..=at, inserted);
        }
    }
}

/// A good message in one of the framings, with or without a key and a header, and a damaged one.
fn trial(random: &mut ChaCha8Rng) -> (Message, Message) {
    let all = [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject, Encoding::Container];
    let (encoding, bits) = (all[below(random, all.len())], random.next_u32());
    let good = message(encoding, bits & 1 == 0, bits & 2 == 0 && encoding == Encoding::Datum);
    let mut bad = good.clone();
    let part = below(random, 4);
    for _ in 0..1 + below(random, 3) {
        match (part, &mut bad.key, bad.headers.first_mut()) {
            (0, Some(key), _) => damage(key, random),
            (1, _, Some((_, Some(header)))) => damage(header, random),
            _ => damage(bad.value.as_mut().expect("a value"), random),
        }
    }
    (good, bad)
}

/// How many alerts a message gives, 0 if it is refused.
fn decode(decoder: &mut MessageDecoder, message: &Message) -> usize {
    match decoder.decode(message) {
        Ok(alerts) => {
            let bytes: usize = alerts.iter().map(|alert| alert.datum.len()).sum();
            assert!(bytes <= MAX_DECODED_BYTES, "{bytes} bytes of {message:?}");
            for alert in &alerts {
                assert!(alert.decoder.check(&alert.datum).is_ok());
                assert!(alert.decoder.value(&alert.datum, BytesFormat::Base64).is_ok());
            }
            alerts.len()
        }
        Err(DecodeError::Broken(reason)) => {
            assert!(!reason.is_empty());
            0
        }
        Err(DecodeError::Failed(error)) => panic!("{error}"),
    }
}

#[test]
fn a_damaged_message_gives_alerts_or_a_reason() {
    let trials = std::env::var("FINK_FUZZ_TRIALS").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000);
    let mut decoder = decoder();
    let (mut decoded, mut refused) = (0_u64, 0_u64);
    for number in 0..trials {
        let (good, bad) = trial(&mut ChaCha8Rng::seed_from_u64(number));
        let found = catch_unwind(AssertUnwindSafe(|| {
            assert_eq!(decode(&mut decoder, &good), 1);
            decode(&mut decoder, &bad)
        }));
        match found.unwrap_or_else(|_| panic!("trial {number}: {bad:?}")) {
            0 => refused += 1,
            _ => decoded += 1,
        }
    }
    println!("{trials} damaged messages: {refused} refused, {decoded} decoded");
}

use serde_json::json;

use super::{BytesFormat, Decoder, Scalar, SchemaCache};
use crate::avro::{Schema, write_long};

fn decoder() -> Decoder {
    Decoder::new(
        Schema::from_json(&json!({"type": "record", "name": "alert", "fields": [
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": ["null", {"type": "record", "name": "candidate", "fields": [
                {"name": "ra", "type": "double"}, {"name": "mag", "type": "float"}]}]},
            {"name": "stamp", "type": "bytes"},
            {"name": "history", "type": {"type": "array", "items": ["null", "double"]}}]}))
        .unwrap(),
    )
}

fn datum(candidate: bool) -> Vec<u8> {
    let mut out = b"\x06\"Z\n".to_vec();
    write_long((1 << 53) + 1, &mut out);
    match candidate {
        true => {
            out.push(2);
            out.extend(f64::NAN.to_le_bytes());
            out.extend(0.1f32.to_le_bytes());
        }
        false => out.push(0),
    }
    out.extend(b"\x08abcd");
    out.extend([4, 0, 2]);
    out.extend(f64::NEG_INFINITY.to_le_bytes());
    out.push(0);
    out
}

#[test]
fn line_of_json_is_exact() {
    let line = |bytes| {
        let mut out = Vec::new();
        decoder().json(&datum(true), bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        line(BytesFormat::Base64),
        r#"{"objectId":"\"Z\n","candid":9007199254740993,"candidate":{"ra":"NaN","mag":0.1},"stamp":"YWJjZA==","history":[null,"-Infinity"]}"#
    );
    assert!(line(BytesFormat::Length).contains(r#""stamp":"<4 bytes>""#));
}

#[test]
fn few_fields_are_read_by_name() {
    let decoder = decoder();
    let few = decoder.projection(&["candidate.mag", "objectId", "candidate", "history"]).unwrap();
    let there = datum(true);
    let values = few.read(&there).unwrap();
    assert_eq!(values[0], Scalar::Float(0.1));
    assert_eq!(values[1], Scalar::Text("\"Z\n"));
    assert_eq!(values[2], Scalar::Json(r#"{"ra":"NaN","mag":0.1}"#.into()));
    assert_eq!(values[3], Scalar::Json(r#"[null,"-Infinity"]"#.into()));
    let null = datum(false);
    assert_eq!(few.read(&null).unwrap()[..1], [Scalar::Null]);
    assert_eq!(decoder.projection(&["candid"]).unwrap().read(&null[..12]).unwrap(), [Scalar::Integer((1 << 53) + 1)]);
    let error = decoder.projection(&["mag"]).unwrap_err();
    assert_eq!(error.similar, ["candidate.mag"]);
    assert!(decoder.projection(&["candidate.nosuch"]).is_err());
    assert!(decoder.projection(&["candid.x"]).is_err());
}

#[test]
fn keys_are_parsed_once_and_others_refused() {
    let mut cache = SchemaCache::default();
    let key = decoder().schema().to_string();
    let first = cache.get(key.as_bytes()).unwrap();
    let other = cache.get(br#""string""#).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &cache.get(key.as_bytes()).unwrap()));
    assert!(!std::sync::Arc::ptr_eq(&first, &other));
    for wrong in [b"123".as_slice(), b"", b"3.1_5.9", b"\xff"] {
        assert!(cache.get(wrong).is_err());
    }
}

#[test]
fn the_later_of_two_fields_of_one_name_counts() {
    let text = r#"{"type":"record","name":"r","fields":[{"name":"x","type":"string"},{"name":"n","type":"int"},
        {"name":"x","type":["null","string"]}]}"#;
    let decoder = Decoder::new(crate::avro::WrittenSchema::parse(text).unwrap().schema);
    let datum = b"\x02a\x0e\x02\x02b";
    assert_eq!(decoder.value(datum, BytesFormat::Base64).unwrap().to_string(), r#"{"n":7,"x":"b"}"#);
    assert_eq!(decoder.projection(&["x"]).unwrap().read(datum).unwrap(), [super::Scalar::Text("b")]);
    assert!(decoder.value(&datum[..3], BytesFormat::Base64).is_err());
}

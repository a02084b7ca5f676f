use super::*;
use crate::alert::decoder::Decoder;
use crate::avro::{Schema, write_bytes, write_long};

const SCHEMA: &str = r#"{"type":"record","name":"a","fields":[{"name":"objectId","type":"string"},{"name":"candidate","type":{"type":"record","name":"c","fields":[
    {"name":"magpsf","type":"float"},{"name":"drb","type":["null","float"]},{"name":"candid","type":"long"},{"name":"is_new","type":"boolean"},{"name":"xs","type":{"type":"array","items":"int"}}]}}]}"#;

fn decoder() -> Decoder {
    Decoder::new(Schema::parse(SCHEMA).expect("a schema"))
}

/// objectId 'ZTF', magpsf 18.3, drb as given, candid 2^53 + 1, is_new true.
fn datum(drb: Option<f32>) -> Vec<u8> {
    let mut datum = Vec::new();
    write_bytes(b"ZTF", &mut datum);
    datum.extend_from_slice(&18.3_f32.to_le_bytes());
    match drb {
        None => datum.push(0),
        Some(drb) => {
            datum.push(2);
            datum.extend_from_slice(&drb.to_le_bytes());
        }
    }
    write_long(9_007_199_254_740_993, &mut datum);
    datum.extend_from_slice(&[1, 0]);
    datum
}

fn is_true(text: &str, drb: Option<f32>) -> bool {
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let bound = condition.bind(&decoder()).unwrap_or_else(|error| panic!("{text}: {error}"));
    bound.is_true(&datum(drb)).expect("a datum")
}

#[test]
fn conditions_hold_as_written() {
    for text in [
        "magpsf < 18.5",
        "magpsf = 18.3",
        "candidate.magpsf<=18.3 and candidate_magpsf >= 18.3",
        "drb > 0.9 AND objectId = 'ZTF'",
        "candid = 9007199254740993",
        "candid != 9007199254740992",
        "candid - 1 = 9007199254740992",
        "magpsf between 18 and 19",
        "not magpsf between 19 and 20",
        "objectId in ('x', \"ZTF\")",
        "objectId not in ('x', 'y')",
        "objectId = 'it''s' or is_new",
        "is_new = true",
        "(magpsf - 18) * 10 > 2.9",
        "-magpsf < -18",
        "1 + 2 * 3 = 7 and (1 + 2) * 3 = 9",
        "drb is not null && xs is not null",
        "2e1 > magpsf",
        "objectId < 'ZTG'",
    ] {
        assert!(is_true(text, Some(0.95)), "{text}");
    }
    for text in ["magpsf > 18.3", "drb < 0.9", "not is_new", "objectId <> 'ZTF'", "magpsf / 0 < 1", "drb is null"] {
        assert!(!is_true(text, Some(0.95)), "{text}");
    }
}

#[test]
fn null_is_neither_true_nor_false() {
    for text in
        ["drb > 0.5", "drb <= 0.5", "not drb > 0.5", "drb != 1", "drb in (1, 2)", "drb not in (1, 2)", "drb + 1 > 0"]
    {
        assert!(!is_true(text, None), "{text}");
    }
    for text in ["drb is null", "drb > 0.5 or magpsf < 19", "not (drb > 0.5 and magpsf > 19)"] {
        assert!(is_true(text, None), "{text}");
    }
}

#[test]
fn nan_is_above_and_below_nothing() {
    assert!(!is_true("drb > 0 or drb <= 0 or drb = drb", Some(f32::NAN)));
    assert!(is_true("drb != 0", Some(f32::NAN)));
}

#[test]
fn errors_name_the_place_and_the_nearest_field() {
    let error = |text: &str| match Condition::parse(text) {
        Err(error) => error.to_string(),
        Ok(condition) => condition.bind(&decoder()).expect_err(text).to_string(),
    };
    for (text, wanted) in [
        (
            "drb > 0.5 and magpsff < 18",
            "at character 15: the alerts have no field `magpsff` (nearest: `candidate.magpsf`",
        ),
        ("magpsf <", "at character 9: a field or a value is expected, found the end"),
        ("magpsf < 18 18", "at character 13: `18` does not belong here"),
        ("magpsf < 'x'", "at character 10: a number cannot be compared with text"),
        ("magpsf", "at character 1: the condition must be true or false, and this is a number"),
        ("xs = 3", "no single value cannot be compared with a number"),
        ("(magpsf < 18", "`)` is expected, found the end"),
        ("magpsf < 1x", "`1x` is not a number"),
        ("objectId = 'x", "at character 12: the text that begins here has no ' at its end"),
        ("drb = null", "at character 7: nothing is equal to null: ask with `is null`"),
        ("é ; x", "`;` has no meaning here"),
        ("", "a field or a value is expected"),
        ("magpsf < nan", "the alerts have no field `nan`"),
        (&"(".repeat(5000), "brackets lie too deep"),
        (&"not ".repeat(2000), "brackets lie too deep"),
        (&"x".repeat(20_000), "longer than"),
    ] {
        assert!(error(text).contains(wanted), "{text:.40}: {}", error(text));
    }
}

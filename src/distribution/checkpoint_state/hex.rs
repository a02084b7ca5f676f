//! Row keys in the checkpoint's JSON: any bytes, as hexadecimal digits.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(D::Error::custom("an odd number of hexadecimal digits"));
    };
    pairs
        .iter()
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| D::Error::custom("not hexadecimal"))
}

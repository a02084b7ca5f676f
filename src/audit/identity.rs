//! What all messages of one alert have in common, whatever their framing: the Avro datum, and the fields that identify the alert.

use std::collections::HashMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::alert::Encoding;
use crate::alert::decoder::{Decoder, Projection, Scalar};
use crate::alert::message::unframe;
use crate::avro::container::MAGIC;
use crate::avro::{Malformed, Reader, Schema};

/// Fields that identify an alert: ZTF's, Rubin's, and those of derived schemas.
const IDENTITY_FIELDS: [&str; 5] =
    ["candid", "diaSource.diaSourceId", "diaSourceId", "objectId", "diaSource.ssObjectId"];
/// Maximum number of parsed schemas; a topic rarely has more than two.
const MAX_SCHEMAS: usize = 16;

/// Hash of the Avro datum in a message value. A value that is not framed as in `encoding` is hashed as it is.
pub(super) fn hash_datum(encoding: Encoding, value: &[u8]) -> u64 {
    xxh3_64(datum(encoding, value).unwrap_or(value))
}

fn datum(encoding: Encoding, value: &[u8]) -> Result<&[u8], Malformed> {
    match encoding {
        Encoding::Container => in_container(value),
        _ => unframe(encoding, value).map(|(_, datum)| datum),
    }
}

/// The data of the first block of an object container file.
fn in_container(value: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(value);
    if reader.take(MAGIC.len())? != MAGIC {
        return reader.error("no `Obj` at the beginning");
    }
    loop {
        let count = reader.block(false)?;
        if count == 0 {
            break;
        }
        for _ in 0..count {
            reader.bytes()?;
            reader.bytes()?;
        }
    }
    reader.array::<16>()?;
    reader.long()?;
    reader.bytes()
}

/// Hashes the fields that identify an alert, if the message key is its schema.
#[derive(Default)]
pub(super) struct IdentityHasher {
    known: HashMap<Vec<u8>, Vec<Projection>>,
}

impl IdentityHasher {
    /// A hash of the alert's own identifiers; if they cannot be found, of the partition, which depends on the alert's object.
    pub fn hash(&mut self, encoding: Encoding, key: Option<&[u8]>, value: &[u8], partition: u32) -> u64 {
        let mut hash = Xxh3::new();
        let mut is_known = false;
        if let Ok(datum) = datum(encoding, value) {
            for projection in self.projections(key.unwrap_or_default()) {
                let Ok(values) = projection.read(datum) else { continue };
                for value in values.iter().filter(|value| **value != Scalar::Null) {
                    is_known = true;
                    hash.update(format!("{value:?}").as_bytes());
                }
            }
        }
        if !is_known {
            hash.update(&partition.to_be_bytes());
        }
        hash.digest()
    }

    fn projections(&mut self, schema: &[u8]) -> &[Projection] {
        if !self.known.contains_key(schema) {
            if self.known.len() >= MAX_SCHEMAS {
                self.known.clear();
            }
            let decoder = std::str::from_utf8(schema).ok().and_then(|json| Schema::parse(json).ok()).map(Decoder::new);
            let found =
                decoder.iter().flat_map(|decoder| IDENTITY_FIELDS.iter().map(|field| decoder.projection(&[field])));
            self.known.insert(schema.to_vec(), found.flatten().collect());
        }
        self.known.get(schema).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::message::Framing;

    const SCHEMA: &str = r#"{"type": "record", "name": "alert", "fields": [
        {"name": "objectId", "type": "string"}, {"name": "magpsf", "type": "double"}]}"#;

    #[test]
    fn hash_does_not_depend_on_the_framing() {
        let schema = Schema::parse(SCHEMA).unwrap();
        let datum = b"\x04ab\0\0\0\0\0\0\0\0";
        for encoding in [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject, Encoding::Container] {
            let mut framed = Vec::new();
            Framing::new(encoding, &schema, Some(3)).unwrap().write(datum, &mut framed);
            assert_eq!(hash_datum(encoding, &framed), xxh3_64(datum), "{encoding:?}");
        }
        assert_ne!(hash_datum(Encoding::Datum, b"other"), xxh3_64(datum));
        assert_eq!(hash_datum(Encoding::Container, b"no container"), xxh3_64(b"no container"));
    }

    #[test]
    fn identity_depends_on_the_identifiers_only() {
        let mut identities = IdentityHasher::default();
        let mut of =
            |value: &[u8], key: Option<&[u8]>, partition| identities.hash(Encoding::Datum, key, value, partition);
        let (one, same, other) = (b"\x04ab\0\0\0\0\0\0\0\0", b"\x04ab\0\0\0\0\0\0\0\x40", b"\x04ac\0\0\0\0\0\0\0\0");
        let key = Some(SCHEMA.as_bytes());
        assert_eq!(of(one, key, 0), of(same, key, 1));
        assert_ne!(of(one, key, 0), of(other, key, 0));
        assert_eq!(of(one, Some(b"1.0_2.0"), 4), of(other, None, 4));
        assert_ne!(of(one, None, 4), of(one, None, 5));
    }
}

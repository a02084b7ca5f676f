//! Alerts without their stamps.

use std::borrow::Cow;
use std::sync::Arc;

use crate::alert::decoder::Decoder;
use crate::avro::{Kind, Malformed, Reader, Schema, Skipper};
use crate::messages::Alert;

/// The beginning of the fields that are stamps: ZTF's records, Rubin's bytes.
const STAMPS: &str = "cutout";

/// Takes the stamps out of alerts of any schema.
#[derive(Debug, Default)]
pub struct StampRemover {
    last: Option<(Arc<Schema>, Arc<Removal>)>,
}

#[derive(Debug)]
struct Removal {
    skipper: Skipper,
    decoder: Arc<Decoder>,
    /// by field of the root, whether it stays
    stays: Vec<bool>,
}

impl StampRemover {
    /// The alert without its stamps; one that has none as it is.
    ///
    /// # Errors
    /// The datum is damaged.
    pub fn remove<'a>(&mut self, alert: &'a Alert<'a>) -> Result<Alert<'a>, Malformed> {
        let schema = alert.decoder.schema();
        let known = self.last.take().filter(|(known, _)| Arc::ptr_eq(known, schema));
        let (_, removal) =
            self.last.insert(known.unwrap_or_else(|| (Arc::clone(schema), Arc::new(Removal::new(&alert.decoder)))));
        let Kind::Record { fields, .. } = schema.kind(schema.root()) else { return Ok(alert.clone()) };
        if removal.stays.iter().all(|stays| *stays) {
            return Ok(alert.clone());
        }
        let mut reader = Reader::new(&alert.datum);
        let mut datum = Vec::new();
        for (field, stays) in fields.iter().zip(&removal.stays) {
            let start = reader.position();
            removal.skipper.skip(field.node, &mut reader)?;
            if *stays {
                datum.extend_from_slice(reader.since(start));
            }
        }
        Ok(Alert { decoder: Arc::clone(&removal.decoder), datum: Cow::Owned(datum) })
    }
}

impl Removal {
    fn new(decoder: &Arc<Decoder>) -> Self {
        let schema = decoder.schema();
        let skipper = Skipper::new(schema);
        let mut document = schema.to_json();
        let mut stays = Vec::new();
        if let Some(fields) = document["fields"].as_array_mut() {
            stays = fields.iter().map(|field| !is_stamp(field["name"].as_str().unwrap_or_default())).collect();
            fields.retain(|field| !is_stamp(field["name"].as_str().unwrap_or_default()));
        }
        // A schema that cannot do without its stamps, since a type is defined there that others name, keeps them.
        match Schema::from_json(&document) {
            Ok(pruned) => Self { skipper, decoder: Arc::new(Decoder::new(pruned)), stays },
            Err(error) => {
                log::warn!("the stamps cannot be left out of these alerts: {error}");
                Self { skipper, decoder: Arc::clone(decoder), stays: vec![true; stays.len()] }
            }
        }
    }
}

fn is_stamp(name: &str) -> bool {
    name.starts_with(STAMPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_stamp_stays() {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"x","type":"int"},{"name":"cutoutScience","type":["null",{"type":"record","name":"c","fields":[{"name":"stampData","type":"bytes"}]}]},
            {"name":"cutoutTemplate","type":["null","c"]},{"name":"y","type":"string"}]}"#;
        let decoder = Arc::new(Decoder::new(Schema::parse(schema).expect("a schema")));
        let alert = Alert { decoder, datum: Cow::Borrowed(b"\x0e\x02\x06abc\x00\x04hi") };
        let mut remover = StampRemover::default();
        for _ in 0..2 {
            let without = remover.remove(&alert).expect("a datum");
            assert_eq!(without.datum, b"\x0e\x04hi".as_slice());
            assert!(without.decoder.check(&without.datum).is_ok() && !without.decoder.has_field("cutoutScience"));
        }
    }
}

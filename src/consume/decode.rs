//! From a message to its alerts: which schema, which framing.
//!
//! Nothing on a topic says how its messages are made. So each framing is tried, beginning with the one that last worked for the topic, and a
//! value counts as decoded only where it is one whole datum of the schema.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::ConsumeError;
use super::schemas::SchemaSet;
use crate::alert::Encoding;
use crate::alert::decoder::{Decoder, SchemaCache};
use crate::alert::message::unframe;
use crate::avro::container::Container;
use crate::avro::container::{FileHeader, MAGIC};
use crate::avro::{Malformed, Reader};
use crate::kafka::Message;

/// An alert of a message.
#[derive(Clone, Debug)]
pub struct Alert<'m> {
    /// for its schema
    pub decoder: Arc<Decoder>,
    /// a whole datum of that schema
    pub datum: Cow<'m, [u8]>,
}

/// Why a message gives no alert.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// the message is at fault, in words
    #[error("{0}")]
    Broken(String),
    /// nothing can be decoded at the moment
    #[error(transparent)]
    Failed(#[from] ConsumeError),
}

fn broken(reason: impl ToString) -> DecodeError {
    DecodeError::Broken(reason.to_string())
}

/// Decodes messages of any topics.
#[derive(Debug)]
pub struct MessageDecoder {
    schemas: SchemaSet,
    by_key: SchemaCache,
    by_header: SchemaCache,
    /// the framing that last worked, by topic
    framings: HashMap<String, Encoding>,
    /// the schema from a file that last fitted
    last_file: Option<Arc<Decoder>>,
    /// where the first alert's schema is to be written
    dump: Option<PathBuf>,
}

impl MessageDecoder {
    /// With schemas for messages that bring none.
    pub fn new(schemas: SchemaSet) -> Self {
        let (by_key, by_header) = Default::default();
        Self { schemas, by_key, by_header, framings: HashMap::new(), last_file: None, dump: None }
    }

    /// Writes the schema of the first alert to this file.
    pub fn dump_schema(&mut self, file: Option<PathBuf>) {
        self.dump = file;
    }

    /// The alerts of a message: one, or those of an Avro file.
    ///
    /// # Errors
    /// The message has no value, no schema is known for it, or the value is no datum of it; or a registry is away.
    pub fn decode<'m>(&mut self, message: &'m Message) -> Result<Vec<Alert<'m>>, DecodeError> {
        let alerts = self.alerts(message)?;
        if let (Some(alert), Some(file)) = (alerts.first(), &self.dump) {
            let json = serde_json::to_vec_pretty(&alert.decoder.schema().to_json()).map_err(broken)?;
            std::fs::write(file, json).map_err(ConsumeError::file("cannot write the schema", file))?;
            log::info!("the schema is written to {}", file.display());
            self.dump = None;
        }
        Ok(alerts)
    }

    fn alerts<'m>(&mut self, message: &'m Message) -> Result<Vec<Alert<'m>>, DecodeError> {
        let value = message.value.as_deref().ok_or_else(|| broken("the message has no value"))?;
        if value.starts_with(MAGIC) {
            return self.container(value);
        }
        let key = message.key.as_deref().unwrap_or_default();
        let (of_key, key_fault) = match looks_like_schema(key).then(|| self.by_key.get(key)) {
            Some(Ok(decoder)) => (Some(decoder), None),
            Some(Err(error)) => (None, Some(format!("the message's key is not the alert's schema: {error}"))),
            None => (None, None),
        };
        let named = std::str::from_utf8(key).ok().and_then(|key| self.schemas.by_name(key)).cloned();
        let last = self.framings.get(&message.topic).copied();
        let mut first_fault: Option<Malformed> = None;
        let framings = [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject];
        let others = framings.into_iter().filter(|framing| Some(*framing) != last);
        for framing in last.into_iter().chain(others) {
            let Ok((id, datum)) = unframe(framing, value) else { continue };
            for decoder in self.candidates(framing, id, of_key.as_ref().or(named.as_ref()))? {
                match decoder.check(datum) {
                    Ok(()) => {
                        if last != Some(framing) {
                            self.framings.insert(message.topic.clone(), framing);
                        }
                        if of_key.is_none() {
                            self.last_file = Some(Arc::clone(&decoder));
                        }
                        return Ok(vec![Alert { decoder, datum: Cow::Borrowed(datum) }]);
                    }
                    Err(fault) => drop(first_fault.get_or_insert(fault)),
                }
            }
        }
        Err(broken(match (first_fault, key_fault) {
            (Some(fault), _) => fault.to_string(),
            (None, Some(fault)) => fault,
            (None, None) => no_schema(value, key),
        }))
    }

    /// The schemas that a datum may have: the message's own alone, where it brings one.
    fn candidates(
        &mut self,
        framing: Encoding,
        id: Option<u64>,
        own: Option<&Arc<Decoder>>,
    ) -> Result<Vec<Arc<Decoder>>, ConsumeError> {
        if let Some(own) = own {
            return Ok(vec![Arc::clone(own)]);
        }
        let of_id = match (framing, id) {
            (Encoding::Confluent, Some(id)) => self.schemas.by_id(u32::try_from(id).unwrap_or(u32::MAX))?,
            (Encoding::SingleObject, Some(fingerprint)) => self.schemas.by_fingerprint(fingerprint).cloned(),
            _ => None,
        };
        if let Some(of_id) = of_id {
            return Ok(vec![of_id]);
        }
        let last = self.last_file.iter();
        Ok(last.chain(self.schemas.all()).cloned().collect())
    }

    fn container<'m>(&mut self, value: &'m [u8]) -> Result<Vec<Alert<'m>>, DecodeError> {
        if let Ok(Some(SingleDatum { schema, datum })) = single_datum(value) {
            let decoder = self.by_header.get(schema).map_err(broken)?;
            if decoder.check(datum).is_ok() {
                return Ok(vec![Alert { decoder, datum: Cow::Borrowed(datum) }]);
            }
        }
        let container = Container::read(value).map_err(broken)?;
        let decoder = self.by_header.get(container.schema_json.as_bytes()).map_err(broken)?;
        let alert = |datum: &[u8]| Alert { decoder: Arc::clone(&decoder), datum: Cow::Owned(datum.to_vec()) };
        Ok(container.data().map(alert).collect())
    }
}

/// Whether bytes begin as a schema's JSON does. Keys that are numbers or versions are JSON, or nearly, but no schemas.
fn looks_like_schema(key: &[u8]) -> bool {
    matches!(key.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['))
}

/// The parts of an Avro file with one datum.
struct SingleDatum<'a> {
    /// JSON
    schema: &'a [u8],
    datum: &'a [u8],
}

/// The schema and the datum of an Avro file of one uncompressed block with one datum, which needs no copy; `None`: it is another.
fn single_datum(file: &[u8]) -> Result<Option<SingleDatum<'_>>, Malformed> {
    let mut reader = Reader::new(file);
    reader.take(MAGIC.len())?;
    let FileHeader { schema, codec, sync } = FileHeader::read(&mut reader)?;
    let count = reader.long()?;
    let datum = reader.bytes()?;
    let whole = reader.array::<16>()? == sync && reader.left() == 0;
    let is_single = whole && count == 1 && codec == "null";
    Ok(schema.filter(|_| is_single).map(|schema| SingleDatum { schema: schema.as_bytes(), datum }))
}

fn no_schema(value: &[u8], key: &[u8]) -> String {
    let key = match key.is_empty() {
        true => "there is no key".to_owned(),
        false => format!("the key is `{}`", crate::escape::shorten(&String::from_utf8_lossy(key), 40)),
    };
    let id = match (unframe(Encoding::Confluent, value), unframe(Encoding::SingleObject, value)) {
        (Ok((Some(id), _)), _) => format!(", or the schema with the id {id} in a registry,"),
        (_, Ok((Some(fingerprint), _))) => format!(" with the fingerprint {fingerprint:016x}"),
        _ => String::new(),
    };
    format!("no schema is known for it: {key}; give the schema's file{id} with --schema or --registry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::message::Framing;
    use crate::avro::Schema;

    const SCHEMA: &str =
        r#"{"type":"record","name":"a","fields":[{"name":"x","type":["null","string"]},{"name":"n","type":"long"}]}"#;
    const DATUM: &[u8] = b"\x02\x04hi\x0e";

    fn message(encoding: Encoding, key: Option<&[u8]>) -> Message {
        let schema = Schema::parse(SCHEMA).expect("a schema");
        let mut value = Vec::new();
        Framing::new(encoding, &schema, Some(7)).expect("a framing").write(DATUM, &mut value);
        let (topic, key, value) = ("t".to_owned(), key.map(<[u8]>::to_vec), Some(value));
        Message { topic, partition: 0, offset: 0, timestamp: None, key, value, headers: Vec::new() }
    }

    fn with_file(name: &str) -> MessageDecoder {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        std::fs::write(&file, SCHEMA).expect("a file");
        MessageDecoder::new(SchemaSet::load(&[file], None).expect("a schema"))
    }

    const ENCODINGS: [Encoding; 4] =
        [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject, Encoding::Container];

    #[test]
    fn every_framing_is_found_with_the_schema_in_the_key() {
        let mut decoder = MessageDecoder::new(SchemaSet::default());
        for encoding in ENCODINGS {
            let message = message(encoding, Some(SCHEMA.as_bytes()));
            let alerts = decoder.decode(&message).unwrap_or_else(|e| panic!("{encoding:?}: {e}"));
            assert_eq!(alerts.len(), 1, "{encoding:?}");
            assert_eq!(alerts[0].datum, DATUM, "{encoding:?}");
        }
    }

    #[test]
    fn a_schema_from_a_file_serves_every_other_key() {
        for name in ["7.avsc", "any.avsc"] {
            for key in [None, Some(b"ZTF18abc".as_slice()), Some(b"1.0_2.1"), Some(b"123")] {
                let mut decoder = with_file(name);
                for encoding in ENCODINGS {
                    let message = message(encoding, key);
                    let alerts = decoder.decode(&message).unwrap_or_else(|e| panic!("{encoding:?} {key:?}: {e}"));
                    assert_eq!(alerts[0].datum, DATUM);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded_says_what_is_missing() {
        let mut decoder = MessageDecoder::new(SchemaSet::default());
        let mut fault = |encoding, key| decoder.decode(&message(encoding, key)).unwrap_err().to_string();
        assert!(fault(Encoding::Datum, None).contains("no schema is known for it: there is no key"));
        assert!(fault(Encoding::Confluent, Some(b"1")).contains("the id 7 in a registry"));
        assert!(fault(Encoding::SingleObject, None).contains("with the fingerprint "));
        assert!(
            fault(Encoding::Datum, Some(b"{\"type\":\"recor\"}"))
                .contains("the message's key is not the alert's schema")
        );
        let mut cut = message(Encoding::Datum, Some(SCHEMA.as_bytes()));
        cut.value.as_mut().expect("a value").pop();
        let error = decoder.decode(&cut).unwrap_err().to_string();
        assert_eq!(error, "an unterminated varint at byte 4");
        cut.value = None;
        assert_eq!(decoder.decode(&cut).unwrap_err().to_string(), "the message has no value");
    }
}

//! From a message to its alerts: which schema, which framing.
//!
//! Nothing on a topic says how its messages are made. So each framing is tried, beginning with the one that last worked for the topic, and a
//! value counts as decoded only where it is one whole datum of the schema. Where ids are known, by the names of files or from a registry, a
//! message with an id is decoded with the schema of this id alone; a bare datum that fits several different schemas is refused.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::SchemaSetError;
use super::schema_id::{SchemaId, VALUE_SCHEMA_ID_HEADER};
use super::schema_set::SchemaSet;
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
    /// a schema is not available now; the message may be decoded later
    #[error(transparent)]
    Failed(#[from] SchemaSetError),
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
    /// where the first alert's schema is to be written
    dump: Option<PathBuf>,
}

impl MessageDecoder {
    /// With schemas for messages that bring none.
    pub fn new(schemas: SchemaSet) -> Self {
        let (by_key, by_header) = Default::default();
        Self { schemas, by_key, by_header, framings: HashMap::new(), dump: None }
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
            std::fs::write(file, json).map_err(SchemaSetError::file("cannot write the schema", file))?;
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
        let header = message.headers.iter().rev().find(|(name, _)| name == VALUE_SCHEMA_ID_HEADER);
        if let Some((_, id)) = header {
            return self.of_header(id.as_deref().unwrap_or_default(), value);
        }
        let key = message.key.as_deref().unwrap_or_default();
        let (of_key, key_fault) = match looks_like_schema(key).then(|| self.by_key.get(key)) {
            Some(Ok(decoder)) => (Some(decoder), None),
            Some(Err(error)) => (None, Some(format!("the message's key is not the alert's schema: {error}"))),
            None => (None, None),
        };
        let named = std::str::from_utf8(key).ok().and_then(|key| self.schemas.by_name(key)).cloned();
        let own = of_key.as_ref().or(named.as_ref());
        let mut fault: Option<String> = None;
        for framing in self.framings(&message.topic, value) {
            let Ok((id, datum)) = unframe(framing, value) else { continue };
            let candidates = match own {
                Some(own) => Candidates::Any(vec![Arc::clone(own)]),
                None => self.candidates(framing, id)?,
            };
            let fits = |decoder: &Arc<Decoder>| decoder.check(datum);
            let decoder = match &candidates {
                Candidates::Unknown(reason) => Err(Some(reason.clone())),
                Candidates::Of(decoder, id) => match fits(decoder) {
                    Ok(()) => Ok(Arc::clone(decoder)),
                    Err(malformed) => Err(Some(format!("it is no alert of the schema {id}: {malformed}"))),
                },
                Candidates::Any(decoders) => match only_fitting(decoders, datum) {
                    Ok(decoder) => Ok(decoder),
                    // With several schemas, the fault under the first says little.
                    Err(Misfit::None(malformed)) => Err(malformed.map(|fault| match decoders.len() {
                        1 => fault.to_string(),
                        count => format!("it is an alert of none of the {count} schemas"),
                    })),
                    Err(Misfit::Several(several)) => return Err(broken(several)),
                },
            };
            match decoder {
                Ok(decoder) => {
                    self.framings.insert(message.topic.clone(), framing);
                    return Ok(vec![Alert { decoder, datum: Cow::Borrowed(datum) }]);
                }
                // What is known of the id says more than how a framed value fails as a bare datum.
                Err(Some(reason)) if fault.is_none() || !matches!(candidates, Candidates::Any(_)) => {
                    fault = Some(reason);
                }
                Err(_) => {}
            }
        }
        Err(broken(fault.or(key_fault).unwrap_or_else(|| no_schema(value, key))))
    }

    /// The framings to try: one whose id a file has, that which last worked for the topic, the others.
    fn framings(&self, topic: &str, value: &[u8]) -> impl Iterator<Item = Encoding> + use<> {
        let known = match (unframe(Encoding::Confluent, value), unframe(Encoding::SingleObject, value)) {
            (Ok((Some(id), _)), _) if self.schemas.has_file_of(id) => Some(Encoding::Confluent),
            (_, Ok((Some(id), _))) if self.schemas.by_fingerprint(id).is_some() => Some(Encoding::SingleObject),
            _ => None,
        };
        let first = known.or_else(|| self.framings.get(topic).copied());
        let others = [Encoding::Datum, Encoding::Confluent, Encoding::SingleObject];
        first.into_iter().chain(others.into_iter().filter(move |framing| Some(*framing) != first))
    }

    /// The alert of a message whose header has the id of its schema.
    fn of_header<'m>(&mut self, header: &[u8], value: &'m [u8]) -> Result<Vec<Alert<'m>>, DecodeError> {
        let id = SchemaId::from_header(header);
        let id = id.ok_or_else(|| broken(format!("its header `{VALUE_SCHEMA_ID_HEADER}` has no id of a schema")))?;
        let decoder = match self.schemas.by_id(id)? {
            Some(found) => found.map_err(broken)?,
            None => {
                return Err(broken(format!(
                    "no schema is known for it: give the file of the schema with the id {id} with --schema, or its registry with --registry"
                )));
            }
        };
        let fault = |malformed| broken(format!("it is no alert of the schema {id}: {malformed}"));
        decoder.check(value).map_err(fault)?;
        Ok(vec![Alert { decoder, datum: Cow::Borrowed(value) }])
    }

    /// The schemas that the datum of a message without a schema of its own may have.
    fn candidates(&mut self, framing: Encoding, id: Option<u64>) -> Result<Candidates, SchemaSetError> {
        match (framing, id) {
            (Encoding::Confluent, Some(number)) => {
                let id = SchemaId::Number(u32::try_from(number).unwrap_or(u32::MAX));
                match self.schemas.by_id(id)? {
                    Some(Ok(decoder)) => return Ok(Candidates::Of(decoder, id.to_string())),
                    Some(Err(reason)) => return Ok(Candidates::Unknown(reason)),
                    None if self.schemas.has_ids() => {
                        return Ok(Candidates::Unknown(format!(
                            "no file has the schema with the id {id}: add it to --schema, or give a registry with --registry"
                        )));
                    }
                    None => {}
                }
            }
            (Encoding::SingleObject, Some(fingerprint)) => match self.schemas.by_fingerprint(fingerprint) {
                Some(decoder) => return Ok(Candidates::Of(Arc::clone(decoder), format!("{fingerprint:016x}"))),
                None if self.schemas.all().next().is_some() => {
                    return Ok(Candidates::Unknown(format!(
                        "no file has the schema with the fingerprint {fingerprint:016x}: add it to --schema"
                    )));
                }
                None => {}
            },
            _ => {}
        }
        Ok(Candidates::Any(self.schemas.all().cloned().collect()))
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

/// The schemas that a datum may have.
enum Candidates {
    /// that of the id in the message
    Of(Arc<Decoder>, String),
    /// the message has an id, and its schema cannot be had: why
    Unknown(String),
    /// any of these
    Any(Vec<Arc<Decoder>>),
}

/// Why no schema is chosen for a datum.
enum Misfit {
    /// it fits none; how it fails under the first
    None(Option<Malformed>),
    /// it fits different ones
    Several(String),
}

/// The schema that a datum fits. Schemas that differ in names of types or in documentation alone count as one.
fn only_fitting(decoders: &[Arc<Decoder>], datum: &[u8]) -> Result<Arc<Decoder>, Misfit> {
    let (mut fitting, mut first_fault): (Option<&Arc<Decoder>>, _) = (None, None);
    for decoder in decoders {
        match (decoder.check(datum), fitting) {
            (Ok(()), None) => fitting = Some(decoder),
            (Ok(()), Some(other)) if other.schema().fingerprint() != decoder.schema().fingerprint() => {
                return Err(Misfit::Several(
                    "it has no id, and is an alert of several schemas: give its own alone with --schema".to_owned(),
                ));
            }
            (Ok(()), Some(_)) => {}
            (Err(fault), _) => drop(first_fault.get_or_insert(fault)),
        }
    }
    fitting.cloned().ok_or(Misfit::None(first_fault))
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

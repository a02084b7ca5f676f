//! An alert as a Kafka message: the framing of the datum in the value, and the key.

use std::sync::Arc;

use crate::avro::container::Header;
use crate::avro::{Malformed, Reader, SINGLE_OBJECT, Schema};
use crate::catalog::{Catalog, ColumnType};

/// The columns with the versions of the broker and of the science modules that made an alert.
const VERSION_COLUMNS: [&str; 2] = ["fink_broker_version", "fink_science_version"];

/// The framing of an Avro datum in a message's value. docs/formats.md is the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// a bare Avro datum
    Datum,
    /// `0x00`, a big-endian schema id, the datum: the wire format of Confluent's serializers
    Confluent,
    /// Avro's single-object encoding
    SingleObject,
    /// an Avro object container file with one block
    Container,
}

/// The content of a message's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKey {
    /// the schema as JSON: what fink-client 4 and later expect
    Schema,
    /// the object's identifier
    ObjectId,
    /// `<broker version>_<science version>`: what fink-client 2.1 to 3 expect
    Version,
    /// nothing
    None,
}

/// Why a stream cannot have the encoding or the key of its configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(
        "the encoding `confluent` requires the id of the schema in a registry: set `schema_id` or `registry` for the stream"
    )]
    NoSchemaId,
    #[error(
        "the key `version` requires the column `{column}` of type string in the catalog of {table}: choose another key"
    )]
    NoVersion {
        column: &'static str,
        /// namespace:name
        table: String,
    },
}

/// Frames a datum as the value of a message.
#[derive(Clone, Debug)]
pub struct Framing {
    /// precedes the datum
    prefix: Vec<u8>,
    container: Option<Header>,
}

impl Framing {
    /// The framing of data of `schema`. `schema_id` is the id of the schema in a registry.
    ///
    /// # Errors
    /// The encoding is [`Encoding::Confluent`] and there is no id.
    pub fn new(encoding: Encoding, schema: &Schema, schema_id: Option<u32>) -> Result<Self, MessageError> {
        let (prefix, container) = match encoding {
            Encoding::Datum => (Vec::new(), None),
            Encoding::Confluent => return schema_id.map(Self::confluent).ok_or(MessageError::NoSchemaId),
            Encoding::SingleObject => ([SINGLE_OBJECT.as_slice(), &schema.fingerprint().to_le_bytes()].concat(), None),
            Encoding::Container => (Vec::new(), Some(Header::new(&schema.to_string()))),
        };
        Ok(Self { prefix, container })
    }

    /// The framing of Confluent's serializers, with the id of a schema in a registry.
    pub fn confluent(schema_id: u32) -> Self {
        Self { prefix: [[0].as_slice(), &schema_id.to_be_bytes()].concat(), container: None }
    }

    /// Appends the value for a datum.
    pub fn write(&self, datum: &[u8], out: &mut Vec<u8>) {
        match &self.container {
            Some(header) => {
                header.write(out);
                header.write_block(datum, out);
            }
            None => {
                out.extend_from_slice(&self.prefix);
                out.extend_from_slice(datum);
            }
        }
    }
}

/// The datum in the value of a message, and the id or fingerprint of its schema if the framing has one. A container is returned whole: read
/// it with [`Container`](crate::avro::container::Container).
///
/// # Errors
/// The value does not start as the encoding requires.
pub fn unframe(encoding: Encoding, value: &[u8]) -> Result<(Option<u64>, &[u8]), Malformed> {
    let mut reader = Reader::new(value);
    let id = match encoding {
        Encoding::Datum | Encoding::Container => None,
        Encoding::Confluent => match reader.array()? {
            [0, a, b, c, d] => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
            _ => return Err(Malformed { what: "message without the magic byte 0x00", at: 0 }),
        },
        Encoding::SingleObject => match reader.array()? == SINGLE_OBJECT {
            true => Some(u64::from_le_bytes(reader.array()?)),
            false => return Err(Malformed { what: "message without the marker of the single-object encoding", at: 0 }),
        },
    };
    Ok((id, reader.rest()))
}

/// The content of a stream's message keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlan {
    /// the schema as JSON, the same for every message
    Schema(Arc<[u8]>),
    /// the object's identifier
    ObjectId,
    /// the texts of two columns (indexes in the catalog's columns), joined by `_`
    Version([usize; 2]),
    /// no key
    None,
}

impl KeyPlan {
    /// The keys of messages with data of `schema`.
    ///
    /// # Errors
    /// The key is the version, and the catalog has no columns for it.
    pub fn new(key: MessageKey, schema: &Schema, catalog: &Catalog) -> Result<Self, MessageError> {
        let version = |column: &'static str| {
            let found = catalog.index_of(column).filter(|at| catalog.columns[*at].kind == ColumnType::String);
            found.ok_or_else(|| MessageError::NoVersion { column, table: catalog.full_name() })
        };
        Ok(match key {
            MessageKey::Schema => Self::Schema(schema.to_string().into_bytes().into()),
            MessageKey::ObjectId => Self::ObjectId,
            MessageKey::Version => Self::Version([version(VERSION_COLUMNS[0])?, version(VERSION_COLUMNS[1])?]),
            MessageKey::None => Self::None,
        })
    }

    /// The columns that must be read for the keys, as indexes in the catalog's columns.
    pub fn needed_columns(&self) -> &[usize] {
        match self {
            Self::Version(columns) => columns,
            _ => &[],
        }
    }

    /// The key of one message; `None` if it has none. It is written to `buffer` unless it is the same for all messages. `cell` returns the
    /// bytes of a column, by index in the catalog's columns. `object_id` is the identifier of the object as text.
    pub fn key<'a, 'c>(
        &'a self,
        object_id: &[u8],
        cell: impl Fn(usize) -> Option<&'c [u8]>,
        buffer: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        buffer.clear();
        match self {
            Self::Schema(json) => return Some(json),
            Self::ObjectId => buffer.extend_from_slice(object_id),
            Self::Version([broker, science]) => {
                buffer.extend_from_slice(cell(*broker).unwrap_or_default());
                buffer.push(b'_');
                buffer.extend_from_slice(cell(*science).unwrap_or_default());
            }
            Self::None => return None,
        }
        Some(buffer)
    }
}

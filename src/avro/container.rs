//! Object container files: a header with the schema, then blocks of data.
//!
//! Avro specification, "Object Container Files".

use apache_avro::{Codec, DeflateSettings, ZstandardSettings};

use super::reader::{Malformed, Reader};
use super::schema::{Schema, SchemaError};
use super::skip::Skipper;
use super::write::{write_bytes, write_long};

/// How a container file begins.
pub(crate) const MAGIC: &[u8; 4] = b"Obj\x01";

/// Largest block after decompression, bytes.
const MAX_BLOCK_BYTES: usize = 512 << 20;

/// Why a container file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// another kind of file
    #[error("this is no Avro file: it does not begin with `Obj`")]
    NotAContainer,
    /// a damaged file
    #[error("the Avro file is damaged: {0}")]
    Damaged(#[from] Malformed),
    /// the schema in its header
    #[error("the schema in the Avro file: {0}")]
    Schema(#[from] SchemaError),
    /// compression
    #[error("the Avro file's codec `{codec}`: {reason}")]
    Codec {
        /// its name
        codec: String,
        /// what is wrong
        reason: String,
    },
}

/// A container file's schema and data.
#[derive(Debug)]
pub struct Container {
    /// the schema's JSON as it stands in the file
    pub schema_json: String,
    /// the schema
    pub schema: Schema,
    buffer: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Container {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The file is no container, is damaged, or compressed in a way that is not known (null, deflate, snappy and zstandard are).
    pub fn read(file: &[u8]) -> Result<Self, ContainerError> {
        let mut reader = Reader::new(file);
        if reader.take(MAGIC.len()).ok() != Some(MAGIC.as_slice()) {
            return Err(ContainerError::NotAContainer);
        }
        let (mut json, mut codec) = (None, "null");
        loop {
            let count = reader.block(false)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                match reader.text()? {
                    "avro.schema" => json = Some(reader.text()?),
                    "avro.codec" => codec = reader.text()?,
                    _ => drop(reader.bytes()?),
                }
            }
        }
        let sync: [u8; 16] = reader.array()?;
        let Some(json) = json else { return Ok(reader.error("no `avro.schema` in the header")?) };
        let schema = Schema::parse(json)?;
        let (skipper, mut buffer, mut spans) = (Skipper::new(&schema), Vec::new(), Vec::new());
        while reader.left() > 0 {
            let count = reader.long()?;
            let block = reader.bytes()?;
            let start = buffer.len();
            expand(codec, block, &mut buffer)?;
            let mut data = Reader::new(buffer.get(start..).unwrap_or_default());
            if usize::try_from(count).is_ok_and(|count| count > data.left()) {
                return Ok(data.error("more data than bytes")?);
            }
            for _ in 0..count {
                let from = data.position();
                skipper.skip(schema.root(), &mut data)?;
                spans.push((start + from, start + data.position()));
            }
            data.end()?;
            if reader.array::<16>()? != sync {
                return Ok(reader.error("a block without its sync marker")?);
            }
        }
        Ok(Self { schema_json: json.to_owned(), schema, buffer, spans })
    }

    /// The data, each checked against the schema.
    pub fn data(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, end)| self.buffer.get(start..end).unwrap_or_default())
    }
}

fn expand(codec: &str, block: &[u8], out: &mut Vec<u8>) -> Result<(), ContainerError> {
    let fault = |reason: String| ContainerError::Codec { codec: codec.to_owned(), reason };
    let method = match codec {
        "null" => {
            out.extend_from_slice(block);
            return Ok(());
        }
        "deflate" => Codec::Deflate(DeflateSettings::default()),
        "snappy" => Codec::Snappy,
        "zstandard" => Codec::Zstandard(ZstandardSettings::default()),
        _ => return Err(fault("not known (null, deflate, snappy and zstandard are)".into())),
    };
    let mut plain = block.to_vec();
    method.decompress(&mut plain).map_err(|e| fault(e.to_string()))?;
    if plain.len() > MAX_BLOCK_BYTES {
        return Err(fault(format!("a block of {} bytes", plain.len())));
    }
    out.extend_from_slice(&plain);
    Ok(())
}

/// The head of a container file without compression, and the sync marker that ends each of its blocks.
#[derive(Clone, Debug)]
pub struct Header {
    bytes: Vec<u8>,
    sync: [u8; 16],
}

impl Header {
    /// A header for this schema, given as JSON. The sync marker is the schema's hash, so equal data make equal files.
    pub fn new(schema_json: &str) -> Self {
        let mut bytes = MAGIC.to_vec();
        write_long(2, &mut bytes);
        for (key, value) in [("avro.schema", schema_json), ("avro.codec", "null")] {
            write_bytes(key.as_bytes(), &mut bytes);
            write_bytes(value.as_bytes(), &mut bytes);
        }
        bytes.push(0);
        let sync = xxhash_rust::xxh3::xxh3_128(schema_json.as_bytes()).to_be_bytes();
        bytes.extend_from_slice(&sync);
        Self { bytes, sync }
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    /// Appends a block of one datum.
    pub fn write_block(&self, datum: &[u8], out: &mut Vec<u8>) {
        write_long(1, out);
        write_bytes(datum, out);
        out.extend_from_slice(&self.sync);
    }
}

//! Object container files (Avro specification, "Object Container Files"): a header with the schema, and blocks of data.

use apache_avro::{Codec, DeflateSettings, ZstandardSettings};

use super::parse::WrittenSchema;
use super::reader::{Malformed, Reader};
use super::schema::{Kind, NodeId, Schema, SchemaError};
use super::skip::Skipper;
use super::write::{write_bytes, write_long};

/// The first bytes of a container file.
pub(crate) const MAGIC: &[u8; 4] = b"Obj\x01";

/// Maximum size of a block after decompression, bytes.
const MAX_BLOCK_BYTES: usize = 512 << 20;

/// Why a container file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("not an Avro file: it does not start with `Obj`")]
    NotAContainer,
    #[error("the Avro file is damaged: {0}")]
    Damaged(#[from] Malformed),
    #[error("the schema in the Avro file: {0}")]
    Schema(#[from] SchemaError),
    #[error("the Avro file's codec `{codec}`: {reason}")]
    Codec { codec: String, reason: String },
}

/// The header of a container file, after its magic.
pub(crate) struct FileHeader<'a> {
    /// JSON
    pub schema: Option<&'a str>,
    /// `null` where the file names none
    pub codec: &'a str,
    /// the marker after each block
    pub sync: [u8; 16],
}

impl<'a> FileHeader<'a> {
    /// Reads the header; `reader` is behind the magic, and then at the first block.
    ///
    /// # Errors
    /// The header is damaged.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (mut schema, mut codec) = (None, "null");
        loop {
            let count = reader.block(false)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                match reader.text()? {
                    "avro.schema" => schema = Some(reader.text()?),
                    "avro.codec" => codec = reader.text()?,
                    _ => drop(reader.bytes()?),
                }
            }
        }
        Ok(Self { schema, codec, sync: reader.array()? })
    }
}

/// The schema and the data of a container file.
#[derive(Debug)]
pub struct Container {
    /// as written in the file
    pub schema_json: String,
    pub schema: Schema,
    /// what was repaired in the schema, a sentence each
    pub repairs: Vec<String>,
    buffer: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Container {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The file is not a container, is damaged, or has a codec other than null, deflate, snappy and zstandard.
    pub fn read(file: &[u8]) -> Result<Self, ContainerError> {
        let mut reader = Reader::new(file);
        if reader.take(MAGIC.len()).ok() != Some(MAGIC.as_slice()) {
            return Err(ContainerError::NotAContainer);
        }
        let FileHeader { schema: json, codec, sync } = FileHeader::read(&mut reader)?;
        let Some(json) = json else { return Ok(reader.error("no `avro.schema` in the header")?) };
        let WrittenSchema { schema, repairs } = WrittenSchema::parse(json)?;
        let (skipper, mut buffer, mut spans) = (Skipper::new(&schema), Vec::new(), Vec::new());
        while reader.left() > 0 {
            let count = reader.long()?;
            let block = reader.bytes()?;
            let start = buffer.len();
            expand(codec, block, &mut buffer)?;
            let mut data = Reader::new(&buffer[start..]);
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
        Ok(Self { schema_json: json.to_owned(), schema, repairs, buffer, spans })
    }

    /// The data. Each was checked against the schema.
    pub fn data(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, end)| &self.buffer[start..end])
    }

    /// The data with their nodes of the schema. Where the schema is a union, as in files of ZTF's and of others that list the types of the
    /// schema in one array, a datum is that of its branch, without the branch's index.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (NodeId, &[u8])> {
        let root = self.schema.root();
        let branches = if let Kind::Union(branches) = self.schema.kind(root) { branches.as_slice() } else { &[] };
        self.data().map(move |datum| {
            let mut reader = Reader::new(datum);
            match reader.branch(branches) {
                Ok((_, branch)) => (branch, reader.rest()),
                Err(_) => (root, datum),
            }
        })
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
        _ => return Err(fault("not supported (null, deflate, snappy and zstandard are)".into())),
    };
    let mut plain = block.to_vec();
    method.decompress(&mut plain).map_err(|e| fault(e.to_string()))?;
    if plain.len() > MAX_BLOCK_BYTES {
        return Err(fault(format!("a block of {} bytes is too large", plain.len())));
    }
    out.extend_from_slice(&plain);
    Ok(())
}

/// The header of a container file without compression, and the sync marker of its blocks.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    bytes: Vec<u8>,
    sync: [u8; 16],
}

impl Header {
    /// The header for a schema in JSON. The sync marker is a hash of the schema, so that equal data give equal files.
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

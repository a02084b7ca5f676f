//! Object container files (Avro specification, "Object Container Files"): a header with the schema, and blocks of data.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use apache_avro::{Codec, DeflateSettings, ZstandardSettings};

use super::parse::WrittenSchema;
use super::reader::{Malformed, Reader};
use super::schema::{Kind, NodeId, Schema, SchemaError};
use super::skip::Skipper;
use super::write::{write_bytes, write_long};

/// The first bytes of a container file.
pub(crate) const MAGIC: &[u8; 4] = b"Obj\x01";

/// Maximum size of a block, before and after decompression, bytes.
pub(super) const MAX_BLOCK_BYTES: usize = 512 << 20;

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

/// The schema of a container file.
#[derive(Debug)]
pub struct ContainerSchema {
    /// as written in the file
    pub schema_json: String,
    pub schema: Schema,
    /// what was repaired in the schema, a sentence each
    pub repairs: Vec<String>,
    skipper: Skipper,
}

impl ContainerSchema {
    fn parse(json: &str) -> Result<Self, SchemaError> {
        let WrittenSchema { schema, repairs } = WrittenSchema::parse(json)?;
        Ok(Self { schema_json: json.to_owned(), skipper: Skipper::new(&schema), schema, repairs })
    }
}

/// The schemas of earlier files: many files have the same.
#[derive(Debug, Default)]
pub struct KnownSchemas(HashMap<String, Arc<ContainerSchema>>);

/// Maximum number of schemas that are kept.
const MAX_KNOWN_SCHEMAS: usize = 64;

impl KnownSchemas {
    pub(super) fn get(&mut self, json: &str) -> Result<Arc<ContainerSchema>, ContainerError> {
        if let Some(known) = self.0.get(json) {
            return Ok(Arc::clone(known));
        }
        let schema = Arc::new(ContainerSchema::parse(json)?);
        if self.0.len() >= MAX_KNOWN_SCHEMAS {
            self.0.clear();
        }
        self.0.insert(json.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

/// The schema and the data of a container file, or of some of its blocks.
#[derive(Debug)]
pub struct Container {
    schema: Arc<ContainerSchema>,
    buffer: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Deref for Container {
    type Target = ContainerSchema;

    fn deref(&self) -> &ContainerSchema {
        &self.schema
    }
}

impl Container {
    pub(super) fn new(schema: Arc<ContainerSchema>) -> Self {
        Self { schema, buffer: Vec::new(), spans: Vec::new() }
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// The file is not a container, is damaged, or has a codec other than null, deflate, snappy and zstandard.
    pub fn read(file: &[u8]) -> Result<Self, ContainerError> {
        Self::read_known(file, &mut KnownSchemas::default())
    }

    /// As [`read`](Self::read), without parsing a schema again.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn read_known(file: &[u8], known: &mut KnownSchemas) -> Result<Self, ContainerError> {
        let mut reader = Reader::new(file);
        if reader.take(MAGIC.len()).ok() != Some(MAGIC.as_slice()) {
            return Err(ContainerError::NotAContainer);
        }
        let FileHeader { schema: json, codec, sync } = FileHeader::read(&mut reader)?;
        let Some(json) = json else { return Ok(reader.error("no `avro.schema` in the header")?) };
        let mut container = Self::new(known.get(json)?);
        while reader.left() > 0 {
            let count = reader.long()?;
            let block = reader.bytes()?;
            container.add_block(codec, count, block)?;
            if reader.array::<16>()? != sync {
                return Ok(reader.error("a block without its sync marker")?);
            }
        }
        Ok(container)
    }

    /// Adds the data of a block.
    pub(super) fn add_block(&mut self, codec: &str, count: i64, block: &[u8]) -> Result<(), ContainerError> {
        let start = self.buffer.len();
        expand(codec, block, &mut self.buffer)?;
        let mut data = Reader::new(&self.buffer[start..]);
        if usize::try_from(count).is_ok_and(|count| count > data.left()) {
            return Ok(data.error("more data than bytes")?);
        }
        for _ in 0..count {
            let from = data.position();
            self.schema.skipper.skip(self.schema.schema.root(), &mut data)?;
            self.spans.push((start + from, start + data.position()));
        }
        Ok(data.end()?)
    }

    /// The data. Each was checked against the schema.
    pub fn data(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, end)| &self.buffer[start..end])
    }

    /// The data with their nodes of the schema. Where the schema is a union, as in files of ZTF's and of others that list the types of the
    /// schema in one array, a datum is that of its branch, without the branch's index.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (NodeId, &[u8])> {
        let schema = &self.schema.schema;
        let root = schema.root();
        let branches = if let Kind::Union(branches) = schema.kind(root) { branches.as_slice() } else { &[] };
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

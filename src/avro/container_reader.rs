//! Reads an object container file as a stream, some blocks at a time.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use super::container::{Container, ContainerError, ContainerSchema, KnownSchemas, MAGIC, MAX_BLOCK_BYTES};

/// Maximum size of the header, bytes.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// Why a stream does not have another block.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("{}", in_words(.0))]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error("the Avro file is damaged: {0}")]
    Damaged(&'static str),
}

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
        _ => error.to_string(),
    }
}

/// Blocks of a container file, still compressed.
#[derive(Debug)]
pub struct Blocks {
    schema: Arc<ContainerSchema>,
    codec: Arc<str>,
    /// numbers of data, and their bytes
    blocks: Vec<(i64, Vec<u8>)>,
}

impl Blocks {
    /// Size in memory, bytes.
    pub fn size(&self) -> usize {
        self.blocks.iter().map(|(_, block)| block.len()).sum()
    }

    /// Decompresses the blocks and finds the data in them.
    ///
    /// # Errors
    /// A block is damaged.
    pub fn read(&self) -> Result<Container, ContainerError> {
        let mut container = Container::new(Arc::clone(&self.schema));
        for (count, block) in &self.blocks {
            container.add_block(&self.codec, *count, block)?;
        }
        Ok(container)
    }
}

/// A container file that is read as a stream.
pub struct ContainerReader<R> {
    input: R,
    schema: Arc<ContainerSchema>,
    codec: Arc<str>,
    sync: [u8; 16],
}

impl<R: Read> ContainerReader<R> {
    /// Reads the header. `input` is read in small pieces.
    ///
    /// # Errors
    /// The stream cannot be read, or does not begin with a valid header.
    pub fn open(mut input: R, known: &mut KnownSchemas) -> Result<Self, StreamError> {
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
            _ => return Err(ContainerError::NotAContainer.into()),
        }
        let (mut schema, mut codec) = (None, "null".to_owned());
        loop {
            let count = match long(&mut input)? {
                0 => break,
                // A negative count is followed by the size of the block.
                count if count < 0 => long(&mut input).map(|_| count.unsigned_abs())?,
                count => count.unsigned_abs(),
            };
            for _ in 0..count {
                let key = bytes(&mut input, MAX_HEADER_BYTES)?;
                let value = bytes(&mut input, MAX_HEADER_BYTES)?;
                let text = || String::from_utf8(value).map_err(|_| StreamError::Damaged("its header is not UTF-8"));
                match key.as_slice() {
                    b"avro.schema" => schema = Some(text()?),
                    b"avro.codec" => codec = text()?,
                    _ => {}
                }
            }
        }
        let schema = schema.ok_or(StreamError::Damaged("no `avro.schema` in the header"))?;
        let schema = known.get(&schema)?;
        let mut sync = [0; 16];
        input.read_exact(&mut sync)?;
        Ok(Self { input, schema, codec: codec.into(), sync })
    }

    /// The next blocks: as many as have `max_bytes` together, but at least one. `None` at the end.
    ///
    /// # Errors
    /// The stream cannot be read or is damaged.
    pub fn next_blocks(&mut self, max_bytes: usize) -> Result<Option<Blocks>, StreamError> {
        let mut blocks = Vec::new();
        let mut size = 0;
        while size < max_bytes {
            let Some(count) = long_or_end(&mut self.input)? else { break };
            let block = bytes(&mut self.input, MAX_BLOCK_BYTES)?;
            let mut sync = [0; 16];
            self.input.read_exact(&mut sync)?;
            if sync != self.sync {
                return Err(StreamError::Damaged("a block without its sync marker"));
            }
            size += block.len();
            blocks.push((count, block));
        }
        let (schema, codec) = (Arc::clone(&self.schema), Arc::clone(&self.codec));
        Ok(Some(Blocks { schema, codec, blocks }).filter(|blocks| !blocks.blocks.is_empty()))
    }
}

/// A varint; `None` at the end of the stream.
fn long_or_end(input: &mut impl Read) -> Result<Option<i64>, StreamError> {
    let (mut value, mut place) = (0u64, 0);
    loop {
        let mut byte = [0];
        match input.read_exact(&mut byte) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && place == 0 => return Ok(None),
            other => other?,
        }
        if place == 63 && byte[0] > 1 {
            return Err(StreamError::Damaged("a varint of more than 64 bits"));
        }
        value |= u64::from(byte[0] & 0x7f) << place;
        if byte[0] < 0x80 {
            return Ok(Some((value >> 1) as i64 ^ -((value & 1) as i64)));
        }
        place += 7;
    }
}

fn long(input: &mut impl Read) -> Result<i64, StreamError> {
    long_or_end(input)?.ok_or(StreamError::Damaged("it ends in the middle"))
}

/// A length and that many bytes. Memory grows with what is read, not with the length.
fn bytes(input: &mut impl Read, max: usize) -> Result<Vec<u8>, StreamError> {
    let len = usize::try_from(long(input)?).ok().filter(|len| *len <= max);
    let len = len.ok_or(StreamError::Damaged("a length that is negative or too large"))?;
    let mut out = Vec::new();
    match input.take(len as u64).read_to_end(&mut out)? {
        read if read == len => Ok(out),
        _ => Err(StreamError::Damaged("it ends in the middle")),
    }
}

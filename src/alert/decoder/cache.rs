//! The decoders of the schemas in message keys. Each schema is parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Decoder;
use crate::avro::{SchemaError, WrittenSchema};

/// Maximum number of cached schemas. A topic has a few; one with many must not exhaust memory.
const MAX_SCHEMAS: usize = 64;
/// Maximum size of all cached keys, for the same reason.
const MAX_KEY_BYTES: usize = 8 << 20;

/// Decoders by message key.
#[derive(Clone, Debug, Default)]
pub struct SchemaCache {
    known: HashMap<Vec<u8>, Arc<Decoder>>,
    /// size of all keys
    bytes: usize,
    last: Option<(Vec<u8>, Arc<Decoder>)>,
}

impl SchemaCache {
    /// The decoder for the schema in a message's key.
    ///
    /// # Errors
    /// The key is not a schema: it may be empty, a version, or other JSON.
    pub fn get(&mut self, key: &[u8]) -> Result<Arc<Decoder>, SchemaError> {
        if let Some((last, decoder)) = &self.last
            && last == key
        {
            return Ok(Arc::clone(decoder));
        }
        let decoder = match self.known.get(key) {
            Some(decoder) => Arc::clone(decoder),
            None => {
                let text = std::str::from_utf8(key).map_err(|_| SchemaError {
                    at: String::new(),
                    reason: "the key is not UTF-8, so it is not a schema".into(),
                })?;
                let WrittenSchema { schema, repairs } = WrittenSchema::parse(text)?;
                repairs.iter().for_each(|repair| log::warn!("the schema of the messages: {repair}"));
                let decoder = Arc::new(Decoder::new(schema));
                if self.known.len() >= MAX_SCHEMAS || self.bytes + key.len() > MAX_KEY_BYTES {
                    self.known.clear();
                    self.bytes = 0;
                }
                self.bytes += key.len();
                self.known.insert(key.to_vec(), Arc::clone(&decoder));
                decoder
            }
        };
        self.last = Some((key.to_vec(), Arc::clone(&decoder)));
        Ok(decoder)
    }
}

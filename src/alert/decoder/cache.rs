//! Schemas by the keys that they came in: each is parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Decoder;
use crate::avro::{Schema, SchemaError};

/// Most schemas that are remembered; a topic has a handful, and one that has more must not fill the memory.
const MAX_SCHEMAS: usize = 64;
/// Most bytes of their keys together, for the same reason.
const MAX_KEY_BYTES: usize = 8 << 20;

/// Decoders by key.
#[derive(Clone, Debug, Default)]
pub struct SchemaCache {
    known: HashMap<Vec<u8>, Arc<Decoder>>,
    /// bytes of the keys
    bytes: usize,
    last: Option<(Vec<u8>, Arc<Decoder>)>,
}

impl SchemaCache {
    /// The decoder for the schema that a message's key holds.
    ///
    /// # Errors
    /// The key is no schema: a key may be missing, a version, or JSON that is something else.
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
                    reason: "the key is not text, so it is no schema".into(),
                })?;
                let decoder = Arc::new(Decoder::new(Schema::parse(text)?));
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

//! The schemas of a registry, each requested once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::registry_client::{MAX_SCHEMA_BYTES, RegistryClient, RegistryError};
use super::schema_id::SchemaId;
use super::schema_parts::Definitions;
use crate::alert::decoder::Decoder;
use crate::atomic_file;
use crate::avro::Schema;

/// The waits before a registry is asked again; then that is a failure.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// How long it counts that the registry does not have a schema: it may be registered a moment after the first message.
const UNKNOWN_FOR: Duration = Duration::from_secs(30);
/// Most identifiers that are remembered. A topic has a few; messages with any number of them must not exhaust memory.
const MAX_KNOWN: usize = 10_000;
/// Most schemas that one refers to, directly or not.
const MAX_REFERENCES: usize = 100;

/// A schema of the registry; or why its messages cannot be decoded.
pub(super) type FoundSchema = Result<Arc<Decoder>, String>;

/// A registry, with what it has answered.
#[derive(Debug)]
pub struct Registry {
    client: RegistryClient,
    waits: &'static [Duration],
    /// where schemas are kept as `<id>.avsc`
    folder: Option<PathBuf>,
    known: HashMap<SchemaId, (FoundSchema, Instant)>,
}

impl Registry {
    /// A registry that is asked again a few times while it is away.
    pub fn new(client: RegistryClient) -> Self {
        Self { client, waits: &WAITS, folder: None, known: HashMap::new() }
    }

    /// A registry that is asked once for each call, for a caller that waits itself. Its schemas are kept in a folder of its own below
    /// `parent`, and read from there where they are.
    pub fn with_cache(client: RegistryClient, parent: &Path) -> Self {
        let (_, host) = client.address().split_once("://").unwrap_or_default();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
        let name: String = host.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
        Self { client, waits: &[], folder: Some(parent.join(name)), known: HashMap::new() }
    }

    /// The schema with this identifier.
    ///
    /// # Errors
    /// The registry gives no answer, or refuses the login.
    pub(super) fn get(&mut self, id: SchemaId) -> Result<FoundSchema, RegistryError> {
        if let Some((found, since)) = self.known.get(&id)
            && (found.is_ok() || since.elapsed() < UNKNOWN_FOR)
        {
            return Ok(found.clone());
        }
        let found = match self.cached(id) {
            Some(decoder) => Ok(decoder),
            None => self.request(id)?,
        };
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(id, (found.clone(), Instant::now()));
        Ok(found)
    }

    fn request(&self, id: SchemaId) -> Result<FoundSchema, RegistryError> {
        let mut waits = self.waits.iter();
        loop {
            match (self.fetch(id), waits.next()) {
                (Err(error @ RegistryError::Away(_)), Some(wait)) => {
                    log::warn!("{error}; trying again in {} s", wait.as_secs());
                    std::thread::sleep(*wait);
                }
                (found, _) => return found,
            }
        }
    }

    fn fetch(&self, id: SchemaId) -> Result<FoundSchema, RegistryError> {
        let path = match id {
            SchemaId::Number(_) => format!("/schemas/ids/{id}"),
            SchemaId::Guid(_) => format!("/schemas/guids/{id}"),
        };
        let answer = self.client.get(&path)?;
        let url = || format!("{}{path}", self.client.address());
        let (200, Some(text)) = (answer.status, answer.body["schema"].as_str()) else {
            return match answer.status {
                200 => Err(RegistryError::Away(format!("{}: the answer has no `schema`", url()))),
                _ => Ok(Err(format!("the schema registry has no schema with the id {id}"))),
            };
        };
        let whole = match (answer.body["schemaType"].as_str(), wanted(&answer.body)) {
            (Some(kind), _) if kind != "AVRO" => Err(format!("the schema {id} is of the type {kind}, not AVRO")),
            (_, references) if references.is_empty() => Ok(text.to_owned()),
            (_, references) => self.complete(text, references)?,
        };
        let schema = whole.and_then(|whole| match Schema::parse(&whole) {
            Ok(schema) => {
                self.keep(id, &whole);
                Ok(Arc::new(Decoder::new(schema)))
            }
            Err(error) => Err(error.to_string()),
        });
        Ok(schema.map_err(|reason| format!("the schema registry: {}: {reason}", url())))
    }

    /// A schema with the definitions of what it refers to; or why it cannot be had.
    fn complete(&self, text: &str, references: Vec<Reference>) -> Result<Result<String, String>, RegistryError> {
        let (mut open, mut seen, mut documents, mut bytes) = (references, HashSet::new(), Vec::new(), text.len());
        while let Some(reference) = open.pop() {
            if !seen.insert(reference.clone()) {
                continue;
            }
            let Reference { subject, version } = &reference;
            if seen.len() > MAX_REFERENCES {
                return Ok(Err(format!("it refers to more than {MAX_REFERENCES} other schemas")));
            }
            let path = format!("/subjects/{}/versions/{version}", percent_encoded(subject));
            let answer = self.client.get(&path)?;
            let (200, Some(text)) = (answer.status, answer.body["schema"].as_str()) else {
                return Ok(Err(format!(
                    "there is no version {version} of the subject `{subject}`, which it refers to"
                )));
            };
            bytes += text.len();
            if bytes > MAX_SCHEMA_BYTES {
                return Ok(Err(format!("it has more than {MAX_SCHEMA_BYTES} bytes with what it refers to")));
            }
            match serde_json::from_str::<Value>(text) {
                Ok(document) => documents.push(document),
                Err(error) => return Ok(Err(format!("version {version} of the subject `{subject}`: {error}"))),
            }
            open.extend(wanted(&answer.body));
        }
        let mut definitions = Definitions::default();
        documents.iter().for_each(|document| definitions.add(document));
        let whole = serde_json::from_str(text).map(|document| definitions.complete(&document).to_string());
        Ok(whole.map_err(|error| error.to_string()))
    }

    fn cached(&self, id: SchemaId) -> Option<Arc<Decoder>> {
        let file = self.folder.as_ref()?.join(format!("{id}.avsc"));
        let text = std::fs::read_to_string(&file).ok()?;
        let schema = Schema::parse(&text);
        let schema = schema.inspect_err(|error| log::warn!("{} is not used: {error}", file.display())).ok()?;
        log::debug!("schema {id} is read from {}", file.display());
        Some(Arc::new(Decoder::new(schema)))
    }

    /// A schema that cannot be kept is requested again by the next process.
    fn keep(&self, id: SchemaId, text: &str) {
        let Some(folder) = &self.folder else { return };
        let file = folder.join(format!("{id}.avsc"));
        let written = std::fs::create_dir_all(folder).and_then(|()| atomic_file::replace(&file, text.as_bytes()));
        if let Err(error) = written {
            log::warn!("cannot write {}: {error}", file.display());
        }
    }
}

/// A schema that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reference {
    subject: String,
    version: i64,
}

/// The references in an answer.
fn wanted(body: &Value) -> Vec<Reference> {
    let reference = |one: &Value| {
        Some(Reference { subject: one["subject"].as_str()?.to_owned(), version: one["version"].as_i64()? })
    };
    body["references"].as_array().into_iter().flatten().filter_map(reference).collect()
}

/// A subject as a part of a path.
fn percent_encoded(subject: &str) -> String {
    let mut text = String::new();
    for byte in subject.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

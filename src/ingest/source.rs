//! The files that alerts come from, read as streams: Avro files and archives of them, compressed or not.
//!
//! One thread reads and decompresses; the parts that it finds are read as Avro by others.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::avro::container::{Container, ContainerError, KnownSchemas, MAGIC};
use crate::avro::container_reader::{Blocks, ContainerReader};

/// A file of up to this size, decompressed, is one part; of larger ones this many bytes of blocks are.
const PART_BYTES: usize = 4 << 20;
const BUFFER_BYTES: usize = 256 << 10;
/// The first two bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Where a tar file has its magic, and the magic.
const TAR: (usize, &[u8; 5]) = (257, b"ustar");
/// Size of a block of a tar file, and of the header of a member.
const TAR_BLOCK: u64 = 512;
/// What the names of Avro files end with, and those of archives.
const AVRO_ENDINGS: [&str; 2] = [".avro", ".avro.gz"];
const ARCHIVE_ENDINGS: [&str; 3] = [".tar", ".tar.gz", ".tgz"];

/// Whether a file in a folder is one to load, by its name.
pub(super) fn is_alert_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    AVRO_ENDINGS.iter().chain(&ARCHIVE_ENDINGS).any(|ending| name.ends_with(ending))
}

/// A part of a source.
#[derive(Debug)]
pub(super) struct Part {
    /// of the Avro file: its path, or `archive: member`
    pub name: Arc<str>,
    pub content: Content,
    /// whether this is the file's first part
    pub is_first: bool,
}

#[derive(Debug)]
pub(super) enum Content {
    /// a whole Avro file
    File(Vec<u8>),
    Blocks(Blocks),
    /// why the rest of the file cannot be read
    Unreadable(String),
}

impl Part {
    /// Size in memory, bytes.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::File(bytes) => bytes.len(),
            Content::Blocks(blocks) => blocks.size(),
            Content::Unreadable(reason) => reason.len(),
        }
    }

    /// The alerts in it.
    ///
    /// # Errors
    /// It is damaged or not Avro, in words.
    pub fn read(self, known: &mut KnownSchemas) -> Result<Container, String> {
        let in_words = |error: ContainerError| error.to_string();
        match self.content {
            Content::File(bytes) => Container::read_known(&bytes, known).map_err(in_words),
            Content::Blocks(blocks) => blocks.read().map_err(in_words),
            Content::Unreadable(reason) => Err(reason),
        }
    }
}

/// Takes the parts of a source. Returns false to end the reading.
pub(super) type Sink<'a> = dyn FnMut(Part) -> bool + 'a;

/// Reads files into parts.
pub(super) struct SourceReader<'a> {
    /// the bytes of files that were read
    pub bytes_read: &'a AtomicU64,
    /// the schemas of large files
    known: KnownSchemas,
}

impl<'a> SourceReader<'a> {
    pub fn new(bytes_read: &'a AtomicU64) -> Self {
        Self { bytes_read, known: KnownSchemas::default() }
    }

    /// Reads one file. What cannot be read is a part too. Returns false if `sink` ended the reading.
    pub fn read(&mut self, path: &Path, sink: &mut Sink<'_>) -> bool {
        let name: Arc<str> = path.display().to_string().into();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return sink(unreadable(name, true, format!("cannot be read: {error}"))),
        };
        let counted = Counted { file, bytes_read: self.bytes_read };
        let mut input = BufReader::with_capacity(BUFFER_BYTES, counted);
        let mut start = Vec::new();
        if let Err(error) = input.by_ref().take(GZIP.len() as u64).read_to_end(&mut start) {
            return sink(unreadable(name, true, format!("cannot be read: {error}")));
        }
        let is_gzip = start == GZIP;
        let input = start.as_slice().chain(input);
        match is_gzip {
            true => self.read_plain(name, MultiGzDecoder::new(input), sink),
            false if name.to_ascii_lowercase().ends_with("gz") => {
                sink(unreadable(name, true, "not a gzip file".to_owned()))
            }
            false => self.read_plain(name, input, sink),
        }
    }

    /// Reads an archive or an Avro file that is not compressed as a whole.
    fn read_plain(&mut self, name: Arc<str>, mut input: impl Read, sink: &mut Sink<'_>) -> bool {
        let mut start = Vec::new();
        if let Err(error) = input.by_ref().take(TAR_BLOCK).read_to_end(&mut start) {
            return sink(unreadable(name, true, format!("cannot be decompressed: {error}")));
        }
        let (at, magic) = TAR;
        let is_named = ARCHIVE_ENDINGS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
        let is_tar = start.get(at..).is_some_and(|rest| rest.starts_with(magic));
        // All that an empty archive has is its end, which is zeros.
        let is_end = start.iter().all(|byte| *byte == 0);
        let is_avro = start.starts_with(MAGIC);
        let mut input = start.as_slice().chain(input);
        match !is_avro && (is_tar || is_named && is_end) {
            true => self.archive(&name, &mut input, sink),
            false if is_named => sink(unreadable(name, true, "not a tar archive".to_owned())),
            false => self.avro(name, &mut input, sink),
        }
    }

    /// Reads the Avro files in an archive; other members are left out.
    fn archive(&mut self, name: &str, input: &mut impl Read, sink: &mut Sink<'_>) -> bool {
        let mut archive = tar::Archive::new(input);
        let fault = |after: &str, error: &std::io::Error| {
            let place = if after.is_empty() { String::new() } else { format!(" after {after}") };
            unreadable(name.into(), true, format!("the archive is damaged{place}: {error}"))
        };
        let members = match archive.entries() {
            Ok(members) => members,
            Err(error) => return sink(fault("", &error)),
        };
        let mut last = String::new();
        for member in members {
            let member = match member {
                Ok(member) => member,
                Err(error) => return sink(fault(&last, &error)),
            };
            last = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            let lower = last.to_ascii_lowercase();
            if !member.header().entry_type().is_file() || !AVRO_ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
                continue;
            }
            let name = format!("{name}: {last}").into();
            let mut member = BufReader::new(member);
            let goes_on = match lower.ends_with(".gz") {
                true => self.avro(name, &mut MultiGzDecoder::new(member), sink),
                false => self.avro(name, &mut member, sink),
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Reads an Avro file: a small one as a whole, a large one by its blocks.
    fn avro(&mut self, name: Arc<str>, input: &mut impl Read, sink: &mut Sink<'_>) -> bool {
        let mut start = Vec::new();
        if let Err(error) = input.take(PART_BYTES as u64 + 1).read_to_end(&mut start) {
            return sink(unreadable(name, true, format!("cannot be read: {error}")));
        }
        if start.len() <= PART_BYTES {
            return sink(Part { name, content: Content::File(start), is_first: true });
        }
        let mut reader = match ContainerReader::open(start.as_slice().chain(input), &mut self.known) {
            Ok(reader) => reader,
            Err(error) => return sink(unreadable(name, true, error.to_string())),
        };
        let mut is_first = true;
        loop {
            let content = match reader.next_blocks(PART_BYTES) {
                Ok(Some(blocks)) => Content::Blocks(blocks),
                Ok(None) => return true,
                Err(error) => return sink(unreadable(name, is_first, error.to_string())),
            };
            if !sink(Part { name: Arc::clone(&name), content, is_first }) {
                return false;
            }
            is_first = false;
        }
    }
}

fn unreadable(name: Arc<str>, is_first: bool, reason: String) -> Part {
    Part { name, content: Content::Unreadable(reason), is_first }
}

/// A file, with the number of bytes that were read of it.
struct Counted<'a> {
    file: File,
    bytes_read: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

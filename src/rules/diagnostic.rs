//! What is wrong with a rules file, and where.

use std::fmt;
use std::path::PathBuf;

/// Maximum number of diagnostics for one file.
pub(super) const MAX_DIAGNOSTICS: usize = 100;

/// Maximum length of a piece of the file that a message repeats, in characters.
const MAX_QUOTE_CHARS: usize = 60;

/// A line and a column in a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    pub line: usize,
    /// in characters
    pub column: usize,
}

impl fmt::Display for TextPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub position: TextPosition,
    /// what is wrong and what to do
    pub message: String,
}

/// Why a rules file cannot be used. Nothing of such a file takes effect.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read the rules file {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("the rules file {} is larger than the maximum of {max_bytes} bytes", path.display())]
    TooLarge { path: PathBuf, max_bytes: u64 },
    /// The file has at least one diagnostic. They are in the order of the file.
    #[error("{}", Listing { path, diagnostics })]
    Invalid { path: PathBuf, diagnostics: Vec<Diagnostic> },
}

/// One diagnostic a line as `path:line:column: message`, the form that editors jump to.
struct Listing<'a> {
    path: &'a PathBuf,
    diagnostics: &'a [Diagnostic],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", self.path.display(), diagnostic.position, diagnostic.message)?;
        }
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            write!(f, "\n{}: further errors are not listed", self.path.display())?;
        }
        Ok(())
    }
}

/// A diagnostic at a byte offset of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetDiagnostic {
    pub(super) at: usize,
    pub(super) message: String,
}

impl OffsetDiagnostic {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Collects the diagnostics of one file, up to [`MAX_DIAGNOSTICS`].
#[derive(Debug, Default)]
pub(super) struct Report {
    diagnostics: Vec<OffsetDiagnostic>,
}

impl Report {
    pub(super) fn add(&mut self, at: usize, message: impl Into<String>) {
        if !self.is_full() {
            self.diagnostics.push(OffsetDiagnostic::new(at, message));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.diagnostics.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.diagnostics.len() >= MAX_DIAGNOSTICS
    }

    /// The diagnostics in the order of the file.
    pub(super) fn into_sorted(mut self, lines: &Lines<'_>) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.at);
        self.diagnostics.into_iter().map(|diagnostic| lines.locate(diagnostic)).collect()
    }
}

/// Finds the line and column of a byte offset.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    /// The line that holds the byte at `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// The line and column of the byte at `at`. An offset past the end is one column after the last.
    pub(super) fn position(&self, at: usize) -> TextPosition {
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at.min(self.text.len())).unwrap_or_default();
        TextPosition { line, column: 1 + before.chars().count() }
    }

    pub(super) fn locate(&self, diagnostic: OffsetDiagnostic) -> Diagnostic {
        Diagnostic { position: self.position(diagnostic.at), message: diagnostic.message }
    }
}

/// A piece of the file for a message: shortened, on one line, in backquotes.
pub(super) fn quoted(piece: &str) -> String {
    format!("`{}`", truncated(piece, MAX_QUOTE_CHARS))
}

/// The first `max_chars` characters of `piece`, on one line.
pub(super) fn truncated(piece: &str, max_chars: usize) -> String {
    let one_line = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = piece.chars().take(max_chars).map(one_line).collect();
    if piece.chars().nth(max_chars).is_some() {
        shown.push('…');
    }
    shown
}

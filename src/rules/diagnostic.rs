//! What is wrong with a rules file, and where.

use std::fmt;
use std::path::PathBuf;

/// The most diagnostics that one file is reported with.
pub(super) const MAX_DIAGNOSTICS: usize = 100;

/// The longest piece of the file that a message repeats, in characters.
const MAX_QUOTE_CHARS: usize = 60;

/// A place in a file; both numbers begin at 1, a column is one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    /// line
    pub line: usize,
    /// column, in characters
    pub column: usize,
}

impl fmt::Display for TextPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// where it stands
    pub position: TextPosition,
    /// what is wrong and what to do
    pub what: String,
}

/// Why a rules file cannot be used. Nothing of such a file takes effect.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// the file cannot be read
    #[error("cannot read the rules file {}: {reason}", path.display())]
    Unreadable {
        /// the file
        path: PathBuf,
        /// the system's words
        reason: std::io::Error,
    },
    /// larger than any rules file need be
    #[error("the rules file {} is larger than {most} bytes, the most that is read", path.display())]
    TooLarge {
        /// the file
        path: PathBuf,
        /// bytes
        most: u64,
    },
    /// read, and wrong
    #[error("{}", Listing { path, diagnostics })]
    Broken {
        /// the file
        path: PathBuf,
        /// what is wrong, in the order of the file; at least one
        diagnostics: Vec<Diagnostic>,
    },
}

/// One fault a line, each `path:line:column: what`, the form that editors jump to.
struct Listing<'a> {
    path: &'a PathBuf,
    diagnostics: &'a [Diagnostic],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.diagnostics.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", self.path.display(), fault.position, fault.what)?;
        }
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            write!(f, "\n{}: further diagnostics are not listed", self.path.display())?;
        }
        Ok(())
    }
}

/// A fault at a byte offset of the text, before lines are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetDiagnostic {
    pub(super) at: usize,
    pub(super) what: String,
}

impl OffsetDiagnostic {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
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

    /// The line that holds the byte `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// Line and column of the byte `at`; one past the end is the last column plus one.
    pub(super) fn position(&self, at: usize) -> TextPosition {
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at.min(self.text.len())).unwrap_or_default();
        TextPosition { line, column: 1 + before.chars().count() }
    }

    pub(super) fn fault(&self, flaw: OffsetDiagnostic) -> Diagnostic {
        Diagnostic { position: self.position(flaw.at), what: flaw.what }
    }
}

/// A piece of the file as a message repeats it: short, on one line, in backquotes.
pub(super) fn quoted(piece: &str) -> String {
    format!("`{}`", truncated(piece, MAX_QUOTE_CHARS))
}

/// The first `most` characters of `piece`, on one line.
pub(super) fn truncated(piece: &str, most: usize) -> String {
    let one_line = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = piece.chars().take(most).map(one_line).collect();
    if piece.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

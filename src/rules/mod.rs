//! The XML rules of a stream: which columns its alerts carry and which alerts it takes.
//!
//! ```xml
//! <distribution-rules>
//!   <select> <column name="objectId"/> <column name="candidate"/> </select>
//!   <drop>   <column name="candidate" subcol="jd"/> </drop>
//!   <filter> <column name="candidate" subcol="magpsf" operator="&lt;" value="16"/> </filter>
//! </distribution-rules>
//! ```
//! A file goes through `xml` (well-formed?), `parse` (the right elements and attributes?) and `check` (the right names and values for
//! this catalog?). All that is wrong is reported at once, with its place; nothing of a faulty file takes effect, and in particular it
//! never means "everything". Only an empty file, or an empty `<distribution-rules/>`, does.

mod bound;
mod check;
mod comparison;
mod diagnostic;
mod explain;
mod literal;
mod nearest;
mod operator;
mod parse;

mod xml;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

pub use bound::{BoundRules, InvalidCell};
pub use diagnostic::{Diagnostic, RulesError, TextPosition};
pub use explain::Explanation;

use crate::catalog::Catalog;
use crate::row::{ColumnNotRead, Columns};
use check::CheckedCondition;
use diagnostic::{Lines, MAX_DIAGNOSTICS, OffsetDiagnostic};
use parse::RulesDocument;

/// The largest rules file, bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A rules file that fits the catalog.
#[derive(Clone, Debug)]
pub struct Rules {
    columns: Vec<usize>,
    dropped: Vec<usize>,
    filter_columns: Vec<usize>,
    conditions: Vec<Condition>,
    checked: Vec<CheckedCondition>,
    key_parts: usize,
    everything: bool,
}

/// A condition at the top of `filter`: a row is kept where all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// line of its element
    pub line: usize,
    /// in short: `candidate_magpsf > 16`
    pub text: String,
}

impl Rules {
    /// Reads and checks a rules file.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`MAX_FILE_BYTES`], or has diagnostics, all of which are listed.
    pub fn load(path: &Path, catalog: &Catalog) -> Result<Self, RulesError> {
        let unreadable = |reason| RulesError::Unreadable { path: path.to_owned(), reason };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(RulesError::TooLarge { path: path.to_owned(), most: MAX_FILE_BYTES });
        }
        Self::read(&bytes, catalog).map_err(|diagnostics| RulesError::Broken { path: path.to_owned(), diagnostics })
    }

    /// As [`load`](Self::load), from a file's content.
    ///
    /// # Errors
    /// All diagnostics, in the order of the file.
    pub fn read(content: &[u8], catalog: &Catalog) -> Result<Self, Vec<Diagnostic>> {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let valid = content.get(..error.valid_up_to()).unwrap_or_default();
                let flaw = OffsetDiagnostic::new(valid.len(), "not UTF-8: save the file as UTF-8");
                return Err(vec![Lines::new(&String::from_utf8_lossy(valid)).fault(flaw)]);
            }
        };
        let lines = Lines::new(text);
        let root = match xml::read(text).map_err(|flaw| vec![lines.fault(flaw)])? {
            Some(root) => root,
            None => return Ok(Self::everything(catalog)),
        };
        let mut flaws = Vec::new();
        let document = RulesDocument::read(&root, &mut flaws);
        let outcome = document.as_ref().map(|document| check::check(document, catalog, &lines, &mut flaws));
        if !flaws.is_empty() {
            flaws.sort_by_key(|flaw| flaw.at);
            flaws.truncate(MAX_DIAGNOSTICS);
            return Err(flaws.into_iter().map(|flaw| lines.fault(flaw)).collect());
        }
        let Some(outcome) = outcome else { return Ok(Self::everything(catalog)) };
        let mut rules =
            Self { columns: outcome.columns, dropped: outcome.dropped, everything: false, ..Self::everything(catalog) };
        for (at, checked) in outcome.conditions {
            rules.conditions.push(Condition { line: lines.line(at), text: checked.text() });
            checked.columns(&mut rules.filter_columns);
            rules.checked.push(checked);
        }
        rules.filter_columns.sort_unstable();
        rules.filter_columns.dedup();
        Ok(rules)
    }

    /// The rules of a stream without a rules file: all columns of all alerts.
    pub fn everything(catalog: &Catalog) -> Self {
        Self {
            columns: (0..catalog.columns.len()).collect(),
            dropped: Vec::new(),
            filter_columns: Vec::new(),
            conditions: Vec::new(),
            checked: Vec::new(),
            key_parts: catalog.row_key.len(),
            everything: true,
        }
    }

    /// Whether it is all columns of all alerts because the file is empty or there is none.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// The columns of the stream's alerts: those that remain after select and drop, as indexes into the catalog's list, ascending.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The columns that conditions ask, as indexes into the catalog's list, ascending; all of them are among [`columns`](Self::columns).
    pub fn filter_columns(&self) -> &[usize] {
        &self.filter_columns
    }

    /// The conditions at the top of `filter`, in the order of the file; [`BoundRules::refused_by`] gives an index into it.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Makes the conditions ready for rows read with `columns`.
    ///
    /// # Errors
    /// A column that a condition asks is not among `columns`.
    pub fn bind(&self, columns: &Columns) -> Result<BoundRules, ColumnNotRead> {
        BoundRules::new(&self.checked, columns, self.key_parts)
    }
}

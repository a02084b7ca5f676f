//! The XML rules of a stream: the columns of its alerts, and the conditions that an alert must meet.
//!
//! ```xml
//! <distribution-rules>
//!   <select> <column name="objectId"/> <column name="candidate"/> </select>
//!   <drop>   <column name="candidate" subcol="jd"/> </drop>
//!   <filter> <column name="candidate" subcol="magpsf" operator="&lt;" value="16"/> </filter>
//! </distribution-rules>
//! ```
//! A file passes `xml` (is it well-formed?), `parse` (are elements and attributes valid?) and `check` (do names and values fit the
//! catalog?). All errors are reported together, with their positions. An invalid file has no effect; in particular it never selects
//! everything. Only an empty file or an empty `<distribution-rules/>` does.

mod bound;
mod cell_test;
mod check;
mod diagnostic;
mod explain;
mod literal;
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
use diagnostic::{Lines, OffsetDiagnostic, Report};
use parse::RulesDocument;

/// Maximum size of a rules file, bytes.
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

/// A condition directly in `filter`. A row passes if all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// line of its element in the file
    pub line: usize,
    /// on one line: `candidate_magpsf > 16`
    pub text: String,
}

impl Rules {
    /// Reads a rules file and checks it against the catalog.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`MAX_FILE_BYTES`], or is invalid; then every error is listed.
    pub fn load(path: &Path, catalog: &Catalog) -> Result<Self, RulesError> {
        let unreadable = |reason| RulesError::Unreadable { path: path.to_owned(), reason };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(RulesError::TooLarge { path: path.to_owned(), max_bytes: MAX_FILE_BYTES });
        }
        Self::parse(&bytes, catalog).map_err(|diagnostics| RulesError::Invalid { path: path.to_owned(), diagnostics })
    }

    /// As [`load`](Self::load), from the content of a file.
    ///
    /// # Errors
    /// Every error, in the order of the file.
    pub fn parse(content: &[u8], catalog: &Catalog) -> Result<Self, Vec<Diagnostic>> {
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let valid = content.get(..error.valid_up_to()).unwrap_or_default();
                let diagnostic = OffsetDiagnostic::new(valid.len(), "not UTF-8: save the file as UTF-8");
                return Err(vec![Lines::new(&String::from_utf8_lossy(valid)).locate(diagnostic)]);
            }
        };
        let lines = Lines::new(text);
        let Some(root) = xml::read(text).map_err(|diagnostic| vec![lines.locate(diagnostic)])? else {
            return Ok(Self::everything(catalog));
        };
        let mut report = Report::default();
        let document = RulesDocument::read(&root, &mut report);
        let checked = document.map(|document| check::check(&document, catalog, &lines, &mut report));
        if report.len() > 0 {
            return Err(report.into_sorted(&lines));
        }
        let Some(checked) = checked else { return Ok(Self::everything(catalog)) };
        let mut rules =
            Self { columns: checked.columns, dropped: checked.dropped, everything: false, ..Self::everything(catalog) };
        for (at, condition) in checked.conditions {
            rules.conditions.push(Condition { line: lines.line(at), text: condition.text() });
            condition.columns(&mut rules.filter_columns);
            rules.checked.push(condition);
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

    /// Whether the rules select everything because the file is empty or there is none.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// The columns of the stream's alerts, as ascending indexes in the catalog's columns: those that remain after select and drop.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The columns that conditions test, as ascending indexes in the catalog's columns. All of them are in [`columns`](Self::columns).
    pub fn filter_columns(&self) -> &[usize] {
        &self.filter_columns
    }

    /// The conditions directly in `filter`, in the order of the file. [`BoundRules::refused_by`] returns an index in this list.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Binds the conditions to rows that are read with `columns`.
    ///
    /// # Errors
    /// A column that a condition tests is not in `columns`.
    pub fn bind(&self, columns: &Columns) -> Result<BoundRules, ColumnNotRead> {
        BoundRules::new(&self.checked, columns, self.key_parts)
    }
}

//! Rows on stdout: as a table or JSON.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, presets};
use serde_json::{Map, Value};

use super::context::Context;
use super::outcome::stdout_error;
use super::terminal::terminal_width;
use crate::escape::{escape, escape_json};

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// aligned columns
    Table,
    /// one JSON document
    Json,
    /// one JSON document per line
    Ndjson,
}

/// The flag `--format`.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Rows to print.
#[derive(Clone, Debug)]
pub struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row, with a value for each column.
    pub fn row<const N: usize>(&mut self, values: [Value; N]) {
        self.rows.push(values.into());
    }

    /// Prints the table to stdout. On a terminal long cells are wrapped, else each row is one line.
    ///
    /// # Errors
    /// stdout cannot be written to.
    pub fn print(&self, format: Format, context: &Context) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        self.write(format, context.is_terminal(), &mut out).and_then(|()| out.flush()).map_err(stdout_error)
    }

    /// Prints the table to stderr: what a command is about to do.
    pub(super) fn print_to_stderr(&self) {
        // Without a stderr there is no place for the message.
        let _unheard = writeln!(io::stderr().lock(), "{}", self.format_plain(io::stderr().is_terminal()));
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn write(&self, format: Format, terminal: bool, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Table => writeln!(out, "{}", self.format_plain(terminal)),
            Format::Json => {
                let rows: Vec<Value> = self.rows.iter().map(|row| self.object(row)).collect();
                let mut json = serde_json::to_vec_pretty(&rows)?;
                escape_json(0, &mut json);
                json.push(b'\n');
                out.write_all(&json)
            }
            Format::Ndjson => self.rows.iter().try_for_each(|row| {
                let mut json = serde_json::to_vec(&self.object(row))?;
                escape_json(0, &mut json);
                json.push(b'\n');
                out.write_all(&json)
            }),
        }
    }

    fn object(&self, row: &[Value]) -> Value {
        let fields = self.columns.iter().map(|column| (*column).to_owned()).zip(row.iter().cloned());
        Value::Object(Map::from_iter(fields))
    }

    fn format_plain(&self, terminal: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        if terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(terminal_width());
        }
        table.set_header(self.columns.iter().map(|column| column.to_uppercase()));
        for row in &self.rows {
            table.add_row(row.iter().map(cell));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}

/// A value as text. Control characters, which would move the cursor or break the row, are escaped.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}: {}", cell(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    escape(&text).into_owned()
}

/// Prints a JSON document to stdout, on one line or on several.
pub(super) fn print_json(document: &Value, is_pretty: bool) -> anyhow::Result<()> {
    let mut json = if is_pretty { serde_json::to_vec_pretty(document)? } else { serde_json::to_vec(document)? };
    escape_json(0, &mut json);
    json.push(b'\n');
    print(&json)
}

/// Prints text to stdout.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(stdout_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(format: Format) -> String {
        let mut table = Table::new(&["key", "value"]);
        table.row([json!("a"), json!(9_007_199_254_740_993_u64)]);
        table.row([json!("long key"), json!(null)]);
        table.row([json!("c\u{1b}[2J\n\u{9b}\u{202e}"), json!(["x", "y"])]);
        let mut out = Vec::new();
        table.write(format, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_table_has_one_line_a_row() {
        assert_eq!(
            written(Format::Table),
            "KEY                         VALUE\na                           9007199254740993\nlong key                    -\nc\\u{1b}[2J\\n\\u{9b}\\u{202e}  x, y\n"
        );
    }

    #[test]
    fn json_is_one_document_and_ndjson_one_a_line() {
        let json: Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(json[0]["value"], json!(9_007_199_254_740_993_u64));
        assert!(!written(Format::Ndjson).contains(['\u{9b}', '\u{202e}']));
        assert!(!written(Format::Json).contains(['\u{9b}', '\u{202e}']));
        let lines: Vec<Value> =
            written(Format::Ndjson).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(json, Value::Array(lines));
    }
}

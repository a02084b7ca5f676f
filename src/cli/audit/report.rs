//! The result of an audit, as tables or JSON.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::audit::{Audit, AuditTotals, Category, Difference, StreamTotals};
use crate::cli::context::Context;
use crate::cli::outcome::stdout_error;
use crate::cli::output::{self, Format, Table};
use crate::units::format_timestamp;
use crate::window::Window;

const STREAMS: &[&str] = &[
    "stream",
    "topic",
    "in_database",
    "refused",
    "kept",
    "on_topic",
    "matched",
    "rejected",
    "missing",
    "duplicated",
    "altered",
];
const OTHER_COUNTS: &[&str] = &["stream", "count", "what", "meaning"];
const NIGHTS: &[&str] =
    &["stream", "night", "in_database", "kept", "on_topic", "matched", "missing", "duplicated", "altered"];
const DIFFERENCES: &[&str] = &["stream", "difference", "row_key", "time", "timestamp", "messages"];

/// Counts that are shown only if they are not 0, with their meaning.
const MEANINGS: [(Category, &str); 6] = [
    (Category::Unwanted, "messages of alerts that the rules or filters refuse now"),
    (Category::Superseded, "messages of row versions that were replaced or deleted since"),
    (Category::Foreign, "messages without the headers of fink, of any time"),
    (Category::NotDue, "alerts not on the topic, which the service can still send"),
    (Category::Gone, "alerts not on the topic, whose row was replaced or deleted since"),
    (Category::Expired, "alerts not on the topic, whose time retention has deleted from it"),
];

/// Collects the differences, or prints them as they are found (ndjson).
pub(super) struct Report {
    format: Format,
    limit: u64,
    count: u64,
    table: Table,
    documents: Vec<Value>,
}

impl Report {
    /// A report that lists at most `limit` differences.
    pub fn new(format: Format, limit: u64) -> Self {
        Self { format, limit, count: 0, table: Table::new(DIFFERENCES), documents: Vec::new() }
    }

    /// Adds a difference. In ndjson it is printed immediately.
    ///
    /// # Errors
    /// stdout cannot be written to.
    pub fn add(&mut self, difference: &Difference<'_>) -> anyhow::Result<()> {
        self.count += 1;
        if self.count > self.limit {
            return Ok(());
        }
        let row_key = difference.row_key.as_ref().map(|key| key.escape_ascii().to_string());
        let time = format_timestamp(difference.timestamp.as_millis());
        match self.format {
            Format::Table => {
                let what = match difference.is_unencodable {
                    true => format!("{} (cannot be encoded, and is not on the rejected topic)", difference.kind.name()),
                    false => difference.kind.name().to_owned(),
                };
                let place = |(partition, offset): &(u32, i64)| Value::from(format!("{partition}:{offset}"));
                self.table.row([
                    difference.stream.name.as_str().into(),
                    what.into(),
                    row_key.into(),
                    time.into(),
                    difference.timestamp.as_millis().into(),
                    difference.messages.iter().map(place).collect(),
                ]);
            }
            Format::Json | Format::Ndjson => {
                let place = |(partition, offset): &(u32, i64)| json!({"partition": partition, "offset": offset});
                let document = json!({
                    "stream": difference.stream.name,
                    "topic": difference.stream.topic,
                    "difference": difference.kind.name(),
                    "row_key": row_key,
                    "time": time,
                    "timestamp": difference.timestamp.as_millis(),
                    "messages": difference.messages.iter().map(place).collect::<Vec<_>>(),
                    "unencodable": difference.is_unencodable,
                });
                match self.format {
                    Format::Ndjson => output::print(format!("{document}\n").as_bytes())?,
                    _ => self.documents.push(document),
                }
            }
        }
        Ok(())
    }

    /// Prints the counts, and the differences that were collected.
    ///
    /// # Errors
    /// stdout cannot be written to.
    pub fn print(
        self,
        audit: &Audit<'_>,
        totals: &AuditTotals,
        by_night: bool,
        window: Window,
        context: &Context,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.print_tables(audit, totals, by_night, context),
            Format::Json => self.print_document(audit, totals, window),
            Format::Ndjson => Ok(()),
        }
    }

    fn print_tables(
        &self,
        audit: &Audit<'_>,
        totals: &AuditTotals,
        by_night: bool,
        context: &Context,
    ) -> anyhow::Result<()> {
        let mut streams = Table::new(STREAMS);
        let mut others = Table::new(OTHER_COUNTS);
        for (stream, counts) in audit.streams().iter().zip(totals.streams()) {
            let n = |count| Value::from(counts.get(count));
            streams.row([
                stream.name.as_str().into(),
                stream.topic.as_str().into(),
                n(Category::InDatabase),
                n(Category::Refused),
                n(Category::Kept),
                n(Category::OnTopic),
                n(Category::Matched),
                n(Category::Rejected),
                n(Category::Missing),
                n(Category::Duplicated),
                n(Category::Altered),
            ]);
            let found = |(count, _): &&(Category, &str)| counts.get(*count) > 0;
            for (count, meaning) in MEANINGS.iter().filter(found) {
                others.row([stream.name.as_str().into(), n(*count), count.name().into(), (*meaning).into()]);
            }
        }
        streams.print(Format::Table, context)?;
        if !others.is_empty() {
            output::print(b"\n")?;
            others.print(Format::Table, context)?;
        }
        if by_night {
            let mut nights = Table::new(NIGHTS);
            for (stream, night, counts) in totals.nights() {
                let n = |count| Value::from(counts.get(count));
                nights.row([
                    audit.streams()[stream].name.as_str().into(),
                    night.date().into(),
                    n(Category::InDatabase),
                    n(Category::Kept),
                    n(Category::OnTopic),
                    n(Category::Matched),
                    n(Category::Missing),
                    n(Category::Duplicated),
                    n(Category::Altered),
                ]);
            }
            output::print(b"\n")?;
            nights.print(Format::Table, context)?;
        }
        if !self.table.is_empty() {
            let listed = self.count.min(self.limit);
            output::print(
                format!("\n{listed} of {} differences (messages: partition:offset)\n", self.count).as_bytes(),
            )?;
            self.table.print(Format::Table, context)?;
        }
        Ok(())
    }

    fn print_document(self, audit: &Audit<'_>, totals: &AuditTotals, window: Window) -> anyhow::Result<()> {
        let streams = audit.streams().iter().zip(totals.streams()).map(|(stream, counts)| {
            let names = [("stream", stream.name.as_str()), ("topic", stream.topic.as_str())];
            object(&names, counts)
        });
        let nights = totals.nights().map(|(stream, night, counts)| {
            object(&[("stream", &audit.streams()[stream].name), ("night", &night.date())], counts)
        });
        let document = json!({
            "from": window.from(),
            "until": window.until(),
            "streams": streams.collect::<Vec<_>>(),
            "nights": nights.collect::<Vec<_>>(),
            "differences": self.count,
            "listed": self.documents,
        });
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &document).map_err(|error| stdout_error(error.into()))?;
        writeln!(out).and_then(|()| out.flush()).map_err(stdout_error)
    }
}

fn object(names: &[(&str, &str)], counts: &StreamTotals) -> Value {
    let names = names.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let counts = Category::ALL.iter().map(|count| (count.name().to_owned(), Value::from(counts.get(*count))));
    Value::Object(names.chain(counts).collect::<Map<_, _>>())
}

//! What an audit found, as tables or JSON.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::audit::{Audit, Count, Counts, Finding, Tally};
use crate::cli::context::Context;
use crate::cli::outcome::stdout_error;
use crate::cli::output::{self, Format, Table};
use crate::config::show_instant;
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
const OTHERS: &[&str] = &["stream", "count", "what", "meaning"];
const NIGHTS: &[&str] =
    &["stream", "night", "in_database", "kept", "on_topic", "matched", "missing", "duplicated", "altered"];
const DIFFERENCES: &[&str] = &["stream", "difference", "row_key", "time", "timestamp", "messages"];

/// What is only shown where there is some, and what it means.
const MEANINGS: [(Count, &str); 6] = [
    (Count::Unwanted, "messages of alerts that rules or filters refuse now"),
    (Count::Superseded, "messages of row versions that were written again or deleted since"),
    (Count::Foreign, "messages without fink's headers, of any time"),
    (Count::NotDue, "alerts not on the topic that the service may still send"),
    (Count::Gone, "alerts not on the topic whose row was written again or deleted since"),
    (Count::Expired, "alerts not on the topic, from which messages of that time were deleted (retention)"),
];

/// Collects the differences, or prints them as they are found.
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

    /// Adds a difference. As ndjson it is printed at once.
    ///
    /// # Errors
    /// Where stdout takes no more.
    pub fn add(&mut self, finding: &Finding<'_>) -> anyhow::Result<()> {
        self.count += 1;
        if self.count > self.limit {
            return Ok(());
        }
        let row_key = finding.row_key.as_ref().map(|key| key.escape_ascii().to_string());
        let time = show_instant(finding.timestamp);
        match self.format {
            Format::Table => {
                let what = match finding.is_unencodable {
                    true => format!("{} (cannot be encoded, and is not on the rejected topic)", finding.kind.name()),
                    false => finding.kind.name().to_owned(),
                };
                let place = |(partition, offset): &(i32, i64)| Value::from(format!("{partition}:{offset}"));
                self.table.row([
                    finding.stream.name.as_str().into(),
                    what.into(),
                    row_key.into(),
                    time.into(),
                    finding.timestamp.into(),
                    finding.messages.iter().map(place).collect(),
                ]);
            }
            Format::Json | Format::Ndjson => {
                let place = |(partition, offset): &(i32, i64)| json!({"partition": partition, "offset": offset});
                let document = json!({
                    "stream": finding.stream.name,
                    "topic": finding.stream.topic,
                    "difference": finding.kind.name(),
                    "row_key": row_key,
                    "time": time,
                    "timestamp": finding.timestamp,
                    "messages": finding.messages.iter().map(place).collect::<Vec<_>>(),
                    "unencodable": finding.is_unencodable,
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
    /// Where stdout takes no more.
    pub fn print(
        self,
        audit: &Audit<'_>,
        tally: &Tally,
        by_night: bool,
        window: Window,
        context: &Context,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.print_tables(audit, tally, by_night, context),
            Format::Json => self.print_document(audit, tally, window),
            Format::Ndjson => Ok(()),
        }
    }

    fn print_tables(&self, audit: &Audit<'_>, tally: &Tally, by_night: bool, context: &Context) -> anyhow::Result<()> {
        let mut streams = Table::new(STREAMS);
        let mut others = Table::new(OTHERS);
        for (stream, counts) in audit.streams().iter().zip(tally.streams()) {
            let n = |count| Value::from(counts.get(count));
            streams.row([
                stream.name.as_str().into(),
                stream.topic.as_str().into(),
                n(Count::InDatabase),
                n(Count::Refused),
                n(Count::Kept),
                n(Count::OnTopic),
                n(Count::Matched),
                n(Count::Rejected),
                n(Count::Missing),
                n(Count::Duplicated),
                n(Count::Altered),
            ]);
            let found = |(count, _): &&(Count, &str)| counts.get(*count) > 0;
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
            for (stream, night, counts) in tally.nights() {
                let n = |count| Value::from(counts.get(count));
                nights.row([
                    audit.streams()[stream].name.as_str().into(),
                    night.date().into(),
                    n(Count::InDatabase),
                    n(Count::Kept),
                    n(Count::OnTopic),
                    n(Count::Matched),
                    n(Count::Missing),
                    n(Count::Duplicated),
                    n(Count::Altered),
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

    fn print_document(self, audit: &Audit<'_>, tally: &Tally, window: Window) -> anyhow::Result<()> {
        let streams = audit.streams().iter().zip(tally.streams()).map(|(stream, counts)| {
            let names = [("stream", stream.name.as_str()), ("topic", stream.topic.as_str())];
            object(&names, counts)
        });
        let nights = tally.nights().map(|(stream, night, counts)| {
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

fn object(names: &[(&str, &str)], counts: &Counts) -> Value {
    let names = names.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    let counts = Count::ALL.iter().map(|count| (count.name().to_owned(), Value::from(counts.get(*count))));
    Value::Object(names.chain(counts).collect::<Map<_, _>>())
}

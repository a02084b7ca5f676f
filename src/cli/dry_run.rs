//! Counts of refused alerts: log lines, and the tables of a dry run.

use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Format, OutputArgs, Table};
use crate::distribution::settings::StreamSettings;
use crate::distribution::stats::{Criterion, Stats};

/// Logs for each stream how many alerts each condition and filter refused.
pub fn log_refusals(stats: &Stats, streams: &[StreamSettings]) {
    for (stream, of) in streams.iter().zip(&stats.streams) {
        for (criterion, count) in of.refused_by().filter(|(_, count)| *count > 0) {
            log::info!("stream `{}`: {count} alerts were refused by {criterion}", stream.name);
        }
    }
}

/// Prints the counts of `streams`. In JSON `refused_by` lists the conditions and filters of a stream; else they are a second table.
///
/// # Errors
/// stdout cannot be written to.
pub fn print(stats: &Stats, streams: &[StreamSettings], output: OutputArgs, context: &Context) -> anyhow::Result<()> {
    const TOTALS: &[&str] = &["stream", "topic", "seen", "skipped", "kept", "refused", "rejected", "bytes"];
    const ALL: &[&str] = &["stream", "topic", "seen", "skipped", "kept", "refused", "rejected", "bytes", "refused_by"];
    let mut totals = Table::new(if output.format == Format::Table { TOTALS } else { ALL });
    let mut refusals = Table::new(&["stream", "line", "condition", "refused"]);
    for (stream, of) in streams.iter().zip(&stats.streams) {
        let row = [
            Value::from(stream.name.as_str()),
            Value::from(stream.topic.as_str()),
            Value::from(stats.alerts),
            Value::from(stats.skipped),
            Value::from(of.sent),
            Value::from(of.refused.iter().sum::<u64>()),
            Value::from(of.rejected()),
            Value::from(of.bytes),
        ];
        if output.format == Format::Table {
            totals.row(row);
            for (criterion, count) in of.refused_by().filter(|(_, count)| *count > 0) {
                let (line, text) = match criterion {
                    Criterion::Condition { line, text } => (Value::from(*line), Value::from(text.as_str())),
                    Criterion::Filter(_) => (Value::Null, Value::from(criterion.to_string())),
                };
                refusals.row([Value::from(stream.name.as_str()), line, text, Value::from(count)]);
            }
            continue;
        }
        let by = of.refused_by().map(|(criterion, count)| match criterion {
            Criterion::Condition { line, text } => json!({"line": line, "condition": text, "refused": count}),
            Criterion::Filter(name) => json!({"filter": name, "refused": count}),
        });
        let [stream, topic, seen, skipped, kept, refused, rejected, bytes] = row;
        totals.row([stream, topic, seen, skipped, kept, refused, rejected, bytes, by.collect()]);
    }
    totals.print(output.format, context)?;
    if refusals.is_empty() {
        return Ok(());
    }
    output::print(b"\nRefused alerts, by the first condition that does not hold:\n")?;
    refusals.print(output.format, context)
}

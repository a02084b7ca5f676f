//! What a dry run prints: for each stream what it would send, and which of its rules refuse how many alerts.

use serde_json::{Value, json};

use super::context::Context;
use super::output::{self, Format, OutputArgs, Table};
use crate::catalog::Catalog;
use crate::config::{Settings, StreamSettings};
use crate::distribution::counts::Counts;
use crate::distribution::selection::SelectionError;
use crate::distribution::{DistributionError, Request};
use crate::rules::Rules;

/// A stream and the conditions of its rules, in the order of the file: line, and in short.
struct Judged<'a> {
    stream: &'a StreamSettings,
    conditions: Vec<(usize, String)>,
}

/// The streams of a run, for the report at its end.
pub struct DryRun<'a>(Vec<Judged<'a>>);

impl<'a> DryRun<'a> {
    /// The streams that `request` asks for.
    ///
    /// # Errors
    /// The catalog or a rules file cannot be used.
    pub fn new(settings: &'a Settings, request: &Request) -> Result<Self, DistributionError> {
        let catalog = Catalog::load(&settings.science_db.catalog)?;
        let is_asked = |stream: &&StreamSettings| request.streams.is_empty() || request.streams.contains(&stream.name);
        let judged = settings.streams.iter().filter(is_asked).map(|stream| {
            let rules = stream.rules.as_deref().map(|path| Rules::load(path, &catalog)).transpose();
            let rules = rules.map_err(|source| SelectionError::Rules { stream: stream.name.clone(), source })?;
            let conditions = rules.iter().flat_map(Rules::conditions);
            Ok(Judged { stream, conditions: conditions.map(|one| (one.line, one.text.clone())).collect() })
        });
        Ok(Self(judged.collect::<Result<_, SelectionError>>()?))
    }

    /// Prints the counts. As JSON each stream is one object, in which `refused_by` lists its conditions; as tables these follow.
    ///
    /// # Errors
    /// Where stdout takes no more.
    pub fn print(&self, counts: &Counts, output: OutputArgs, context: &Context) -> anyhow::Result<()> {
        const TOTALS: &[&str] = &["stream", "topic", "seen", "kept", "refused", "rejected", "bytes"];
        const ALL: &[&str] = &["stream", "topic", "seen", "kept", "refused", "rejected", "bytes", "refused_by"];
        let mut totals = Table::new(if output.format == Format::Table { TOTALS } else { ALL });
        let mut rules = Table::new(&["stream", "line", "condition", "refused"]);
        for (Judged { stream, conditions }, of) in self.0.iter().zip(&counts.streams) {
            let refused = |index: usize| of.refused.get(index).copied().unwrap_or_default();
            let row = [
                Value::from(stream.name.as_str()),
                Value::from(stream.topic.as_str()),
                Value::from(counts.alerts),
                Value::from(of.sent),
                Value::from(of.refused.iter().sum::<u64>()),
                Value::from(of.rejected),
                Value::from(of.bytes),
            ];
            if output.format == Format::Table {
                totals.row(row);
                for (index, (line, text)) in conditions.iter().enumerate().filter(|(index, _)| refused(*index) > 0) {
                    let name = Value::from(stream.name.as_str());
                    rules.row([name, Value::from(*line), Value::from(text.as_str()), Value::from(refused(index))]);
                }
                continue;
            }
            let by = conditions
                .iter()
                .enumerate()
                .map(|(index, (line, text))| json!({"line": line, "condition": text, "refused": refused(index)}));
            let [stream, topic, seen, kept, refused, rejected, bytes] = row;
            totals.row([stream, topic, seen, kept, refused, rejected, bytes, by.collect()]);
        }
        totals.print(output.format, context)?;
        if rules.is_empty() {
            return Ok(());
        }
        output::print(b"\nEach alert that a stream refuses counts for the first condition that does not hold:\n")?;
        rules.print(output.format, context)
    }
}

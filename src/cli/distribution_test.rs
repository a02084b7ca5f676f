//! `fink start distribution_test`: a console consumer that decodes alerts.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::Value;

use super::alert_table::{AlertReader, COLUMNS, DecodeError};
use super::context::Context;
use super::outcome::{Interrupted, UsageError, stdout_error};
use super::output::{Format, OutputArgs};
use crate::config::RequiredLogin;
use crate::escape::escape;
use crate::kafka::Message;
use crate::kafka::consumer::{Consumer, ConsumerOptions, Event, StartAt};
use crate::signals::Stop;
use crate::units::parse_duration;

/// Where to start consuming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StartOffset {
    /// at the oldest message
    Earliest,
    /// at the next message
    Latest,
}

/// `fink start distribution_test`, `fink distribution_test`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example: fink start distribution_test --from earliest --expect 100 --exit-after 30s")]
pub struct Args {
    /// Consume this topic; repeatable [default: the topics of all streams]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where to start
    #[arg(long, value_enum, default_value_t = StartOffset::Latest)]
    from: StartOffset,
    /// Exit after this many alerts
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Exit after this time
    #[arg(long, alias = "exit_after", value_name = "DUR", value_parser = parse_duration)]
    exit_after: Option<Duration>,
    /// Fail if fewer alerts than this arrive; without --limit, exit once this many have arrived and no more follow
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// How long to wait for the brokers.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two checks whether to exit.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait for surplus alerts after the expected number has arrived.
const SURPLUS_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    if let (Some(limit), Some(expect)) = (args.limit, args.expect)
        && limit < expect
    {
        return Err(UsageError(format!("--limit {limit} is less than --expect {expect}")).into());
    }
    let settings = context.settings(RequiredLogin::User)?;
    let topics = match args.topics.is_empty() {
        false => args.topics.clone(),
        true => settings.streams.iter().map(|stream| stream.topic.clone()).collect(),
    };
    let start = match args.from {
        StartOffset::Earliest => StartAt::Earliest,
        StartOffset::Latest => StartAt::Latest,
    };
    let stop = Stop::on_signals()?;
    let options = ConsumerOptions { topics, group: None, start, timeout: KAFKA_TIMEOUT };
    let mut consumer = Consumer::open(&settings.kafka, &options)?;
    log::info!("reading {}", options.topics.join(", "));
    let deadline = args.exit_after.map(|duration| Instant::now() + duration);
    let mut printer = Printer::new(args.output.format)?;
    let (mut count, mut bad) = (0, 0_u64);
    let mut last = Instant::now();
    loop {
        let is_enough = args.limit.is_some_and(|limit| count >= limit);
        let is_as_expected = args.limit.is_none() && args.expect.is_some_and(|expect| count >= expect);
        if is_enough || is_as_expected && last.elapsed() >= SURPLUS_TIMEOUT {
            break;
        }
        if stop.requested() || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            break;
        }
        let Some(Event::Message(message)) = consumer.next(POLL_INTERVAL)? else { continue };
        last = Instant::now();
        match printer.print(&message) {
            Ok(()) => count += 1,
            Err(PrintError::Alert(reason)) => {
                bad += 1;
                log::error!("{}[{}] at {}: {reason}", message.topic, message.partition, message.offset);
            }
            Err(PrintError::Stdout(error)) => return Err(stdout_error(error)),
        }
    }
    log::info!("{count} alerts read");
    match args.expect {
        _ if bad > 0 => bail!("{bad} messages could not be decoded"),
        Some(expect) if count < expect => bail!("expected {expect} alerts, got {count}"),
        _ if stop.requested() => Err(Interrupted.into()),
        _ => Ok(()),
    }
}

enum PrintError {
    Alert(DecodeError),
    Stdout(io::Error),
}

/// Prints alerts as they arrive.
struct Printer {
    format: Format,
    reader: AlertReader,
    is_first: bool,
    line: Vec<u8>,
}

/// Column widths. They are fixed, since each alert is printed when it arrives.
const WIDTHS: [usize; 9] = [22, 4, 8, 20, 20, 16, 12, 12, 12];

impl Printer {
    fn new(format: Format) -> anyhow::Result<Self> {
        if format == Format::Json {
            bail!(super::outcome::UsageError(
                "--format json is not possible for a stream of alerts: use --format ndjson".to_owned()
            ));
        }
        Ok(Self { format, reader: AlertReader::default(), is_first: true, line: Vec::new() })
    }

    fn print(&mut self, message: &Message) -> Result<(), PrintError> {
        self.line.clear();
        let key = message.key.as_deref();
        let value = message.value.as_deref().ok_or_else(|| PrintError::Alert(DecodeError::without_value()))?;
        match self.format {
            Format::Table => {
                let cells = self.reader.cells(key, value).map_err(PrintError::Alert)?;
                if std::mem::take(&mut self.is_first) {
                    let heads = ["topic", "part", "offset"].iter().chain(&COLUMNS).map(|head| head.to_uppercase());
                    row(heads, &mut self.line);
                }
                let place = [message.topic.clone(), message.partition.to_string(), message.offset.to_string()];
                row(place.into_iter().chain(cells.iter().map(text)), &mut self.line);
            }
            Format::Json | Format::Ndjson => {
                let (topic, partition, offset) =
                    (Value::from(message.topic.as_str()), message.partition, message.offset);
                let head = format!("{{\"topic\":{topic},\"partition\":{partition},\"offset\":{offset},\"alert\":");
                self.line.extend_from_slice(head.as_bytes());
                self.reader.json(key, value, &mut self.line).map_err(PrintError::Alert)?;
                self.line.extend_from_slice(b"}\n");
            }
        }
        let mut out = io::stdout().lock();
        out.write_all(&self.line).and_then(|()| out.flush()).map_err(PrintError::Stdout)
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => escape(text).into_owned(),
        other => other.to_string(),
    }
}

fn row(cells: impl Iterator<Item = String>, out: &mut Vec<u8>) {
    let mut line: String = cells.zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}  ")).collect();
    line.truncate(line.trim_end().len());
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}

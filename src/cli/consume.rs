//! `fink consume`: reads alerts, for astronomers.

mod end_args;
mod error;
mod login;
mod login_files;
mod move_position;
mod position;
mod progress;
mod save_args;
mod settings;
mod stats;
mod topics;
mod variables;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand, ValueEnum, ValueHint};

pub(super) use self::end_args::EndArgs;
pub(super) use self::error::command_error;
pub(super) use self::position::{PositionArgs, open_consumer};
pub(super) use self::progress::ProgressLine;
use self::save_args::SaveArgs;
pub(super) use self::settings::{ConsumerLogin, LoginArgs};
use self::variables::notices;
pub(super) use self::variables::registry_client;
use super::context::Context;
use super::outcome::{Interrupted, UsageError};
use crate::alert::decoder::BytesFormat;
use crate::consume::ndjson::NdjsonWriter;
use crate::consume::output::Output;
use crate::consume::poll_loop::{PollLoop, Source, Summary};
use crate::consume::printer::{PrintFormat, Printer};
use crate::consume::selection::{Choice, Selection};
use crate::consume::table::AlertTable;
use crate::consume::where_clause::Condition;
use crate::filters::FilterName;
use crate::messages::{LagWatch, MessageDecoder, Registry, SchemaSet, TopicReader};
use crate::signals::{Signal, Stop};

/// `fink consume`
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples: fink consume login --survey ztf --username alice --group alice_fink --servers kafka.example.org:24499
          fink consume --limit 1
          fink consume fink_sn_candidates_ztf --from earliest --until-end --format ndjson --fields objectId,magpsf
          fink consume fink_sn_candidates_ztf --save alerts --as parquet --partition-by time
          fink consume fink_sn_candidates_ztf --no-group --from -2h --expect 10 --exit-after 60s

The position is kept by a consumer group: the next call resumes at its committed offsets. --no-group keeps none.
On SIGINT and SIGTERM what was read is printed or saved, its offsets are committed, and the exit code is 130 or 0."
)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The topics to read [default: consumer.topics]
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    position: PositionArgs,
    #[command(flatten)]
    end: EndArgs,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    print: PrintArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    save: SaveArgs,
    /// Tell this Slack channel of each alert, with your own token in the variable SLACK_API_TOKEN
    #[arg(long, value_name = "CHANNEL", help_heading = "Notices")]
    slack: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a login for reading, and try it
    Login(Box<login::Args>),
    /// How far the consumer group is in each partition
    Stats(stats::Args),
    /// Move the position of the consumer group
    Reset(move_position::Args),
    /// The topics that may be read, and whether data flow
    Topics(topics::Args),
}

/// How messages are decoded.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Schemas")]
struct DecodeArgs {
    /// The schema of messages that bring none: a file (.avsc, or an Avro file) or a folder of .avsc; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    schema: Vec<PathBuf>,
    /// The address of a schema registry, for messages that carry an id; its login, where it asks for one, is taken from the variables
    /// FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD. FINK_REGISTRY_CA names a file with the authorities to trust instead of the system's
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    registry: Option<String>,
    /// Write the schema of the first alert to FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    dump_schema: Option<PathBuf>,
}

/// Which alerts are wanted.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Choice")]
struct ChoiceArgs {
    /// Only alerts of which this condition is true, such as 'magpsf < 18 and drb > 0.9'
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Only alerts that these XML rules keep, with the columns that they select; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rules: Vec<PathBuf>,
    /// Only alerts that this Python filter keeps, package.module:function, with the interpreter of filters.python; may be repeated
    #[arg(long, value_name = "NAME")]
    filter: Vec<FilterName>,
}

impl ChoiceArgs {
    fn choice(&self) -> anyhow::Result<Choice> {
        let condition = self.condition.as_deref().map(Condition::parse).transpose();
        let condition = condition.map_err(|error| UsageError(error.to_string()))?;
        Ok(Choice { condition, rules: self.rules.clone(), filters: self.filter.clone() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// a line for each alert, in columns
    Table,
    /// a JSON document for each alert, one a line
    Ndjson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bytes {
    /// null
    None,
    /// `"<1234 bytes>"`
    Length,
    /// whole, in base64
    Base64,
}

/// How alerts are printed.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Printing")]
struct PrintArgs {
    /// How alerts are printed [default: table on a terminal, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only these fields, separated by commas, by names such as candidate.magpsf or magpsf; also kafka.topic, kafka.partition, kafka.offset
    /// and kafka.timestamp
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    fields: Vec<String>,
    /// How bytes, such as stamps, are printed as JSON
    #[arg(long, value_enum, default_value_t = Bytes::Base64)]
    bytes: Bytes,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    match &args.action {
        Some(Action::Login(args)) => login::run(args, context),
        Some(Action::Stats(args)) => stats::run(args, context),
        Some(Action::Reset(args)) => move_position::run(args, context),
        Some(Action::Topics(args)) => topics::run(args, context),
        None => consume(args, context),
    }
}

fn consume(args: &Args, context: &Context) -> anyhow::Result<()> {
    let limits = args.end.limits()?;
    args.save.check()?;
    let printer = args.print.printer(context)?;
    let choice = args.choice.choice()?;
    let registry = args.decode.registry.as_deref().map(registry_client).transpose()?.map(Registry::new);
    let schemas = SchemaSet::load(&args.decode.schema, registry).map_err(command_error)?;
    let login = args.login.find(context)?;
    let topics = login.topics(&args.topics)?;
    let stop = Stop::on_signals()?;
    let deadline = limits.exit_after.map(|time| Instant::now() + time);
    let output = match args.save.open(&topics, choice.describe()).map_err(command_error)? {
        Some(output) => output,
        None => Output::Printer(Box::new(printer)),
    };
    let is_saving = !matches!(output, Output::Printer(_));
    let selection = Selection::new(choice, &login.settings.filters, &stop).map_err(command_error)?;
    let consumer = open_consumer(&args.position, &login, &topics, &stop, deadline)?;
    let Some(consumer) = consumer else { return ended(args, &Summary::default(), &stop) };
    log::debug!("reading {}", topics.join(", "));
    // A line of progress on the terminal would stand among the alerts.
    let shows_progress = is_saving || !context.is_terminal();
    let lag = match shows_progress {
        true => Some(LagWatch::start(login.kafka(), topics.clone())?),
        false => None,
    };
    let notices = args.slack.as_deref().map(|channel| notices(channel, &login)).transpose()?;
    let mut decoder = MessageDecoder::new(schemas);
    decoder.dump_schema(args.decode.dump_schema.clone());
    let source = Source { reader: TopicReader::new(consumer, limits, lag), decoder, selection, notices };
    let poll_loop = PollLoop::new(source, output, &stop);
    let mut progress = ProgressLine::new(context, if is_saving { "saved" } else { "read" }, shows_progress);
    let done = poll_loop.run(&mut |snapshot| progress.update(snapshot));
    let summary = done.map_err(command_error)?;
    progress.finish(&summary);
    ended(args, &summary, &stop)
}

/// How the command ends, by what came.
fn ended(args: &Args, summary: &Summary, stop: &Stop) -> anyhow::Result<()> {
    match args.end.expect {
        _ if summary.broken > 0 => bail!("{} messages could not be decoded", summary.broken),
        Some(expect) if summary.alerts < expect && !stop.requested() => {
            bail!("{expect} alerts were expected, {} came", summary.alerts)
        }
        _ if stop.signal() == Some(Signal::Interrupt) => Err(Interrupted.into()),
        _ => Ok(()),
    }
}

impl PrintArgs {
    fn printer(&self, context: &Context) -> anyhow::Result<Printer> {
        let default = match context.is_terminal() && self.fields.is_empty() {
            true => Format::Table,
            false => Format::Ndjson,
        };
        let format = self.format.unwrap_or(default);
        if format == Format::Table && !self.fields.is_empty() {
            return Err(UsageError("--fields picks fields of JSON: say --format ndjson".to_owned()).into());
        }
        let bytes = match self.bytes {
            Bytes::None => BytesFormat::Null,
            Bytes::Length => BytesFormat::Length,
            Bytes::Base64 => BytesFormat::Base64,
        };
        Ok(Printer::new(match format {
            Format::Table => PrintFormat::Table(AlertTable::new(terminal_width())),
            Format::Ndjson => PrintFormat::Ndjson(Box::new(NdjsonWriter::new(self.fields.clone(), bytes))),
        }))
    }
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| usize::from(size.ws_col).max(80))
}

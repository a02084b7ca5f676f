//! `fink ingest --from-topic`: loads the alerts of topics.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::{Args, ValueHint};
use serde_json::Value;

use super::load_args::{LoadArgs, with_hint};
use crate::cli::consume::{
    ConsumerLogin, EndArgs, PositionArgs, ProgressLine, command_error, open_consumer, registry_client,
};
use crate::cli::context::Context;
use crate::cli::outcome::{Interrupted, UsageError};
use crate::cli::output::{OutputArgs, Table};
use crate::cli::systemd::ServiceManager;
use crate::config::RequiredLogin;
use crate::ingest::{IngestOptions, TopicSource, TopicSummary, load_topics};
use crate::messages::{LagWatch, MessageDecoder, Registry, SchemaSet, TopicReader};
use crate::signals::{Signal, Stop};

/// Which topics are loaded, and how their messages are decoded.
#[derive(Debug, Args)]
#[command(next_help_heading = "Topics")]
pub(super) struct TopicArgs {
    /// Load the alerts of this topic, with the login of the section `consumer`, until SIGTERM or an end below; may be repeated. Offsets are committed
    /// once the rows are written
    #[arg(long, value_name = "TOPIC")]
    pub from_topic: Vec<String>,
    /// The schema of messages that bring none: a file (.avsc, or an Avro file) or a folder of .avsc; may be repeated. Messages with an id
    /// have the schema of the file ID.avsc or, as Rubin names them, *.vMAJOR_MINOR.* with ID = MAJOR * 100 + MINOR
    #[arg(long, visible_alias = "schemas", value_name = "FILE", value_hint = ValueHint::AnyPath)]
    schema: Vec<PathBuf>,
    /// The address of a schema registry, for messages that carry an id. Its schemas are kept beside the catalog (catalog.schemas). Its login,
    /// where it asks for one, is taken from the variables FINK_REGISTRY_USERNAME and FINK_REGISTRY_PASSWORD. FINK_REGISTRY_CA names a file
    /// with the authorities to trust instead of the system's
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    registry: Option<String>,
    /// Write alerts again whose rows exist, which are otherwise left as they are
    #[arg(long, conflicts_with = "skip_existing")]
    overwrite: bool,
    #[command(flatten)]
    position: PositionArgs,
    #[command(flatten)]
    end: EndArgs,
}

impl TopicArgs {
    /// Refuses options for topics where files are loaded.
    pub fn check_unused(&self) -> Result<(), UsageError> {
        let is_given = [
            ("--schema", !self.schema.is_empty()),
            ("--registry", self.registry.is_some()),
            ("--overwrite", self.overwrite),
            ("--from, --group and --no-group", !self.position.is_default()),
            ("--limit, --until-end, --idle, --exit-after and --expect", self.end.is_given()),
        ];
        match is_given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(UsageError(format!("{option} are for --from-topic"))),
            None => Ok(()),
        }
    }

    /// Loads alerts until an end or a signal.
    pub fn run(&self, load: &LoadArgs, output: OutputArgs, context: &Context) -> anyhow::Result<()> {
        let limits = self.end.limits()?;
        let login = ConsumerLogin { settings: context.settings(RequiredLogin::Consumer)? };
        let science_db = &login.settings.science_db;
        let topics = login.topics(&self.from_topic)?;
        if self.position.group(&login).is_none() && !self.position.no_group {
            let reason = "the position is kept by a consumer group: say --group NAME, or set consumer.group; --no-group keeps none";
            return Err(UsageError(reason.to_owned()).into());
        }
        let registry = self.registry.as_deref().map(registry_client).transpose()?;
        let registry =
            registry.map(|client| Registry::with_cache(client, &science_db.catalog.with_extension("schemas")));
        let schemas = SchemaSet::load(&self.schema, registry).map_err(command_error)?;
        let options = IngestOptions { skip_existing: !self.overwrite, ..load.options() };
        let stop = Stop::on_signals()?;
        let start = Instant::now();
        let mut manager = ServiceManager::from_environment();
        let deadline = limits.exit_after.map(|time| start + time);
        let summary = match open_consumer(&self.position, &login, &topics, &stop, deadline)? {
            None => TopicSummary::default(),
            Some(consumer) => {
                let lag = Some(LagWatch::start(login.kafka(), topics)?);
                let reader = TopicReader::new(consumer, limits, lag);
                let source = TopicSource { reader, decoder: MessageDecoder::new(schemas) };
                manager.ready();
                let mut progress = ProgressLine::new(context, "loaded", true);
                let loaded = load_topics(science_db, &options, source, &stop, &mut |snapshot| {
                    progress.update(snapshot);
                    manager.report(|| progress.text(snapshot));
                });
                manager.stopping();
                progress.clear();
                loaded.map_err(with_hint)?
            }
        };
        print(&summary, start, output, context)?;
        self.ended(&summary, &stop)
    }

    /// How the command ends, by what was loaded.
    fn ended(&self, summary: &TopicSummary, stop: &Stop) -> anyhow::Result<()> {
        let arrived = summary.alerts + summary.existing;
        match (&summary.waiting_for, stop.requested()) {
            (Some(reason), true) => {
                log::warn!("stopped while messages were left, which the next start loads: {reason}")
            }
            (Some(reason), false) => bail!("ended while messages were left, which the next start loads: {reason}"),
            (None, _) => {}
        }
        match self.end.expect {
            _ if summary.broken > 0 => bail!("{} messages could not be loaded", summary.broken),
            Some(expect) if arrived < expect && !stop.requested() => {
                bail!("{expect} alerts were expected, {arrived} came")
            }
            _ if stop.signal() == Some(Signal::Interrupt) => Err(Interrupted.into()),
            _ => Ok(()),
        }
    }
}

fn print(summary: &TopicSummary, start: Instant, output: OutputArgs, context: &Context) -> anyhow::Result<()> {
    let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let mut table = Table::new(&["table", "alerts", "existing", "bytes", "messages", "broken_messages", "seconds"]);
    table.row([
        Value::from(summary.table.as_deref()),
        summary.alerts.into(),
        summary.existing.into(),
        summary.bytes.into(),
        summary.messages.into(),
        summary.broken.into(),
        seconds.into(),
    ]);
    table.print(output.format, context)
}

//! Which alerts are looked at.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};

use crate::cli::consume::{LoginArgs, command_error, registry_client};
use crate::cli::context::Context;
use crate::cli::outcome::{Interrupted, UsageError};
use crate::kafka::consumer::StartAt;
use crate::messages::{MessageDecoder, Registry, SchemaSet, Start};
use crate::signals::Stop;
use crate::view::files;
use crate::view::list::ListFilter;
use crate::view::live::{self, Topics};
use crate::view::store::{AlertStore, StoredAlert};

/// How many alerts are kept.
const DEFAULT_KEEP: usize = 1000;

/// Which alerts are looked at.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// Avro files, folders of them, or topics [default: consumer.topics]
    #[arg(value_name = "PATH|TOPIC", value_hint = ValueHint::AnyPath)]
    names: Vec<String>,
    /// A topic; may be repeated
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,
    /// Where to begin in topics: earliest, latest, a time ago such as -2h, or a time such as 2026-02-24T00:00:00Z
    #[arg(long, value_name = "WHERE", default_value = "-24h", allow_hyphen_values = true, value_parser = start)]
    from: StartAt,
    /// Keep the newest N alerts
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEEP)]
    keep: usize,
    /// For --png and --terminal: the alert to draw, by the id of its detection or its object [default: the newest]
    #[arg(long, value_name = "ID")]
    alert: Option<String>,
    /// Only alerts of which this condition is true, for --png, --html and --terminal; the page has a box for it
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// The schema of files and messages that bring none: a file (.avsc, or an Avro file) or a folder of .avsc; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    schema: Vec<PathBuf>,
    /// The address of a schema registry, for messages that carry an id
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    registry: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
}

fn start(text: &str) -> Result<StartAt, String> {
    Ok(match text.parse()? {
        Start::Group => return Err("`fink view` uses no group: write `earliest`, `latest` or a time".to_owned()),
        Start::Earliest => StartAt::Earliest,
        Start::Latest => StartAt::Latest,
        Start::At(time) => StartAt::Timestamp(time),
    })
}

/// Alerts, those of files already read.
pub(super) struct Source {
    /// the alerts
    pub store: Arc<AlertStore>,
    /// where further alerts come from
    pub topics: Option<Topics>,
    /// decodes their messages
    pub decoder: MessageDecoder,
    alert: Option<String>,
    condition: Option<String>,
}

impl SourceArgs {
    /// Reads the files, and finds the login for the topics.
    pub fn open(&self, context: &Context) -> anyhow::Result<Source> {
        if self.keep == 0 {
            return Err(UsageError("--keep 0 keeps no alert".to_owned()).into());
        }
        ListFilter::parse(self.condition.as_deref().unwrap_or_default()).map_err(UsageError)?;
        let (paths, topics) = self.paths_and_topics()?;
        let registry = self.registry.as_deref().map(registry_client).transpose()?.map(Registry::new);
        let schemas = SchemaSet::load(&self.schema, registry).map_err(command_error)?;
        let (mut decoder, store) = (MessageDecoder::new(schemas), Arc::new(AlertStore::new(self.keep)));
        let topics = match paths.is_empty() {
            true => {
                let login = self.login.find(context)?;
                let names = login.topics(&topics)?;
                Some(Topics { kafka: login.kafka().clone(), names, start: self.from })
            }
            false => {
                files::load(&paths, &mut decoder, &store)?;
                None
            }
        };
        Ok(Source { store, topics, decoder, alert: self.alert.clone(), condition: self.condition.clone() })
    }

    fn paths_and_topics(&self) -> Result<(Vec<PathBuf>, Vec<String>), UsageError> {
        let (mut paths, mut topics) = (Vec::new(), self.topic.clone());
        for name in &self.names {
            let path = PathBuf::from(name);
            if path.exists() {
                paths.push(path);
            } else if name.contains('/') || name.ends_with(".avro") {
                return Err(UsageError(format!("{name}: no such file or folder")));
            } else {
                topics.push(name.clone());
            }
        }
        match paths.is_empty() || topics.is_empty() {
            true => Ok((paths, topics)),
            false => Err(UsageError(format!(
                "files and topics cannot be shown together; there is no file or folder {}",
                topics.join(", ")
            ))),
        }
    }
}

impl Source {
    /// Reads what the topics hold now.
    pub fn read_topics(&mut self, stop: &Stop) -> anyhow::Result<()> {
        if let Some(topics) = &self.topics {
            live::follow(topics, &mut self.decoder, &self.store, true, stop)?;
        }
        match stop.requested() {
            true => Err(Interrupted.into()),
            false => Ok(()),
        }
    }

    /// The alerts of which `--where` is true, oldest first.
    pub fn chosen(&self) -> anyhow::Result<Vec<Arc<StoredAlert>>> {
        let mut filter = ListFilter::parse(self.condition.as_deref().unwrap_or_default()).map_err(UsageError)?;
        let all: Vec<Arc<StoredAlert>> = self.store.read().iter().cloned().collect();
        let chosen: Vec<_> = all.into_iter().filter(|alert| filter.is_true(alert)).collect();
        if let (true, Some(fault)) = (chosen.is_empty(), filter.fault()) {
            return Err(UsageError(format!("--where, {fault}")).into());
        }
        match chosen.is_empty() {
            true => anyhow::bail!("there is no such alert"),
            false => Ok(chosen),
        }
    }

    /// The alert to draw.
    pub fn one(&self) -> anyhow::Result<Arc<StoredAlert>> {
        let alerts = self.chosen()?;
        let is_wanted = |alert: &&Arc<StoredAlert>| {
            let observation = &alert.observation;
            let ids = [&observation.detection, &observation.object];
            self.alert.is_none() || ids.into_iter().any(|id| id.is_some() && *id == self.alert)
        };
        let wanted: Vec<_> = alerts.iter().filter(is_wanted).collect();
        let Some(newest) = wanted.last() else {
            let id = self.alert.as_deref().unwrap_or_default();
            anyhow::bail!("none of the {} alerts has the id {id}", alerts.len());
        };
        if wanted.len() > 1 {
            log::info!("drawing the newest of {} alerts; --alert ID picks another", wanted.len());
        }
        Ok(Arc::clone(newest))
    }
}

//! `fink kafka bootstrap`: everything that a new cluster needs for the configured distribution.

mod plan;
mod users;

use std::path::PathBuf;

use anyhow::bail;

use self::plan::{Item, Work};
use self::users::Users;
use super::ask::ConsentArgs;
use super::role::HostArgs;
use super::tally::Tally;
use super::{WITHIN, names, settle, shell_star};
use crate::cli::context::Context;
use crate::cli::outcome::Usage;
use crate::cli::output::{OutputArgs, Table};
use crate::config::{Logins, Settings};
use crate::kafka::acls::{Filter, Pattern, Rule};
use crate::kafka::client::As;
use crate::kafka::topics::{Standing, TopicShape};
use crate::kafka::{Admin, checkpoint, plain_producer, roles, schema_topic};

/// `fink kafka bootstrap`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples: fink kafka bootstrap --any-host --dry-run
          fink kafka bootstrap --host 192.0.2.1 --yes

From the configuration: the topics of all streams and of their schemas, the rejected alerts' and the checkpoint's; the user of [kafka] with the rights of a distribution; a consumer to test with. What is there already is left alone; what is there otherwise is an error, and then nothing is done. A password file that does not exist is made, with a generated password.")]
pub struct Args {
    /// Taken so that a `*` which the shell expanded can be explained
    #[arg(hide = true)]
    rest: Vec<String>,
    #[command(flatten)]
    hosts: HostArgs,
    /// The consumer to test with
    #[arg(long, value_name = "NAME", default_value = "finkConsumer", value_parser = names::new_user)]
    consumer: String,
    /// Its groups begin so [default: its name]
    #[arg(long, value_name = "BEGINNING")]
    consumer_group: Option<String>,
    /// Its password is read from FILE, or written there where it is new [default: NAME.password beside kafka.password_file]
    #[arg(long, value_name = "FILE")]
    consumer_password_file: Option<PathBuf>,
    /// Without such a consumer
    #[arg(long, conflicts_with_all = ["consumer", "consumer_group", "consumer_password_file"])]
    no_consumer: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    shell_star::check(&args.hosts.values().collect::<Vec<_>>(), &args.rest)?;
    let hosts = args.hosts.patterns()?;
    if let Some(group) = &args.consumer_group {
        names::check_group_of_rule(group).map_err(|reason| Usage(format!("--consumer-group: {reason}")))?;
    }
    let configuration = context.configuration()?;
    let settings = configuration.settings(Logins::Admin)?;
    let admin = Admin::open(&settings.kafka, As::Admin, WITHIN)?;
    let mut items = topics(&admin, &settings)?;
    let users = Users::configured(args, &configuration, &settings)?;
    if let Some(users) = &users {
        items.extend(users.items(&admin)?);
        items.extend(rights(&admin, &users.rules(args, &settings, &hosts))?);
    } else {
        log::warn!(
            "kafka.security_protocol and kafka.sasl_mechanism name no users whose passwords Kafka keeps: only topics are made"
        );
    }
    let conflicts: Vec<&Item> = items.iter().filter(|item| item.conflict.is_some()).collect();
    let plan = table(items.iter().map(|item| (item, item.planned())));
    if args.consent.dry_run || !conflicts.is_empty() {
        plan.print(args.output.format, context)?;
        conflicts.iter().for_each(|item| {
            log::error!("{} {}: {}", item.kind, item.name, item.conflict.as_deref().unwrap_or_default());
        });
        match conflicts.len() {
            0 => return Ok(()),
            count => bail!(
                "{count} of {} things are there otherwise than the configuration says; nothing was done",
                items.len()
            ),
        }
    }
    let missing = table(items.iter().filter(|item| !item.is_there).map(|item| (item, item.planned())));
    if missing.is_empty() {
        log::info!("everything is there");
    } else {
        args.consent.obtain(&missing, "Make all this?")?;
    }
    let mut tally = Tally::default();
    let results: Vec<&'static str> = items.iter().map(|item| item.carry_out(&admin, &mut tally)).collect();
    table(items.iter().zip(results)).print(args.output.format, context)?;
    tally.finish("things")?;
    if let Some(users) = users {
        settle(|| users.all_log_in())?;
        if !users.all_log_in()? {
            bail!("all is made, but the configured users cannot log in");
        }
    }
    Ok(())
}

fn table<'a>(items: impl Iterator<Item = (&'a Item, &'static str)>) -> Table {
    let mut table = Table::new(&["kind", "name", "what", "result"]);
    for (item, result) in items {
        table.row([item.kind.into(), item.name.as_str().into(), item.what.as_str().into(), result.into()]);
    }
    table
}

/// The topics that the distribution writes.
fn topics(admin: &Admin, settings: &Settings) -> anyhow::Result<Vec<Item>> {
    let distribution = &settings.distribution;
    let checkpoint = checkpoint::topic_of(&distribution.name);
    let mut wanted: Vec<(String, TopicShape, String)> = Vec::new();
    for stream in &settings.streams {
        let shape = plain_producer::topic_shape(stream);
        wanted.push((
            stream.topic.clone(),
            shape,
            format!("stream {}, partitions: {}", stream.name, stream.partitions),
        ));
        if let Some(topic) = stream.schema_topic() {
            wanted.push((topic, schema_topic::shape(), format!("schema of stream {}, one partition", stream.name)));
        }
    }
    wanted.push((distribution.rejected_topic.clone(), TopicShape::stream(1), "rejected alerts".to_owned()));
    let partitions = checkpoint::PARTITIONS;
    let what = format!("checkpoint, partitions: {partitions}, compacted");
    wanted.push((checkpoint.clone(), checkpoint::shape(), what));
    let item = |(name, shape, what): (String, TopicShape, String)| {
        let standing = admin.standing(&name, &comparable(&shape, &name))?;
        let conflict = match &standing {
            Standing::Other(difference) => Some(difference.clone()),
            Standing::Same | Standing::Missing => None,
        };
        let is_there = standing != Standing::Missing;
        Ok(Item { kind: "topic", name: name.clone(), what, is_there, conflict, work: Work::Topic(name, shape) })
    };
    let mut items = wanted.into_iter().map(item).collect::<anyhow::Result<Vec<Item>>>()?;
    // The topic of an earlier version has one partition.
    if let Some(found) = admin.partitions(&checkpoint)?.filter(|found| *found < partitions) {
        let what = format!("checkpoint, partitions: {partitions} instead of {found}");
        let work = Work::Partitions(checkpoint.clone(), partitions);
        items.push(Item { kind: "topic", name: checkpoint, what, is_there: false, conflict: None, work });
    }
    Ok(items)
}

/// What a topic that is there has to have: of a checkpoint only that it is one, since its other options may be tuned.
fn comparable(shape: &TopicShape, name: &str) -> TopicShape {
    let mut shape = shape.clone();
    if checkpoint::is_checkpoint(name) {
        shape.config.retain(|(option, _)| option == "cleanup.policy");
        shape.partitions = -1;
    }
    shape
}

fn rights(admin: &Admin, rules: &[Rule]) -> anyhow::Result<Vec<Item>> {
    let there = admin.rules(&Filter::any())?;
    Ok(rules.iter().map(|rule| Item::right(rule, there.contains(rule))).collect())
}

impl Users {
    /// What each may do.
    fn rules(&self, args: &Args, settings: &Settings, hosts: &[&str]) -> Vec<Rule> {
        let streams: Vec<Pattern> = settings
            .streams
            .iter()
            .flat_map(|stream| std::iter::once(stream.topic.clone()).chain(stream.schema_topic()))
            .map(Pattern::Literal)
            .collect();
        let read_back: Vec<Pattern> = settings.read_back_topics().into_iter().map(Pattern::Literal).collect();
        let rejected = Pattern::Literal(settings.distribution.rejected_topic.clone());
        let written: Vec<Pattern> = streams.iter().cloned().chain([rejected]).collect();
        let mut rules = Vec::new();
        for host in hosts {
            let name = Some(settings.distribution.name.as_str());
            rules.extend(roles::producer(self.producer(), host, &written, name, false));
            rules.extend(roles::consumer(self.producer(), host, &read_back, &[]));
            if let Some(consumer) = self.consumer() {
                let group = args.consumer_group.as_deref().unwrap_or(consumer);
                rules.extend(roles::consumer(consumer, host, &streams, &[Pattern::Prefixed(group.to_owned())]));
            }
        }
        rules
    }
}

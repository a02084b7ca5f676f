//! `fink kafka bootstrap`: everything that a new cluster needs for the configured distribution.

mod plan;
mod users;

use std::path::PathBuf;

use anyhow::bail;

use self::plan::{PlanItem, PlannedChange};
use self::users::Users;
use super::confirm::ConfirmArgs;
use super::outcomes::Outcomes;
use super::role::HostArgs;
use super::{KAFKA_TIMEOUT, names, shell_glob, wait_until_visible};
use crate::cli::context::Context;
use crate::cli::outcome::UsageError;
use crate::cli::output::{OutputArgs, Table};
use crate::config::{RequiredLogin, Settings};
use crate::kafka::acls::{AclBinding, AclFilter, Pattern};
use crate::kafka::client::Identity;
use crate::kafka::topics::{TopicDiff, TopicSpec};
use crate::kafka::{Admin, checkpoint, idempotent_producer, roles, schema_topic};

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
    confirm: ConfirmArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    shell_glob::check(&args.hosts.values().collect::<Vec<_>>(), &args.rest)?;
    let hosts = args.hosts.patterns()?;
    if let Some(group) = &args.consumer_group {
        names::check_group_of_rule(group).map_err(|reason| UsageError(format!("--consumer-group: {reason}")))?;
    }
    let configuration = context.configuration()?;
    let settings = configuration.settings(RequiredLogin::Admin)?;
    let admin = Admin::open(&settings.kafka, Identity::Admin, KAFKA_TIMEOUT)?;
    let mut items = topics(&admin, &settings)?;
    let users = Users::configured(args, &configuration, &settings)?;
    if let Some(users) = &users {
        items.extend(users.items(&admin)?);
        items.extend(rights(&admin, &users.acls(args, &settings, &hosts))?);
    } else {
        log::warn!(
            "kafka.security_protocol and kafka.sasl_mechanism name no users whose passwords Kafka keeps: only topics are made"
        );
    }
    let conflicts: Vec<&PlanItem> = items.iter().filter(|item| item.conflict.is_some()).collect();
    let plan = table(items.iter().map(|item| (item, item.planned())));
    if args.confirm.dry_run || !conflicts.is_empty() {
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
    let missing = table(items.iter().filter(|item| !item.exists).map(|item| (item, item.planned())));
    if missing.is_empty() {
        log::info!("everything is there");
    } else {
        args.confirm.ask(&missing, "Make all this?")?;
    }
    let mut outcomes = Outcomes::default();
    let results: Vec<&'static str> = items.iter().map(|item| item.apply(&admin, &mut outcomes)).collect();
    table(items.iter().zip(results)).print(args.output.format, context)?;
    outcomes.finish("things")?;
    if let Some(users) = users {
        wait_until_visible(|| users.all_log_in())?;
        if !users.all_log_in()? {
            bail!("all is made, but the configured users cannot log in");
        }
    }
    Ok(())
}

fn table<'a>(items: impl Iterator<Item = (&'a PlanItem, &'static str)>) -> Table {
    let mut table = Table::new(&["kind", "name", "what", "result"]);
    for (item, result) in items {
        table.row([item.kind.into(), item.name.as_str().into(), item.what.as_str().into(), result.into()]);
    }
    table
}

/// The topics that the distribution writes.
fn topics(admin: &Admin, settings: &Settings) -> anyhow::Result<Vec<PlanItem>> {
    let distribution = &settings.distribution;
    let checkpoint = checkpoint::topic_of(&distribution.name);
    let mut wanted: Vec<(String, TopicSpec, String)> = Vec::new();
    for stream in &settings.streams {
        let spec = idempotent_producer::topic_spec(stream);
        wanted.push((stream.topic.clone(), spec, format!("stream {}, partitions: {}", stream.name, stream.partitions)));
        if let Some(topic) = stream.schema_topic() {
            wanted.push((
                topic,
                schema_topic::topic_spec(),
                format!("schema of stream {}, one partition", stream.name),
            ));
        }
    }
    wanted.push((distribution.rejected_topic.clone(), TopicSpec::stream(1), "rejected alerts".to_owned()));
    let partitions = checkpoint::PARTITIONS;
    let what = format!("checkpoint, partitions: {partitions}, compacted");
    wanted.push((checkpoint.clone(), checkpoint::topic_spec(), what));
    let item = |(name, spec, what): (String, TopicSpec, String)| {
        let diff = admin.compare_topic(&name, &comparable(&spec, &name))?;
        let conflict = match &diff {
            TopicDiff::Different(difference) => Some(difference.clone()),
            TopicDiff::Same | TopicDiff::Missing => None,
        };
        let exists = diff != TopicDiff::Missing;
        Ok(PlanItem {
            kind: "topic",
            name: name.clone(),
            what,
            exists,
            conflict,
            change: PlannedChange::Topic(name, spec),
        })
    };
    let mut items = wanted.into_iter().map(item).collect::<anyhow::Result<Vec<PlanItem>>>()?;
    // The topic of an earlier version has one partition.
    if let Some(found) = admin.partitions(&checkpoint)?.filter(|found| *found < partitions) {
        let what = format!("checkpoint, partitions: {partitions} instead of {found}");
        let change = PlannedChange::Partitions(checkpoint.clone(), partitions);
        items.push(PlanItem { kind: "topic", name: checkpoint, what, exists: false, conflict: None, change });
    }
    Ok(items)
}

/// What a topic that is there has to have: of a checkpoint only that it is one, since its other options may be tuned.
fn comparable(spec: &TopicSpec, name: &str) -> TopicSpec {
    let mut spec = spec.clone();
    if checkpoint::is_checkpoint(name) {
        spec.config.retain(|(option, _)| option == "cleanup.policy");
        spec.partitions = -1;
    }
    spec
}

fn rights(admin: &Admin, acls: &[AclBinding]) -> anyhow::Result<Vec<PlanItem>> {
    let there = admin.describe_acls(&AclFilter::any())?;
    Ok(acls.iter().map(|acl| PlanItem::acl(acl, there.contains(acl))).collect())
}

impl Users {
    /// What each may do.
    fn acls(&self, args: &Args, settings: &Settings, hosts: &[&str]) -> Vec<AclBinding> {
        let streams: Vec<Pattern> = settings
            .streams
            .iter()
            .flat_map(|stream| std::iter::once(stream.topic.clone()).chain(stream.schema_topic()))
            .map(Pattern::Literal)
            .collect();
        let read_back: Vec<Pattern> = settings.read_back_topics().into_iter().map(Pattern::Literal).collect();
        let rejected = Pattern::Literal(settings.distribution.rejected_topic.clone());
        let written: Vec<Pattern> = streams.iter().cloned().chain([rejected]).collect();
        let mut acls = Vec::new();
        for host in hosts {
            let name = Some(settings.distribution.name.as_str());
            acls.extend(roles::producer_acls(self.producer(), host, &written, name, false));
            acls.extend(roles::consumer_acls(self.producer(), host, &read_back, &[]));
            if let Some(consumer) = self.consumer() {
                let group = args.consumer_group.as_deref().unwrap_or(consumer);
                acls.extend(roles::consumer_acls(consumer, host, &streams, &[Pattern::Prefixed(group.to_owned())]));
            }
        }
        acls
    }
}

//! Kafka: logins, brokers, topics, the checkpoint.

use std::time::{Duration, Instant};

use super::checklist::Checklist;
use super::{acls, durability, transactions};
use crate::cancel::CancellationToken;
use crate::cli::distribution_status::short_duration;
use crate::cli::service_status::ServiceStatus;
use crate::config::{Configuration, RequiredLogin};
use crate::distribution::checkpoint_state::CheckpointState;
use crate::distribution::settings::{DistributionSettings, Settings};
use crate::kafka::diagnosis::{BrokerAddress, Diagnosis};
use crate::kafka::retention::{Retention, retentions};
use crate::kafka::topics::TopicDescription;
use crate::kafka::{self, Admin, Identity, KafkaSettings, SecurityProtocol, checkpoint};
use crate::runfile::RunningService;
use crate::timestamp::Timestamp;

/// A topic that the distribution writes.
struct WrittenTopic {
    /// its check
    what: String,
    name: String,
    /// the number of partitions that the service creates it with
    partitions: i32,
    /// whether it is for alerts, which must be retained
    has_alerts: bool,
}

pub(super) fn check(list: &mut Checklist, configuration: &Configuration, timeout: Duration) -> anyhow::Result<()> {
    let user = login(list, configuration, "kafka", RequiredLogin::User, timeout)?;
    let administrator = match configuration.has_admin() {
        true => login(list, configuration, "kafka.admin", RequiredLogin::Admin, timeout)?.map(|(_, admin)| admin),
        false => {
            list.unknown("kafka.admin", "not configured; only `fink kafka` needs it")?;
            None
        }
    };
    let Some((settings, admin)) = user else {
        return list.unknown("topics", "not tried: no login to Kafka");
    };
    encryption(list, &settings.kafka)?;
    if !brokers(list, &admin)? {
        return list.unknown("topics", "not tried: no broker can be used from this machine");
    }
    let topics = written_topics(&settings);
    let checkpoint = checkpoint::topic_of(&settings.distribution.name);
    let written: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).chain([checkpoint.as_str()]).collect();
    let found = match admin.describe_topics(&written) {
        Ok(found) => found,
        Err(error) => return list.fail("topics", error),
    };
    let mut with_alerts = Vec::new();
    for (topic, found) in topics.iter().zip(&found) {
        existence(list, &admin, topic, found)?;
        if topic.has_alerts && found.error.is_none() {
            with_alerts.push((topic.what.as_str(), topic.name.as_str()));
        }
    }
    retention(list, administrator.as_ref().unwrap_or(&admin), &with_alerts)?;
    durability::check(list, administrator.as_ref().unwrap_or(&admin), &settings, &found)?;
    transactions::check(list, &admin, &written)?;
    if let Some(found) = found.last() {
        checkpoint_of(list, &admin, found, &settings.distribution, timeout)?;
    }
    let read_back = settings.read_back_topics();
    let read_back: Vec<&str> = read_back.iter().map(|topic| &**topic).collect();
    acls::check(list, &admin, administrator.as_ref(), &found, &read_back, &settings.distribution.name)
}

fn written_topics(settings: &Settings) -> Vec<WrittenTopic> {
    let mut topics = Vec::new();
    for stream in &settings.streams {
        topics.push(WrittenTopic {
            what: format!("topic of stream {}", stream.name),
            name: stream.topic.to_string(),
            partitions: stream.partitions,
            has_alerts: true,
        });
        topics.extend(stream.schema_topic().map(|topic| WrittenTopic {
            what: format!("schema topic of stream {}", stream.name),
            name: topic.to_string(),
            partitions: 1,
            has_alerts: false,
        }));
    }
    topics.push(WrittenTopic {
        what: "topic of rejected alerts".to_owned(),
        name: settings.distribution.rejected_topic.to_string(),
        partitions: 1,
        has_alerts: true,
    });
    topics
}

fn encryption(list: &mut Checklist, settings: &KafkaSettings) -> anyhow::Result<()> {
    const WHAT: &str = "encryption";
    match (settings.security_protocol, &settings.ssl_ca) {
        (SecurityProtocol::Ssl | SecurityProtocol::SaslSsl, Some(path)) => {
            list.pass(WHAT, format!("TLS, trusting {}", path.display()))
        }
        (SecurityProtocol::Ssl | SecurityProtocol::SaslSsl, None) => {
            list.pass(WHAT, "TLS, trusting the CAs of this machine")
        }
        (_, Some(_)) => list.unknown(
            WHAT,
            "none: kafka.ssl_ca is set, but kafka.security_protocol does not use TLS; \"sasl_ssl\" does",
        ),
        (_, None) => list.unknown(WHAT, "none: use this in a closed network only; see kafka.security_protocol"),
    }
}

/// Connects to each broker at its advertised address. Returns whether any can be used.
fn brokers(list: &mut Checklist, admin: &Admin) -> anyhow::Result<bool> {
    const WHAT: &str = "kafka brokers";
    let examined = match admin.probe_brokers() {
        Ok(examined) => examined,
        Err(error) => return list.fail(WHAT, error).map(|()| false),
    };
    let (good, bad): (Vec<_>, Vec<_>) = examined.into_iter().partition(|(_, finding)| finding.is_none());
    for (_, finding) in &bad {
        if let Some(Diagnosis::Transient(reason) | Diagnosis::Permanent(reason)) = finding {
            list.fail(WHAT, reason)?;
        }
    }
    if !good.is_empty() {
        let named = |(address, _): &(BrokerAddress, _)| format!("{}:{}", address.host, address.port);
        list.pass(WHAT, format!("usable: {}", good.iter().map(named).collect::<Vec<_>>().join(", ")))?;
    }
    Ok(!good.is_empty())
}

/// Reads the password of a login and logs in.
fn login(
    list: &mut Checklist,
    configuration: &Configuration,
    what: &str,
    logins: RequiredLogin,
    timeout: Duration,
) -> anyhow::Result<Option<(Settings, Admin)>> {
    let settings = match configuration.settings(logins) {
        Ok(settings) => settings,
        Err(errors) => {
            match configuration.password_file_to_create().filter(|_| logins == RequiredLogin::User) {
                Some(file) => list.unknown(
                    what,
                    format!("{} does not exist yet: `fink kafka bootstrap` creates it, and the user", file.display()),
                )?,
                None => list.fail(what, errors)?,
            }
            return Ok(None);
        }
    };
    let identity = match logins {
        RequiredLogin::Admin => Identity::Admin,
        RequiredLogin::User | RequiredLogin::Consumer | RequiredLogin::None => Identity::User,
    };
    let asked = Admin::open(&settings.kafka, identity, timeout)
        .and_then(|admin| admin.list_topics().map(|topics| (admin, topics)));
    match asked {
        Ok((admin, topics)) => {
            let user = admin.connection().user();
            list.pass(
                what,
                format!("{} as {user}, which may see {} topics", settings.kafka.bootstrap_servers, topics.len()),
            )?;
            Ok(Some((settings, admin)))
        }
        Err(error) => {
            list.fail(what, error)?;
            Ok(None)
        }
    }
}

/// Whether a topic exists.
fn existence(
    list: &mut Checklist,
    admin: &Admin,
    topic: &WrittenTopic,
    found: &TopicDescription,
) -> anyhow::Result<()> {
    let WrittenTopic { what, name, partitions, .. } = topic;
    match &found.error {
        None => list.pass(what, format!("{name}, partitions: {}", found.partitions.len())),
        Some(kafka::Error::UnknownTopic { .. }) => list.unknown(
            what,
            format!(
                "{name} does not exist, or {} may not see it; the service creates it if authorized, else use \
                 `fink kafka create-topic {name} --partitions {partitions}`",
                admin.connection().user()
            ),
        ),
        Some(error) => list.fail(what, error),
    }
}

/// Whether the topics retain all alerts. `topics`: the checks and names.
fn retention(list: &mut Checklist, admin: &Admin, topics: &[(&str, &str)]) -> anyhow::Result<()> {
    const WHAT: &str = "retention";
    let names: Vec<&str> = topics.iter().map(|(_, topic)| *topic).collect();
    let retentions = match retentions(admin, &names) {
        Ok(retentions) => retentions,
        Err(error) => return list.fail(WHAT, error),
    };
    let (mut sufficient, mut unknown) = (0, Vec::new());
    for ((what, topic), retention) in topics.iter().zip(retentions) {
        match retention {
            Retention::Sufficient => sufficient += 1,
            Retention::Short(reason) => list.unknown(what, format!("{topic}: {reason}"))?,
            Retention::Lossy(reason) => list.fail(what, format!("{topic}: {reason}"))?,
            Retention::Unknown => unknown.push(*topic),
        }
    }
    if sufficient > 0 {
        list.pass(WHAT, format!("{sufficient} topics retain alerts for a day or longer"))?;
    }
    match unknown.first() {
        None => Ok(()),
        Some(first) => list.unknown(
            WHAT,
            format!(
                "{} is not authorized to see the configuration of {} topics, such as {first} (describe-configs): their cleanup.policy has to be \
                 delete",
                admin.connection().user(),
                unknown.len()
            ),
        ),
    }
}

/// The status of the service with this name, where it runs on this machine.
fn running_service(name: &str) -> Option<ServiceStatus> {
    let running = RunningService::all().ok()?;
    let service = running.iter().find(|service| service.run.service == "distribution" && service.run.name == name)?;
    ServiceStatus::of(service)
}

fn checkpoint_of(
    list: &mut Checklist,
    admin: &Admin,
    found: &TopicDescription,
    distribution: &DistributionSettings,
    timeout: Duration,
) -> anyhow::Result<()> {
    const WHAT: &str = "checkpoint";
    let topic = &found.name;
    match &found.error {
        None => {}
        Some(kafka::Error::UnknownTopic { .. }) => {
            return list
                .unknown(WHAT, format!("{topic} does not exist yet: the service creates it at its first start"));
        }
        Some(error) => return list.fail(WHAT, error),
    }
    let token = CancellationToken::new().child_with_deadline(Some(Instant::now() + timeout));
    let records = match checkpoint::read_stable(admin, topic, checkpoint::SERVICE_PARTITION, &token) {
        Ok(records) => records,
        Err(error) => return list.fail(WHAT, error),
    };
    match CheckpointState::load("live", &records) {
        Ok(Some(progress)) => {
            let until = progress.published_until(distribution.settle);
            let (text, lag) = match running_service(&distribution.name) {
                // The checkpoint is written every few seconds: the service itself knows more.
                Some(status) => (status.published_until, status.lag),
                None => (Some(until.rfc3339()), Some(Timestamp::now().since(until).as_secs_f64())),
            };
            let paused = progress.missed().paused();
            let paused = paused.map_or_else(String::new, |names| format!("; paused streams: {names}"));
            match (text, lag.and_then(|lag| Duration::try_from_secs_f64(lag).ok())) {
                (Some(until), Some(lag)) => list
                    .pass(WHAT, format!("everything is published up to {until}: lag {}{paused}", short_duration(lag))),
                _ => list.pass(WHAT, "the service reads the past from the beginning of the table"),
            }
        }
        Ok(None) => list.pass(WHAT, format!("{topic}, which no service has written yet")),
        Err(error) => list.fail(WHAT, error),
    }
}

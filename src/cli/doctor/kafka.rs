//! Kafka: logins, brokers, topics, the checkpoint.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::checklist::Checklist;
use super::{acls, transactions};
use crate::config::{
    Configuration, KafkaSettings, RequiredLogin, SecurityProtocol, Settings, StreamSettings, format_duration,
    format_timestamp,
};
use crate::distribution::checkpoint_state::CheckpointState;
use crate::kafka::client::Identity;
use crate::kafka::diagnosis::{BrokerAddress, Diagnosis};
use crate::kafka::topics::{self, Retention};
use crate::kafka::{Admin, checkpoint};

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
        return list.unknown("topics", "not tried: their brokers cannot be used from here");
    }
    let checkpoint = format!("fink_checkpoint_{}", settings.distribution.name);
    let read_back = settings.read_back_topics();
    let schemas: Vec<String> = settings.streams.iter().filter_map(StreamSettings::schema_topic).collect();
    let mut written: Vec<&str> = schemas.iter().map(String::as_str).collect();
    let mut there = Vec::new();
    for stream in &settings.streams {
        let what = format!("topic of stream {}", stream.name);
        if topic(list, &admin, &what, &stream.topic, stream.partitions)? {
            there.push((what, stream.topic.as_str()));
        }
        if let Some(of_schema) = stream.schema_topic() {
            topic(list, &admin, &format!("schema topic of stream {}", stream.name), &of_schema, 1)?;
        }
        written.push(stream.topic.as_str());
    }
    const REJECTED: &str = "topic of rejected alerts";
    let rejected = settings.distribution.rejected_topic.as_str();
    if topic(list, &admin, REJECTED, rejected, 1)? {
        there.push((REJECTED.to_owned(), rejected));
    }
    policies(list, administrator.as_ref().unwrap_or(&admin), &there)?;
    written.extend([rejected, checkpoint.as_str()]);
    transactions::check(list, &admin, &written)?;
    checkpoint_of(list, &admin, &checkpoint, timeout)?;
    acls::check(list, &admin, administrator.as_ref(), &written, &read_back, &settings.distribution.name)
}

fn encryption(list: &mut Checklist, settings: &KafkaSettings) -> anyhow::Result<()> {
    const WHAT: &str = "encryption";
    match (settings.security_protocol, &settings.ssl_ca) {
        (SecurityProtocol::Ssl | SecurityProtocol::SaslSsl, Some(path)) => {
            list.pass(WHAT, format!("TLS, trusting {}", path.display()))
        }
        (SecurityProtocol::Ssl | SecurityProtocol::SaslSsl, None) => {
            list.pass(WHAT, "TLS, trusting what this machine trusts")
        }
        (_, Some(_)) => list.unknown(
            WHAT,
            "none: kafka.ssl_ca is set, but kafka.security_protocol makes no use of it; \"sasl_ssl\" does",
        ),
        (_, None) => list.unknown(WHAT, "none: right on a closed network only; see kafka.security_protocol"),
    }
}

/// Tries each broker at the address that it gives to clients: those of the settings are only asked for these. Whether any can be used.
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

/// Fetches a login's password and logs in.
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
            list.fail(what, errors)?;
            return Ok(None);
        }
    };
    let who = match logins {
        RequiredLogin::Admin => Identity::Admin,
        RequiredLogin::User | RequiredLogin::Consumer | RequiredLogin::None => Identity::User,
    };
    let asked =
        Admin::open(&settings.kafka, who, timeout).and_then(|admin| admin.list_topics().map(|topics| (admin, topics)));
    match asked {
        Ok((admin, topics)) => {
            let user = admin.context().user();
            list.pass(
                what,
                format!("{} as {user}, who may see {} topics", settings.kafka.bootstrap_servers, topics.len()),
            )?;
            Ok(Some((settings, admin)))
        }
        Err(error) => {
            list.fail(what, error)?;
            Ok(None)
        }
    }
}

/// Whether the topic is there.
fn topic(list: &mut Checklist, admin: &Admin, what: &str, topic: &str, partitions: i32) -> anyhow::Result<bool> {
    let found = admin.partitions(topic);
    let is_there = matches!(found, Ok(Some(_)));
    match found {
        Ok(Some(found)) => list.pass(what, format!("{topic}, partitions: {found}")),
        Ok(None) => list.unknown(
            what,
            format!("{topic} is not there, or {} may not see it; the service makes it where it may, else `fink kafka create-topic {topic} --partitions {partitions}`", admin.context().user()),
        ),
        Err(error) => list.fail(what, error),
    }?;
    Ok(is_there)
}

/// Whether the topics keep all alerts that are sent to them. `topics`: what each is, and its name.
fn policies(list: &mut Checklist, admin: &Admin, topics: &[(String, &str)]) -> anyhow::Result<()> {
    const WHAT: &str = "retention";
    let names: Vec<&str> = topics.iter().map(|(_, topic)| *topic).collect();
    let policies = match topics::retentions(admin, &names) {
        Ok(policies) => policies,
        Err(error) => return list.fail(WHAT, error),
    };
    let (mut good, mut hidden) = (0, Vec::new());
    for ((what, topic), policy) in topics.iter().zip(policies) {
        match policy {
            Retention::Sufficient => good += 1,
            Retention::Short(reason) => list.unknown(what, format!("{topic}: {reason}"))?,
            Retention::Lossy(reason) => list.fail(what, format!("{topic}: {reason}"))?,
            Retention::Unknown => hidden.push(*topic),
        }
    }
    if good > 0 {
        list.pass(WHAT, format!("{good} topics keep alerts for a day or longer"))?;
    }
    match hidden.first() {
        None => Ok(()),
        Some(first) => list.unknown(
            WHAT,
            format!(
                "{} may not see how {} topics, such as {first}, are configured (describe-configs): their cleanup.policy has to be delete",
                admin.context().user(),
                hidden.len()
            ),
        ),
    }
}

fn checkpoint_of(list: &mut Checklist, admin: &Admin, topic: &str, timeout: Duration) -> anyhow::Result<()> {
    const WHAT: &str = "checkpoint";
    match admin.partitions(topic) {
        Ok(None) => {
            return list.unknown(WHAT, format!("{topic} is not there yet: the service makes it at its first start"));
        }
        Ok(Some(_)) => {}
        Err(error) => return list.fail(WHAT, error),
    }
    let deadline = Instant::now() + timeout;
    let is_late = || Instant::now() >= deadline;
    let records = match checkpoint::read_stable(admin, topic, checkpoint::SERVICE_PARTITION, &is_late) {
        Ok(records) => records,
        Err(error) => return list.fail(WHAT, error),
    };
    match CheckpointState::load("live", &records) {
        Ok(Some(progress)) => {
            let behind = Timestamp::now().as_millisecond().saturating_sub(progress.watermark().as_millis()).max(0);
            let behind = format_duration(Duration::from_secs(behind as u64 / 1000));
            list.pass(
                WHAT,
                format!("all is sent up to {}, {behind} ago", format_timestamp(progress.watermark().as_millis())),
            )
        }
        Ok(None) => list.pass(WHAT, format!("{topic}, in which no service has written yet")),
        Err(error) => list.fail(WHAT, error),
    }
}

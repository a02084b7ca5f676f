//! The keys of each section: definition, default and rules. One file a section.

mod consumer;
mod distribution;
mod filters;
mod kafka;
mod metrics;
mod science_db;
mod slack;
mod stream;

use super::file::ConfigFile;
use super::login::{LoginSource, PasswordSource};
use super::reader::Reader;
use crate::distribution::settings::Settings;

/// The settings without passwords, and the sources of the passwords.
pub(super) struct Keys {
    pub settings: Settings,
    pub login: LoginSource,
    pub consumer: LoginSource,
    pub admin: LoginSource,
    pub key_password: Option<PasswordSource>,
}

/// Reads every key, in the order of the generated file. Errors are left in the reader.
pub(super) fn read(reader: &mut Reader<'_>, file: Option<&ConfigFile>) -> Keys {
    let science_db = science_db::read(reader);
    let kafka::KafkaKeys { settings: kafka, login, admin, key_password } = kafka::read(reader, file);
    let (consumer_settings, consumer) = consumer::read(reader, kafka.security_protocol);
    let distribution = distribution::read(reader);
    if science_db.push && !distribution.settle.is_zero() {
        reader.add_error("settle", "it must be 0 with science_db.push: pushed rows are published at once");
    }
    let streams = stream::read_all(reader, file, &distribution);
    let filters = filters::read(reader);
    let slack = slack::read(reader);
    let metrics = metrics::read(reader);
    let settings =
        Settings { science_db, kafka, consumer: consumer_settings, distribution, streams, filters, slack, metrics };
    Keys { settings, login, consumer, admin, key_password }
}

//! `[consumer]`: whose login `fink consume` uses, its group and its topics.

use super::keys::check_topic;
use super::login::LoginSource;
use super::reader::Reader;
use super::settings::SecurityProtocol;

/// `[consumer]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// the consumer group that keeps the position; `None`: none configured
    pub group: Option<String>,
    /// the topics that are read where the command names none
    pub topics: Vec<String>,
}

/// Reads the section, and where the consumer's login is to be had.
pub(super) fn read(reader: &mut Reader<'_>, protocol: SecurityProtocol) -> (ConsumerSettings, LoginSource) {
    let login = LoginSource::read(reader, "consumer", protocol);
    let settings = ConsumerSettings {
        group: reader.optional("consumer.group"),
        topics: reader.read("consumer.topics", Vec::<String>::new()),
    };
    if let Some(reason) = settings.topics.iter().find_map(|topic| check_topic(topic).err()) {
        reader.add_error("consumer.topics", reason);
    }
    (settings, login)
}

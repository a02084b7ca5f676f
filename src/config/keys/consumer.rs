use crate::config::definition::key;
use crate::config::login::{LoginKeys, LoginSource};
use crate::config::reader::Reader;
use crate::distribution::settings::ConsumerSettings;
use crate::kafka::SecurityProtocol;
use crate::topic::Topic;

const LOGIN: LoginKeys = LoginKeys {
    username: key("username", "The user that reads. If unset: the user of [kafka].").example("\"alice\""),
    password_file: key(
        "password_file",
        "A file with the user's password, accessible by its owner only (chmod 600). The variable FINK_CONSUMER_PASSWORD, if set, takes \
         precedence.",
    )
    .example("\"conf/alice.password\""),
};

pub(super) fn read(reader: &mut Reader<'_>, protocol: SecurityProtocol) -> (ConsumerSettings, LoginSource) {
    reader.section(
        "consumer",
        "The login, the group and the topics of `fink consume`, and the login and the group of `fink ingest --from-topic`. `fink consume login` writes \
         this section.",
    );
    let login = LoginSource::read(reader, &LOGIN, "consumer", protocol);
    let group = reader.optional(
        key("group", "The consumer group that keeps the position. Consumers of one group share the partitions.")
            .example("\"alice_fink\""),
    );
    let topics = reader.read(
        key("topics", "The topics to read if the command names none.").example("[\"fink_outstream\"]"),
        Vec::<String>::new(),
    );
    if let Some(reason) = topics.iter().find_map(|topic| topic.parse::<Topic>().err()) {
        reader.add_error("topics", reason.to_string());
    }
    (ConsumerSettings { group, topics }, login)
}

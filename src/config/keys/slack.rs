use crate::config::definition::key;
use crate::config::error::ConfigError;
use crate::config::origin::Origin;
use crate::config::reader::Reader;
use crate::notify::{Endpoint, SlackSettings, TOKEN_VARIABLE};
use crate::secret::Secret;

pub(super) fn read(reader: &mut Reader<'_>) -> SlackSettings {
    reader.section("slack", "");
    let channels = reader.optional(
        key(
            "channels",
            "A file with the channels for notices, one a line. If unset: no notices. The token is read from the variable \
             SLACK_API_TOKEN.",
        )
        .example("\"conf/slack_channels.txt\""),
    );
    let endpoint = reader.read(
        key("endpoint", "Where messages are posted. The URL must use https, unless it is on this machine."),
        Endpoint::slack(),
    );
    let token = if channels.is_some() { read_token(reader) } else { None };
    SlackSettings { channels, endpoint, token }
}

fn read_token(reader: &mut Reader<'_>) -> Option<Secret> {
    let reason = match reader.secret(TOKEN_VARIABLE)? {
        Ok(token) if token.reveal().bytes().all(|b| b.is_ascii_graphic()) => return Some(token),
        Ok(_) => "it contains blanks or other characters that no token has".to_owned(),
        Err(reason) => reason,
    };
    let origin = Origin::Variable(TOKEN_VARIABLE.to_owned());
    reader.errors.push(ConfigError::Value { key: "slack.token".to_owned(), origin, reason });
    None
}

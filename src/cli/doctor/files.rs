//! The files that the configuration names: passwords, rules, schemas, channels.

use std::path::Path;

use super::checklist::Checklist;
use crate::config::{Configuration, Logins};

pub(super) fn check(list: &mut Checklist, configuration: &Configuration) -> anyhow::Result<()> {
    let settings = configuration.settings(Logins::None)?;
    for stream in &settings.streams {
        if let Some(rules) = &stream.rules {
            readable(list, &format!("rules of stream {}", stream.name), rules)?;
        }
        if let Some(schema) = &stream.schema {
            readable(list, &format!("schema of stream {}", stream.name), schema)?;
        }
    }
    if let Some(channels) = &settings.slack.channels {
        readable(list, "slack channels", channels)?;
        const TOKEN: &str = "slack token";
        match std::env::var_os("SLACK_API_TOKEN").is_some_and(|token| !token.is_empty()) {
            true => list.good(TOKEN, "SLACK_API_TOKEN is set")?,
            false => list.bad(
                TOKEN,
                "slack.channels is set, but not the variable SLACK_API_TOKEN: set it, or leave the key out",
            )?,
        }
    }
    Ok(())
}

fn readable(list: &mut Checklist, what: &str, path: &Path) -> anyhow::Result<()> {
    match std::fs::read(path) {
        Ok(bytes) => list.good(what, format!("{}, {} bytes", path.display(), bytes.len())),
        Err(error) => {
            list.bad(what, format!("cannot read {}: {error}; correct its name or its rights", path.display()))
        }
    }
}

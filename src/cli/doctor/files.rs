//! The files of the configuration: the offset file, rules, schemas, channels; and the start of a service.

use std::path::Path;

use super::checklist::Checklist;
use crate::config::{Configuration, RequiredLogin};
use crate::distribution::{Request, offset_file};
use crate::notify::{NotifyError, TOKEN_VARIABLE};
use crate::timestamp::Timestamp;
use crate::units::format_timestamp;

pub(super) fn check(list: &mut Checklist, configuration: &Configuration) -> anyhow::Result<()> {
    let settings = configuration.settings(RequiredLogin::None)?;
    let now = Timestamp::now();
    if let Err(error) = Request::default().check(&settings, now) {
        list.fail("start", error)?;
    }
    if let Some(path) = &settings.distribution.offset_file {
        const OFFSET_FILE: &str = "offset file";
        match offset_file::read(path, now) {
            Ok(Some(time)) => {
                list.pass(OFFSET_FILE, format!("{} says {}", path.display(), format_timestamp(time.as_millis())))?
            }
            Ok(None) => list.pass(OFFSET_FILE, format!("{} is empty", path.display()))?,
            Err(error) => list.fail(OFFSET_FILE, error)?,
        }
    }
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
        match std::env::var_os(TOKEN_VARIABLE).is_some_and(|token| !token.is_empty()) {
            true => list.pass(TOKEN, format!("{TOKEN_VARIABLE} is set"))?,
            false => list.fail(TOKEN, NotifyError::NoToken)?,
        }
    }
    Ok(())
}

fn readable(list: &mut Checklist, what: &str, path: &Path) -> anyhow::Result<()> {
    match std::fs::read(path) {
        Ok(bytes) => list.pass(what, format!("{}, {} bytes", path.display(), bytes.len())),
        Err(error) => {
            list.fail(what, format!("cannot read {}: {error}; correct its name or its permissions", path.display()))
        }
    }
}

//! `fink doctor`: checks the configuration, its files and its servers.

mod acls;
mod checklist;
mod durability;
mod files;
mod kafka;
mod push;
mod science_db;
mod streams;
mod transactions;

use std::time::Duration;

use anyhow::bail;
use clap::Args as ClapArgs;

use self::checklist::Checklist;
use super::context::Context;
use super::output::OutputArgs;
use crate::config::{ConfigErrors, Configuration, RequiredLogin};
use crate::units::parse_duration;

/// `fink doctor`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
✔ good, ✖ bad, ? unknown. The checks write nothing.

Example: fink doctor --config /etc/fink/fink.toml --format json")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,
    /// The timeout of each request to Kafka
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut list = Checklist::new(args.output.format, context.has_colour());
    if let Some(configuration) = configuration(&mut list, context)? {
        files::check(&mut list, &configuration)?;
        streams::check(&mut list, &configuration)?;
        science_db::check(&mut list, &configuration)?;
        push::check(&mut list, &configuration.settings(RequiredLogin::None)?.science_db)?;
        kafka::check(&mut list, &configuration, args.timeout)?;
    }
    let (failed, all) = list.finish()?;
    if failed > 0 {
        bail!("{failed} of {all} checks failed");
    }
    Ok(())
}

fn configuration(list: &mut Checklist, context: &Context) -> anyhow::Result<Option<Configuration>> {
    const WHAT: &str = "configuration";
    match context.configuration() {
        Ok(configuration) => {
            let found = match &configuration.file {
                Some(file) => file.display().to_string(),
                None => "no file: environment and defaults; `fink config init` writes one".to_owned(),
            };
            list.pass(WHAT, found)?;
            Ok(Some(configuration))
        }
        Err(error) => {
            match error.downcast_ref::<ConfigErrors>() {
                Some(ConfigErrors(errors)) => errors.iter().try_for_each(|error| list.fail(WHAT, error))?,
                None => list.fail(WHAT, format!("{error:#}"))?,
            }
            Ok(None)
        }
    }
}

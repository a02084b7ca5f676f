//! `fink checkpoint show`: shows checkpoints.

use anyhow::bail;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::access::{LoginArgs, time};
use crate::cli::context::Context;
use crate::cli::output::{OutputArgs, Table};
use crate::distribution::checkpoint_transfer::{WriterCheckpoint, read_writers_stable};
use crate::kafka::checkpoint;

/// `fink checkpoint show`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples: fink checkpoint show
          fink checkpoint show --format json

WRITER is `live` for the service, `live:<streams>` for one with --stream, `job-<from>-<until>` for jobs. Everything written before WATERMARK is
published; LEDGER is the number of alerts that are published although they were written later. PAUSED are the streams that `fink pause` has
paused. PROCESS has written the checkpoint last.")]
pub struct Args {
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let access = args.login.open(context)?;
    let topic = checkpoint::topic_of(&access.settings.distribution.name);
    let writers = read_writers_stable(&access.admin, &topic, access.stop.token())?;
    if writers.is_empty() {
        bail!("topic `{topic}` holds no checkpoint");
    }
    let mut table = Table::new(&[
        "writer",
        "part",
        "state",
        "watermark",
        "published until",
        "ledger",
        "paused",
        "bytes",
        "process",
    ]);
    for writer in &writers {
        let state = writer.state()?;
        let bytes: usize = writer.records.iter().map(|(key, value)| key.len() + value.len()).sum();
        let until = state.as_ref().map(|state| state.published_until(access.settings.distribution.settle));
        table.row([
            Value::from(writer.name.as_str()),
            writer.partition.into(),
            described(writer, state.as_ref().is_some_and(|state| state.history().is_some())).into(),
            state.as_ref().map(|state| time(state.watermark())).into(),
            until.map(time).into(),
            state.as_ref().map(|state| state.ledger().len()).into(),
            state.as_ref().and_then(|state| state.missed().paused()).into(),
            bytes.into(),
            writer.active_process().into(),
        ]);
    }
    table.print(args.output.format, context)
}

fn described(writer: &WriterCheckpoint, reads_history: bool) -> String {
    match writer.moved_to() {
        Some(to) => format!("moved to {to}"),
        None if writer.is_finished_job() => "finished".to_owned(),
        None if reads_history => "history".to_owned(),
        None => "live".to_owned(),
    }
}

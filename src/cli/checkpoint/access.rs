//! The login of `fink checkpoint`, and the check that no process of the distribution runs.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::output::Table;
use crate::config::RequiredLogin;
use crate::distribution::checkpoint_transfer::{TransferError, TransferPlan, WriterCheckpoint, require_silence};
use crate::distribution::settings::Settings;
use crate::kafka::{Admin, Identity, checkpoint};
use crate::runfile::RunningService;
use crate::signals::Stop;
use crate::timestamp::Timestamp;

/// The timeout of each request.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// For how long a process that was fenced by the command must not have written.
pub(super) const SILENCE: Duration = Duration::from_secs(12);

/// For how long a process that is not fenced must not have written: that of a standby.
pub(super) const LONG_SILENCE: Duration = Duration::from_secs(40);

/// Whose login is used.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct LoginArgs {
    /// Log in as the administrator (kafka.admin), when the user (kafka.username) may not use both names
    #[arg(long)]
    as_admin: bool,
}

/// Kafka, with the login of the command.
pub(super) struct Access {
    /// `kafka.login` is the login of the command
    pub settings: Settings,
    pub admin: Admin,
    pub stop: Stop,
}

impl LoginArgs {
    /// Connects.
    pub fn open(self, context: &Context) -> anyhow::Result<Access> {
        let configuration = context.configuration()?;
        let settings = match self.as_admin {
            true => {
                let mut settings = configuration.settings(RequiredLogin::Admin)?;
                settings.kafka.login = settings.kafka.admin.take().or(settings.kafka.login);
                settings
            }
            false => configuration.settings(RequiredLogin::User)?,
        };
        let stop = Stop::on_signals()?;
        let admin = Admin::open(&settings.kafka, Identity::User, KAFKA_TIMEOUT)?.cancelled_by(stop.token());
        Ok(Access { settings, admin, stop })
    }
}

impl Access {
    /// Fails while a process writes one of these checkpoints of the distribution `name`.
    pub fn require_stopped(
        &self,
        name: &str,
        writers: &[WriterCheckpoint],
        silence: Duration,
    ) -> Result<(), TransferError> {
        let running = RunningService::all().unwrap_or_default();
        let here = running.iter().find(|service| service.run.service == "distribution" && service.run.name == name);
        if let Some(service) = here {
            let process = format!("process {} on this machine", service.run.pid);
            return Err(TransferError::Running { name: name.to_owned(), process });
        }
        let topic = checkpoint::topic_of(name);
        require_silence(&self.admin, (name, &topic), writers, silence, self.stop.token())
    }
}

/// The checkpoints that are written, beside those that are there.
pub(super) fn plan_table(plan: &TransferPlan) -> anyhow::Result<Table> {
    let mut table = Table::new(&["writer", "watermark", "ledger", "records", "replaces watermark"]);
    for writer in &plan.writers {
        let state = writer.state()?;
        let existing = plan.existing.iter().find(|existing| existing.name == writer.name);
        let replaced = existing.map(WriterCheckpoint::state).transpose()?.flatten();
        table.row([
            Value::from(writer.name.as_str()),
            state.as_ref().map(|state| time(state.watermark())).into(),
            state.as_ref().map(|state| state.ledger().len()).into(),
            writer.movable_records().count().into(),
            replaced.map(|state| time(state.watermark())).into(),
        ]);
    }
    if table.is_empty() {
        bail!("there is no checkpoint");
    }
    Ok(table)
}

/// A watermark.
pub(super) fn time(watermark: Timestamp) -> String {
    match watermark {
        Timestamp::EPOCH => "beginning of the table".to_owned(),
        time => time.rfc3339(),
    }
}

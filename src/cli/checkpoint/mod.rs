//! `fink checkpoint`: shows, exports, imports and moves the checkpoint of a distribution.

mod access;
mod export;
mod import;
mod rename;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::outcome::Interrupted;
use crate::distribution::checkpoint_transfer::TransferError;
use crate::kafka::Error as KafkaError;

pub(super) const AFTER_HELP: &str = "\
The checkpoint says which alerts are published. It is in the topic fink_checkpoint_<distribution.name>: that of the service, of services with
--stream, and of jobs. Exporting, importing and moving need stopped processes.

To another name: stop the service; fink checkpoint move --to-name NEW; set distribution.name = NEW; start it
To another Kafka: stop the service; fink checkpoint export FILE; set kafka.bootstrap_servers; fink checkpoint import FILE; start it";

/// `fink checkpoint …`
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Show the checkpoints: how far the service and jobs are
    Show(show::Args),
    /// Write the checkpoints to a file
    Export(export::Args),
    /// Read the checkpoints from a file
    Import(import::Args),
    /// Give the checkpoints to another distribution.name
    Move(rename::Args),
}

pub(super) fn run(action: &Action, context: &Context) -> anyhow::Result<()> {
    let result = match action {
        Action::Show(args) => show::run(args, context),
        Action::Export(args) => export::run(args, context),
        Action::Import(args) => import::run(args, context),
        Action::Move(args) => rename::run(args, context),
    };
    result.map_err(|error| if is_cancelled(&error) { Interrupted.into() } else { error })
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    let kafka = match error.downcast_ref::<TransferError>() {
        Some(TransferError::Kafka(error)) => Some(error),
        _ => error.downcast_ref::<KafkaError>(),
    };
    matches!(kafka, Some(KafkaError::Cancelled(_)))
}

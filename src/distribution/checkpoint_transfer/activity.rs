//! Whether a process still writes a checkpoint.

use std::time::Duration;

use super::error::TransferError;
use super::writer::WriterCheckpoint;
use crate::cancel::CancellationToken;
use crate::kafka::{Admin, Error as KafkaError};

/// Time between two looks at the ends of the partitions.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Waits for `silence` where a checkpoint names a process that has not ended normally, and fails if the checkpoint is written meanwhile. An active
/// process commits at least every 5 s.
///
/// # Errors
/// [`TransferError::Running`]; or no response.
pub(crate) fn require_silence(
    admin: &Admin,
    (name, topic): (&str, &str),
    writers: &[WriterCheckpoint],
    silence: Duration,
    token: &CancellationToken,
) -> Result<(), TransferError> {
    let active: Vec<(i32, String)> = writers
        .iter()
        .filter(|writer| !writer.is_finished_job())
        .filter_map(|writer| Some((writer.partition, writer.active_process()?)))
        .collect();
    let Some((_, process)) = active.first() else { return Ok(()) };
    let partitions: Vec<(String, i32)> = active.iter().map(|(partition, _)| (topic.to_owned(), *partition)).collect();
    log::info!("{process} has not ended normally; waiting for {} s whether it still runs", silence.as_secs());
    let before = admin.high_watermarks(&partitions)?;
    let mut waited = Duration::ZERO;
    while waited < silence {
        if token.wait(POLL_INTERVAL) {
            return Err(KafkaError::Cancelled("waiting for the end of a process".to_owned()).into());
        }
        waited += POLL_INTERVAL;
        let ends = admin.high_watermarks(&partitions)?;
        if let Some(grown) = ends.iter().zip(&before).position(|(end, before)| end > before) {
            return Err(TransferError::Running { name: name.to_owned(), process: active[grown].1.clone() });
        }
    }
    Ok(())
}

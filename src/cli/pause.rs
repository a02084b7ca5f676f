//! `fink pause`, `fink resume`: a stream of a running service receives no alerts for a while, and what it has missed later.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::outcome::{Interrupted, UsageError};
use super::stop::select;
use crate::control_socket;
use crate::distribution::{StreamChange, StreamChangeError, StreamControl};
use crate::signals::Stop;
use crate::units::parse_duration;

/// How long the service has to begin the change, and again to commit it; both together are shorter than the timeout of the socket.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// `fink pause`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: fink pause kilonovae
          fink status
          fink resume kilonovae

The stream receives no alerts that are written from now on; the other streams go on. It stays paused when the service is restarted or reloaded, and
`fink resume` sends it everything that it has missed. The service has to be in the live lane. A stream that is paused already stays as it is.")]
pub struct Pause {
    #[command(flatten)]
    stream: StreamArgs,
}

/// `fink resume`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: fink resume kilonovae
          fink resume kilonovae --name fink_test

The stream receives new alerts at once. What it has missed is read again and sent beside them, by the present rules and filters, as soon as the
watermark has passed it: this is distribution.repair (10 minutes by default) after it was written. `fink status` shows when the stream is
complete.")]
pub struct Resume {
    #[command(flatten)]
    stream: StreamArgs,
}

#[derive(Debug, Args)]
struct StreamArgs {
    /// The name of the stream
    #[arg(value_name = "STREAM")]
    stream: String,
    /// The distribution.name of the service, if several are running
    #[arg(long)]
    name: Option<String>,
    /// How long to try while the service is busy or not in the live lane
    #[arg(long, value_name = "DUR", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
}

impl Pause {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.stream.ask(StreamChange::Pause)
    }
}

impl Resume {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.stream.ask(StreamChange::Resume)
    }
}

/// What the service has done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done(String),
    UnknownStream(String),
    NotLive(String),
    Error(String),
}

fn verb(change: StreamChange) -> &'static str {
    match change {
        StreamChange::Pause => "pause",
        StreamChange::Resume => "resume",
    }
}

impl StreamArgs {
    fn ask(&self, change: StreamChange) -> anyhow::Result<()> {
        let stop = Stop::on_signals()?;
        let service = select(self.name.as_deref())?;
        let started = Instant::now();
        loop {
            let reply = control_socket::request(&service.socket(), &format!("{} {}", verb(change), self.stream));
            let reply = reply.with_context(|| {
                format!("distribution `{}` (process {}) does not answer", service.run.name, service.run.pid)
            })?;
            match serde_json::from_str(&reply).with_context(|| format!("unexpected answer of the service: {reply}"))? {
                Reply::Done(done) => {
                    log::info!("{done}");
                    return Ok(());
                }
                Reply::UnknownStream(error) => return Err(UsageError(error).into()),
                Reply::NotLive(_) if started.elapsed() < self.timeout => {}
                Reply::NotLive(error) | Reply::Error(error) => bail!("{error}"),
            }
            if stop.wait(RETRY_INTERVAL) {
                return Err(Interrupted.into());
            }
        }
    }
}

/// The response of a service to a request on its socket; `None`: it is not about a stream.
pub(super) fn respond(request: &str, control: &StreamControl) -> Option<String> {
    let (asked, stream) = request.split_once(' ')?;
    let change = [StreamChange::Pause, StreamChange::Resume].into_iter().find(|change| verb(*change) == asked)?;
    let reply = match control.ask(stream, change, TIMEOUT) {
        Ok(done) => Reply::Done(done),
        Err(error @ StreamChangeError::NoStream { .. }) => Reply::UnknownStream(error.to_string()),
        Err(error @ StreamChangeError::NotLive) => Reply::NotLive(error.to_string()),
        Err(error @ StreamChangeError::NotConfirmed) => Reply::Error(error.to_string()),
    };
    serde_json::to_string(&reply).ok()
}

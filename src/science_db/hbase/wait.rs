//! What ends a blocked read or write: bytes, a time-out, or cancellation.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use crate::cancel::CancellationToken;
use crate::science_db::stream;

/// Silence after which the log says that the session is waiting.
const LOG_AFTER: Duration = Duration::from_secs(10);

/// How one session waits for one server.
#[derive(Debug)]
pub(crate) struct Wait {
    cluster: Arc<Cluster>,
    address: String,
    cancel: CancellationToken,
    timeout: Duration,
    /// time of the last byte, or of the beginning of the call
    since: Instant,
    was_logged: bool,
}

impl Wait {
    /// A wait for `address`, `host:port`, that times out after `timeout` without a byte.
    pub(crate) fn new(cluster: &Arc<Cluster>, address: &str, cancel: &CancellationToken, timeout: Duration) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            address: address.to_owned(),
            cancel: cancel.clone(),
            timeout,
            since: Instant::now(),
            was_logged: false,
        }
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self, timeout: Duration) {
        (self.timeout, self.since, self.was_logged) = (timeout, Instant::now(), false);
    }
}

impl stream::Wait for Wait {
    fn address(&self) -> &str {
        &self.address
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn progress(&mut self) {
        if self.was_logged {
            log::info!("{} has answered after {:.1} s", self.address, self.since.elapsed().as_secs_f64());
            self.cluster.end_silence(&self.address);
            self.was_logged = false;
        }
        self.since = Instant::now();
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::other("cancelled")) } else { Ok(()) }
    }

    fn check(&mut self) -> Result<()> {
        self.check_cancelled()?;
        let silence = self.since.elapsed();
        let seconds = silence.as_secs_f64();
        if silence >= self.timeout {
            return Err(Error::new(ErrorKind::TimedOut, format!("no answer for {seconds:.0} s")));
        }
        if silence >= LOG_AFTER && self.cluster.should_log_silence(&self.address) {
            self.was_logged = true;
            log::warn!("{} has not answered for {seconds:.0} s; still waiting", self.address);
        }
        Ok(())
    }
}

//! What ends a blocked read or write: bytes, a time-out, a better gateway, or the caller.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Health};
use crate::science_db::Cancel;

/// Longest time for which a thread is blocked without asking whether to give up.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Silence after which the log says that a gateway is waited for.
const LOG_AFTER: Duration = Duration::from_secs(10);

/// How one session waits for one gateway.
pub struct Wait {
    health: Arc<Health>,
    gateway: usize,
    cancel: Cancel,
    call: Call,
    /// silence after which the gateway is given up
    timeout: Duration,
    /// since the last byte, or the beginning of the call
    since: Instant,
    logged: bool,
    is_probe: bool,
}

impl Wait {
    /// A wait for the first answer of `gateway`, for `timeout` where no other gateway is available.
    pub fn for_handshake(health: &Arc<Health>, gateway: usize, cancel: &Cancel, timeout: Duration) -> Self {
        Self {
            health: Arc::clone(health),
            gateway,
            cancel: Arc::clone(cancel),
            call: Call::Handshake,
            timeout,
            since: Instant::now(),
            logged: false,
            is_probe: false,
        }
    }

    /// A wait for the first answer of `gateway` that is only to show whether it answers.
    pub fn for_probe(health: &Arc<Health>, gateway: usize) -> Self {
        let never: Cancel = Arc::new(|| false);
        let timeout = health.timeouts().probe;
        Self { is_probe: true, ..Self::for_handshake(health, gateway, &never, timeout) }
    }

    /// Begins a call.
    pub fn begin(&mut self, call: Call, timeout: Duration) {
        (self.call, self.timeout, self.since, self.logged) = (call, timeout, Instant::now(), false);
    }

    /// The address of the gateway.
    pub fn address(&self) -> &str {
        self.health.address(self.gateway)
    }

    /// The gateways' state.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The silence after which the gateway is given up.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Bytes have come or gone.
    pub fn progress(&mut self) {
        if self.logged {
            let seconds = self.since.elapsed().as_secs_f64();
            log::info!("the gateway at {} has answered after {seconds:.1} s", self.address());
            self.logged = false;
        }
        self.since = Instant::now();
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// The caller has given up.
    pub fn check_cancelled(&self) -> std::io::Result<()> {
        if (self.cancel)() { Err(Error::other("the caller has given up")) } else { Ok(()) }
    }

    /// Whether to go on although nothing comes. To be asked every [`POLL_INTERVAL`].
    ///
    /// # Errors
    /// The caller has given up, or [`ErrorKind::TimedOut`].
    pub fn check(&mut self) -> std::io::Result<()> {
        self.check_cancelled()?;
        let silent = self.since.elapsed();
        let is_handshake = self.call == Call::Handshake;
        let timeouts = self.health.timeouts();
        let timeout = match is_handshake && !self.is_probe && self.health.has_other(self.gateway) {
            true => self.timeout.min(timeouts.handshake),
            false => self.timeout,
        };
        if silent >= timeout {
            return Err(timed_out(format!("no answer for {:.0} s", silent.as_secs_f64())));
        }
        if self.is_probe {
            return Ok(());
        }
        if is_handshake && silent >= timeouts.handshake && !self.health.has_failed(self.gateway) {
            // It is waited for as long as there is no better one, and the log is to say so.
            self.health
                .mark_failed(self.gateway, &format!("no answer on a new connection for {:.0} s", silent.as_secs_f64()));
        }
        if !is_handshake && silent >= timeouts.probe_after {
            self.health.probe(self.gateway);
        }
        self.health.probe_failed();
        if self.call.is_idempotent() && self.health.is_replaceable(self.gateway) {
            let seconds = silent.as_secs_f64();
            return Err(timed_out(format!("no answer for {seconds:.0} s, nor on a new connection")));
        }
        if silent >= LOG_AFTER && self.health.should_log_silence(self.gateway) {
            self.logged = true;
            let (address, seconds) = (self.address(), silent.as_secs_f64());
            let also = if self.health.has_failed(self.gateway) { ", nor taken a new connection" } else { "" };
            log::warn!("the gateway at {address} has not answered for {seconds:.0} s{also}; still waiting");
        }
        Ok(())
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Wait({}, {:?}, {:?})", self.address(), self.call, self.timeout)
    }
}

fn timed_out(reason: String) -> Error {
    Error::new(ErrorKind::TimedOut, reason)
}

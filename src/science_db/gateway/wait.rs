//! What ends a blocked read or write: bytes, a time-out, a better gateway, or cancellation.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health::Health;
use crate::cancel::CancellationToken;
use crate::science_db::stream;
use crate::science_db::timeouts::Call;

/// Silence after which the log says that the session is waiting.
const LOG_AFTER: Duration = Duration::from_secs(10);

/// How one session waits for one gateway.
#[derive(Debug)]
pub(crate) struct Wait {
    health: Arc<Health>,
    gateway: usize,
    cancel: CancellationToken,
    call: Call,
    /// silence after which the call has timed out
    timeout: Duration,
    /// time of the last byte, or of the beginning of the call
    since: Instant,
    was_logged: bool,
    is_probe: bool,
}

impl Wait {
    /// A wait for the first reply of `gateway`, which times out after `timeout`, or sooner while another gateway is healthy.
    pub(crate) fn for_handshake(
        health: &Arc<Health>,
        gateway: usize,
        cancel: &CancellationToken,
        timeout: Duration,
    ) -> Self {
        Self {
            health: Arc::clone(health),
            gateway,
            cancel: cancel.clone(),
            call: Call::Handshake,
            timeout,
            since: Instant::now(),
            was_logged: false,
            is_probe: false,
        }
    }

    /// A wait for the first reply of `gateway` to a probe.
    pub(crate) fn for_probe(health: &Arc<Health>, gateway: usize) -> Self {
        let timeout = health.timeouts().probe;
        Self { is_probe: true, ..Self::for_handshake(health, gateway, &CancellationToken::new(), timeout) }
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self, call: Call, timeout: Duration) {
        (self.call, self.timeout, self.since, self.was_logged) = (call, timeout, Instant::now(), false);
    }
}

impl stream::Wait for Wait {
    fn address(&self) -> &str {
        self.health.address(self.gateway)
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn progress(&mut self) {
        if self.was_logged {
            let seconds = self.since.elapsed().as_secs_f64();
            log::info!("gateway {} has answered after {seconds:.1} s", self.address());
            let _was_logged = self.health.end_silence(self.gateway);
            self.was_logged = false;
        }
        self.since = Instant::now();
    }

    fn check_cancelled(&self) -> std::io::Result<()> {
        if self.cancel.is_cancelled() { Err(Error::other("cancelled")) } else { Ok(()) }
    }

    /// Times out also where the gateway failed and another one is healthy.
    fn check(&mut self) -> std::io::Result<()> {
        self.check_cancelled()?;
        let silence = self.since.elapsed();
        let seconds = silence.as_secs_f64();
        let is_handshake = self.call == Call::Handshake;
        let timeouts = self.health.timeouts();
        let timeout = match is_handshake && !self.is_probe && self.health.has_other(self.gateway) {
            true => self.timeout.min(timeouts.handshake),
            false => self.timeout,
        };
        if silence >= timeout {
            return Err(timed_out(format!("no answer for {seconds:.0} s")));
        }
        if self.is_probe {
            return Ok(());
        }
        if is_handshake && silence >= timeouts.handshake && !self.health.has_failed(self.gateway) {
            // The session waits on, since no other gateway is healthy; other sessions and the log should know.
            self.health.mark_failed(self.gateway, &format!("no answer on a new connection for {seconds:.0} s"));
        }
        if !is_handshake && silence >= timeouts.probe_after {
            self.health.probe(self.gateway);
        }
        self.health.probe_failed();
        if self.call.is_idempotent() && self.health.is_replaceable(self.gateway) {
            return Err(timed_out(format!("no answer for {seconds:.0} s, nor on a new connection")));
        }
        if silence >= LOG_AFTER && self.health.should_log_silence(self.gateway) {
            self.was_logged = true;
            let address = self.address();
            let also = if self.health.has_failed(self.gateway) { ", nor accepted a new connection" } else { "" };
            log::warn!("gateway {address} has not answered for {seconds:.0} s{also}; still waiting");
        }
        Ok(())
    }
}

fn timed_out(reason: String) -> Error {
    Error::new(ErrorKind::TimedOut, reason)
}

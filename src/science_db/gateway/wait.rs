//! What ends a blocked read or write: bytes, a time-out, a better gateway, or the caller.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Health};
use crate::science_db::Cancel;

/// Longest time for which a thread is blocked without asking whether to give up.
pub const SLICE: Duration = Duration::from_millis(100);
/// Silence after which the log says that a gateway is waited for.
const TELL_AFTER: Duration = Duration::from_secs(10);

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
    told: bool,
    is_probe: bool,
}

impl Wait {
    /// A wait for the first answer of `gateway`, for `timeout` where no other gateway is available.
    pub fn greeting(health: &Arc<Health>, gateway: usize, cancel: &Cancel, timeout: Duration) -> Self {
        Self {
            health: Arc::clone(health),
            gateway,
            cancel: Arc::clone(cancel),
            call: Call::Greeting,
            timeout,
            since: Instant::now(),
            told: false,
            is_probe: false,
        }
    }

    /// A wait for the first answer of `gateway` that is only to show whether it answers.
    pub fn probe(health: &Arc<Health>, gateway: usize) -> Self {
        let never: Cancel = Arc::new(|| false);
        let timeout = health.timeouts().probe;
        Self { is_probe: true, ..Self::greeting(health, gateway, &never, timeout) }
    }

    /// Begins a call.
    pub fn begin(&mut self, call: Call, timeout: Duration) {
        (self.call, self.timeout, self.since, self.told) = (call, timeout, Instant::now(), false);
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
        if self.told {
            let seconds = self.since.elapsed().as_secs_f64();
            log::info!("the gateway at {} has answered after {seconds:.1} s", self.address());
            self.told = false;
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

    /// Whether to go on although nothing comes. To be asked every [`SLICE`].
    ///
    /// # Errors
    /// The caller has given up, or [`ErrorKind::TimedOut`].
    pub fn check(&mut self) -> std::io::Result<()> {
        self.check_cancelled()?;
        let silent = self.since.elapsed();
        let is_greeting = self.call == Call::Greeting;
        let timeouts = self.health.timeouts();
        let timeout = match is_greeting && !self.is_probe && self.health.has_other(self.gateway) {
            true => self.timeout.min(timeouts.greeting),
            false => self.timeout,
        };
        if silent >= timeout {
            return Err(timed_out(format!("no answer for {:.0} s", silent.as_secs_f64())));
        }
        if self.is_probe {
            return Ok(());
        }
        if is_greeting && silent >= timeouts.greeting && !self.health.has_failed(self.gateway) {
            // It is waited for as long as there is no better one, and the log is to say so.
            self.health
                .failed(self.gateway, &format!("no answer on a new connection for {:.0} s", silent.as_secs_f64()));
        }
        if !is_greeting && silent >= timeouts.probe_after {
            self.health.probe(self.gateway);
        }
        self.health.probe_failed();
        if self.call.is_repeatable() && self.health.is_replaceable(self.gateway) {
            let seconds = silent.as_secs_f64();
            return Err(timed_out(format!("no answer for {seconds:.0} s, nor on a new connection")));
        }
        if silent >= TELL_AFTER && self.health.may_tell(self.gateway) {
            self.told = true;
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

//! Thrift gateways in front of HBase: several that share the load and stand in for each other.

mod call_error;
mod connection;
mod health;
mod reply;
mod request;
mod stream;
mod timeouts;
mod wait;

use std::sync::Arc;
use std::time::Instant;

pub use call_error::CallError;
pub use connection::{Connection, RequestWriter};
pub use health::Health;
pub use reply::{ByteSpan, ReplyReader};
pub use request::Request;
pub use stream::Stream;
use timeouts::AdaptiveTimeouts;
pub use timeouts::{Call, Timeouts};
use wait::Wait;

use crate::science_db::{Cancel, ScienceDbError};

/// Which of HBase's two Thrift interfaces, and how to tell that the other one answers.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// its name in the configuration
    pub kind: &'static str,
    /// the version of the other one
    pub other: u8,
    /// asks a new connection which of the two it is
    pub handshake: fn(&mut Connection) -> Result<(), CallError>,
}

/// The gateways that one session may use, and its connection to one of them.
pub struct Gateways {
    health: Arc<Health>,
    /// the gateway to use while it answers
    home: usize,
    /// the gateway of the last call
    at: usize,
    connection: Option<Connection>,
    timeouts: AdaptiveTimeouts,
    cancel: Cancel,
}

impl Gateways {
    /// Connects to the gateway that is the turn of `session` (sessions are numbered from 0), or to one of the others. What is known of the
    /// gateways is shared through `health`. Every wait ends soon after `cancel` says so.
    ///
    /// # Errors
    /// Where none can be reached, or one is of the other version.
    pub fn open(health: &Arc<Health>, session: usize, cancel: &Cancel) -> Result<Self, ScienceDbError> {
        let home = session.checked_rem(health.addresses().len()).unwrap_or(0);
        let timeouts = AdaptiveTimeouts::new(health.timeouts());
        let (health, cancel) = (Arc::clone(health), Arc::clone(cancel));
        let mut gateways = Self { health, home, at: home, connection: None, timeouts, cancel };
        gateways.call(Call::Metadata, |_| Ok(()))?;
        Ok(gateways)
    }

    /// The address of the gateway of the last call.
    pub fn address(&self) -> String {
        self.health.address(self.at).to_owned()
    }

    /// Whether the gateway in use has answered the last call, if only with an error.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Does `ask` on a connection to the session's own gateway; where that fails, once more on each of the others in turn. A gateway that is
    /// known to have failed is tried last.
    ///
    /// # Errors
    /// `Unreachable` where no gateway answers, or HBase cannot answer now: worth another try later. `Cancelled` where the caller has given
    /// up. Others are not worth another try.
    pub fn call<T>(
        &mut self,
        call: Call,
        mut ask: impl FnMut(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, ScienceDbError> {
        self.health.probe_failed();
        let mut reasons = Vec::new();
        let mut is_transient = false;
        let order = self.health.order(self.home);
        let mut kept = self.connection.take().filter(|_| order.first() == Some(&self.at));
        for (index, &gateway) in order.iter().enumerate() {
            self.at = gateway;
            let reason = loop {
                let connection = kept.take().filter(Connection::is_open);
                let was_kept = connection.is_some();
                let failure = match self.attempt(connection, call, &mut ask)? {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => failure,
                };
                is_transient |= matches!(failure, CallError::Disconnected(_) | CallError::TimedOut(_));
                match failure {
                    // An old connection may break when its gateway has been started again.
                    CallError::Disconnected(reason) if was_kept => {
                        log::debug!("the connection to {} broke ({reason}); connecting again", self.address());
                    }
                    CallError::Disconnected(reason) | CallError::TimedOut(reason) => break reason,
                    CallError::Protocol(reason) => {
                        break format!("what answers does not speak HBase's Thrift, binary and unframed: {reason}");
                    }
                    answered => return Err(self.error(answered)),
                }
            };
            if let Some(next) = order.get(index + 1) {
                let (address, next) = (self.health.address(gateway), self.health.address(*next));
                // That a gateway as a whole has failed is told once, for all sessions.
                let level = if self.health.has_failed(gateway) { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "the gateway at {address} failed ({reason}); trying {next}");
            }
            reasons.push((self.address(), reason));
        }
        Err(exhausted(reasons, is_transient))
    }

    /// Does `ask` once. Outer errors end the call, inner ones may be tried again.
    fn attempt<T>(
        &mut self,
        connection: Option<Connection>,
        call: Call,
        ask: &mut impl FnMut(&mut Connection) -> Result<T, CallError>,
    ) -> Result<Result<T, CallError>, ScienceDbError> {
        let mut connection = match connection.map_or_else(|| self.connect(), Ok) {
            Ok(connection) => connection,
            Err(_) if (self.cancel)() => return Err(self.cancelled()),
            Err(failure) => return Ok(Err(failure)),
        };
        let began = Instant::now();
        connection.begin(call, self.timeouts.get(call));
        match ask(&mut connection) {
            Err(CallError::Disconnected(_) | CallError::TimedOut(_) | CallError::Protocol(_)) if (self.cancel)() => {
                Err(self.cancelled())
            }
            Err(CallError::Disconnected(reason) | CallError::TimedOut(reason) | CallError::Protocol(reason))
                if !call.is_idempotent() =>
            {
                let reason = format!("{reason}; what was asked for may have been done or not");
                Err(ScienceDbError::Unreachable { address: self.address(), reason })
            }
            Err(CallError::TimedOut(reason)) => {
                if !self.health.has_failed(self.at) {
                    self.timeouts.timed_out(call);
                }
                Ok(Err(CallError::TimedOut(reason)))
            }
            Err(failure @ (CallError::Disconnected(_) | CallError::Protocol(_))) => Ok(Err(failure)),
            answered => {
                self.timeouts.answered(call, began.elapsed());
                self.health.mark_answered(self.at);
                self.connection = Some(connection);
                Ok(answered)
            }
        }
    }

    /// Gives up the connection, which is in the middle of an answer.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    fn connect(&self) -> Result<Connection, CallError> {
        let timeout = self.timeouts.get(Call::Handshake);
        let opened = Connection::open(Wait::for_handshake(&self.health, self.at, &self.cancel, timeout));
        match &opened {
            Err(_) if (self.cancel)() => {}
            Err(CallError::Disconnected(reason) | CallError::TimedOut(reason) | CallError::Protocol(reason)) => {
                self.health.mark_failed(self.at, reason);
            }
            Ok(_) | Err(_) => self.health.mark_healthy(self.at),
        }
        opened
    }

    fn cancelled(&self) -> ScienceDbError {
        ScienceDbError::Cancelled { address: self.address() }
    }

    fn error(&self, failure: CallError) -> ScienceDbError {
        let (address, interface) = (self.address(), self.health.interface());
        match failure {
            CallError::WrongVersion(found) => ScienceDbError::WrongServer { address, wanted: interface.kind, found },
            CallError::UnknownMethod(_) => {
                ScienceDbError::WrongServer { address, wanted: interface.kind, found: interface.other }
            }
            CallError::Disconnected(reason) | CallError::TimedOut(reason) | CallError::Unavailable(reason) => {
                ScienceDbError::Unreachable { address, reason }
            }
            CallError::Protocol(reason) | CallError::Refused(reason) => ScienceDbError::Refused { address, reason },
            CallError::TableExists => {
                ScienceDbError::Refused { address, reason: String::from("the table exists already") }
            }
        }
    }
}

fn exhausted(mut reasons: Vec<(String, String)>, is_transient: bool) -> ScienceDbError {
    let (address, reason) = match reasons.len() {
        1 => reasons.remove(0),
        _ => {
            let mut addresses: Vec<&str> = reasons.iter().map(|(address, _)| address.as_str()).collect();
            addresses.dedup();
            let said: Vec<String> = reasons.iter().map(|(address, reason)| format!("{address}: {reason}")).collect();
            (addresses.join(", "), said.join("; "))
        }
    };
    match is_transient {
        true => ScienceDbError::Unreachable { address, reason },
        false => ScienceDbError::Refused { address, reason },
    }
}

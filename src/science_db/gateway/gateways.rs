//! The gateways of one session: they share the load of all sessions, and each replaces the others when they fail.

use std::sync::Arc;
use std::time::Instant;

use super::call_error::CallError;
use super::connection::{Connection, Handshake};
use super::health::Health;
use super::wait::Wait;
use crate::cancel::CancellationToken;
use crate::science_db::timeouts::{AdaptiveTimeouts, Call, Timeouts};
use crate::science_db::{ScienceDb, ScienceDbError};

/// One of HBase's two Thrift interfaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interface {
    /// its name in the configuration
    pub kind: &'static str,
    /// version of the other interface: 1 or 2
    pub other: u8,
    /// asks a new connection which interface it serves
    pub handshake: Handshake,
    /// a session with a table, `namespace:name`
    pub session: fn(Gateways, &str) -> Box<dyn ScienceDb>,
}

impl Interface {
    /// The state of the gateways at `addresses` (`host:port`), to be shared by all sessions of the process.
    pub(crate) fn health(self, addresses: &[String], timeouts: Timeouts) -> Arc<Health> {
        let handshake = self.handshake;
        let probe = move |health: &Arc<Health>, gateway| {
            Connection::open(Wait::for_probe(health, gateway), handshake).map(drop)
        };
        Arc::new(Health::new(addresses, timeouts, Box::new(probe)))
    }
}

/// The gateways of one session, and its connection to one of them.
pub(crate) struct Gateways {
    interface: Interface,
    health: Arc<Health>,
    /// the gateway that the session uses while it answers
    home: usize,
    /// the gateway of the last call
    current: usize,
    connection: Option<Connection>,
    timeouts: AdaptiveTimeouts,
    cancel: CancellationToken,
}

/// Why one attempt at a call brought no result.
enum AttemptError {
    /// the gateway failed, or answered with an error
    Call(CallError),
    /// the call ends, whatever the other gateways would answer
    Final(ScienceDbError),
}

impl Gateways {
    /// Connects to a gateway. The sessions, numbered from 0, are spread over the gateways: each begins with another one.
    ///
    /// # Errors
    /// No gateway can be reached, or one has the other interface.
    pub(crate) fn open(
        interface: Interface,
        health: &Arc<Health>,
        session: usize,
        cancel: &CancellationToken,
    ) -> Result<Self, ScienceDbError> {
        let home = session.checked_rem(health.addresses().len()).unwrap_or(0);
        let timeouts = AdaptiveTimeouts::new(health.timeouts());
        let (health, cancel) = (Arc::clone(health), cancel.clone());
        let mut gateways = Self { interface, health, home, current: home, connection: None, timeouts, cancel };
        gateways.call(Call::Metadata, |_| Ok(()))?;
        Ok(gateways)
    }

    /// Address of the gateway of the last call.
    pub(crate) fn address(&self) -> String {
        self.health.address(self.current).to_owned()
    }

    /// Whether the last call was answered, if only with an error.
    fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Makes a call on the session's own gateway; if that fails, on each of the others in turn. Gateways known to have failed come last.
    ///
    /// # Errors
    /// `Unreachable` if no gateway answers, or if HBase is not available now: a later call may succeed. `Cancelled`. All other errors are
    /// permanent.
    pub(crate) fn call<T>(
        &mut self,
        call: Call,
        mut send: impl FnMut(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, ScienceDbError> {
        self.health.probe_failed();
        let begun = Instant::now();
        let mut failures = Vec::new();
        let mut is_transient = false;
        let order = self.health.order(self.home);
        let mut kept = self.connection.take().filter(|_| order.first() == Some(&self.current));
        for (index, &gateway) in order.iter().enumerate() {
            self.current = gateway;
            let reason = loop {
                let connection = kept.take().filter(Connection::is_open);
                let was_kept = connection.is_some();
                let error = match self.attempt(connection, call, &mut send) {
                    Ok(result) => {
                        self.end_silences(&order[..index], begun);
                        return Ok(result);
                    }
                    Err(AttemptError::Final(error)) => return Err(error),
                    Err(AttemptError::Call(error)) => error,
                };
                is_transient |= matches!(error, CallError::Disconnected(_) | CallError::TimedOut(_));
                match error {
                    // A gateway that was restarted closes its old connections; it is not a failed gateway.
                    CallError::Disconnected(reason) if was_kept => {
                        log::debug!("lost the connection to {} ({reason}); connecting again", self.address());
                    }
                    CallError::Disconnected(reason) | CallError::TimedOut(reason) => break reason,
                    CallError::Protocol(reason) => {
                        break format!("the server does not speak HBase's Thrift, binary and unframed: {reason}");
                    }
                    answered => return Err(self.error(answered)),
                }
            };
            if let Some(next) = order.get(index + 1) {
                let (address, next) = (self.health.address(gateway), self.health.address(*next));
                // `Health` logs the failure of a gateway once for all sessions, as a warning.
                let level = if self.health.has_failed(gateway) { log::Level::Debug } else { log::Level::Warn };
                log::log!(level, "gateway {address} failed ({reason}); trying {next}");
            }
            failures.push((self.address(), reason));
        }
        Err(all_failed(failures, is_transient))
    }

    /// Logs that the current gateway has answered, where the log says that the call waits for one of `silent`.
    fn end_silences(&self, silent: &[usize], begun: Instant) {
        let logged = silent.iter().filter(|gateway| self.health.end_silence(**gateway)).count();
        if logged > 0 {
            log::info!("gateway {} has answered instead, after {:.1} s", self.address(), begun.elapsed().as_secs_f64());
        }
    }

    /// Makes one attempt on the current gateway.
    fn attempt<T>(
        &mut self,
        connection: Option<Connection>,
        call: Call,
        send: &mut impl FnMut(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, AttemptError> {
        let mut connection = match connection.map_or_else(|| self.connect(), Ok) {
            Ok(connection) => connection,
            Err(_) if self.cancel.is_cancelled() => return Err(self.cancelled()),
            Err(error) => return Err(AttemptError::Call(error)),
        };
        let start = Instant::now();
        connection.begin(call, self.timeouts.get(call));
        match send(&mut connection) {
            Err(error) if error.breaks_connection() => {
                if self.cancel.is_cancelled() {
                    return Err(self.cancelled());
                }
                if !call.is_idempotent() {
                    let reason = format!("{error}; the write may have been done or not");
                    return Err(AttemptError::Final(ScienceDbError::Unreachable { address: self.address(), reason }));
                }
                // Where the gateway does not take new connections either, a longer time-out would not have helped.
                if matches!(error, CallError::TimedOut(_)) && !self.health.has_failed(self.current) {
                    self.timeouts.timed_out(call);
                }
                Err(AttemptError::Call(error))
            }
            answered => {
                self.timeouts.answered(call, start.elapsed());
                self.health.mark_answered(self.current);
                self.connection = Some(connection);
                answered.map_err(AttemptError::Call)
            }
        }
    }

    /// Closes the connection. Required after a reply that was not read to its end.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Replaces the error of an answered call by [`ScienceDbError::NoTable`] if the table does not exist. HBase reports a missing table in
    /// many ways: sometimes only by its name, and for a batch as an error to be retried.
    pub(crate) fn explain<T>(
        &mut self,
        result: Result<T, ScienceDbError>,
        table: &str,
        table_exists: fn(&mut Self, &str) -> Result<bool, ScienceDbError>,
    ) -> Result<T, ScienceDbError> {
        let error = match result {
            Err(error) if self.is_connected() => error,
            other => return other,
        };
        match table_exists(self, table) {
            Ok(false) => Err(self.no_table(table)),
            Ok(true) | Err(_) => Err(error),
        }
    }

    /// The error of a call on a table that does not exist.
    pub(crate) fn no_table(&self, table: &str) -> ScienceDbError {
        ScienceDbError::NoTable { address: self.address(), table: table.to_owned() }
    }

    fn connect(&self) -> Result<Connection, CallError> {
        let timeout = self.timeouts.get(Call::Handshake);
        let opened = Connection::open(
            Wait::for_handshake(&self.health, self.current, &self.cancel, timeout),
            self.interface.handshake,
        );
        match &opened {
            Err(_) if self.cancel.is_cancelled() => {}
            Err(error) if error.breaks_connection() => self.health.mark_failed(self.current, &error.to_string()),
            Ok(_) | Err(_) => self.health.mark_healthy(self.current),
        }
        opened
    }

    fn cancelled(&self) -> AttemptError {
        AttemptError::Final(ScienceDbError::Cancelled { address: self.address() })
    }

    fn error(&self, error: CallError) -> ScienceDbError {
        let (address, interface) = (self.address(), self.interface);
        match error {
            CallError::WrongVersion(found) => ScienceDbError::WrongServer { address, wanted: interface.kind, found },
            CallError::UnknownMethod(_) => {
                ScienceDbError::WrongServer { address, wanted: interface.kind, found: interface.other }
            }
            CallError::Disconnected(reason) | CallError::TimedOut(reason) | CallError::Unavailable(reason) => {
                ScienceDbError::Unreachable { address, reason }
            }
            CallError::Protocol(reason) | CallError::Refused(reason) => ScienceDbError::Refused { address, reason },
            CallError::NoFamily(family) => ScienceDbError::NoFamily { address, family },
            CallError::TableExists => {
                ScienceDbError::Refused { address, reason: String::from("the table exists already") }
            }
        }
    }
}

/// The error after every server failed, with the address and the reason of each.
pub(crate) fn all_failed(mut failures: Vec<(String, String)>, is_transient: bool) -> ScienceDbError {
    let (address, reason) = match failures.len() {
        1 => failures.remove(0),
        _ => {
            let mut addresses: Vec<&str> = failures.iter().map(|(address, _)| address.as_str()).collect();
            addresses.dedup();
            let reasons: Vec<String> =
                failures.iter().map(|(address, reason)| format!("{address}: {reason}")).collect();
            (addresses.join(", "), reasons.join("; "))
        }
    };
    match is_transient {
        true => ScienceDbError::Unreachable { address, reason },
        false => ScienceDbError::Refused { address, reason },
    }
}

//! Thrift gateways in front of HBase: several that share the load and stand in for each other.

mod answer;
mod connection;
mod failure;
mod request;

pub use answer::{Answer, Bytes};
pub use connection::{Connection, Patience, Sender};
pub use failure::Failure;
pub use request::Request;

use crate::science_db::ScienceDbError;

/// Which of HBase's two Thrift interfaces, and how to tell that the other one answers.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// its name in the configuration
    pub kind: &'static str,
    /// the version of the other one
    pub other: u8,
    /// asks a new connection which of the two it is
    pub greet: fn(&mut Connection) -> Result<(), Failure>,
}

/// Whether a call may be done a second time when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// the second time changes nothing
    Harmless,
    /// the second time would be a second write
    Harmful,
}

/// The gateways that one session may use, and its connection to one of them.
#[derive(Debug)]
pub struct Gateways {
    addresses: Vec<String>,
    at: usize,
    connection: Option<Connection>,
    interface: Interface,
    patience: Patience,
}

impl Gateways {
    /// Connects to the gateway that is the turn of `session` (sessions are numbered from 0), or to one of the others.
    ///
    /// # Errors
    /// Where none can be reached, or one is of the other version.
    pub fn open(
        addresses: &[String],
        session: usize,
        interface: Interface,
        patience: Patience,
    ) -> Result<Self, ScienceDbError> {
        let at = session.checked_rem(addresses.len()).unwrap_or(0);
        let mut gateways = Self { addresses: addresses.to_vec(), at, connection: None, interface, patience };
        gateways.call(Repeat::Harmless, |_| Ok(()))?;
        Ok(gateways)
    }

    /// The address of the gateway in use.
    pub fn address(&self) -> String {
        self.addresses.get(self.at).cloned().unwrap_or_default()
    }

    /// Whether the gateway in use has answered the last call, if only with an error.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Does `ask` on the connection; where that fails, once more on each gateway in turn.
    ///
    /// # Errors
    /// `Unreachable` where no gateway answers, or HBase cannot answer now: worth another try later. Others are not.
    pub fn call<T>(
        &mut self,
        repeat: Repeat,
        mut ask: impl FnMut(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, ScienceDbError> {
        let mut reasons = Vec::new();
        let mut lost = false;
        let mut left = self.addresses.len();
        loop {
            let kept = self.connection.take().filter(Connection::is_open);
            let was_kept = kept.is_some();
            let address = self.address();
            let failure = match kept.map_or_else(|| self.connect(), Ok) {
                Ok(mut connection) => match ask(&mut connection) {
                    Err(Failure::Lost(reason) | Failure::Garbled(reason)) if repeat == Repeat::Harmful => {
                        let reason = format!("{reason}; what was asked for may have been done or not");
                        return Err(ScienceDbError::Unreachable { address, reason });
                    }
                    Err(failure @ (Failure::Lost(_) | Failure::Garbled(_))) => failure,
                    answered => {
                        self.connection = Some(connection);
                        return answered.map_err(|failure| self.error(failure));
                    }
                },
                Err(failure) => failure,
            };
            lost |= matches!(failure, Failure::Lost(_));
            let reason = match failure {
                Failure::Lost(reason) => reason,
                Failure::Garbled(reason) => {
                    format!("what answers does not speak HBase's Thrift, binary and unframed: {reason}")
                }
                answered => return Err(self.error(answered)),
            };
            if !was_kept {
                self.at = (self.at + 1) % self.addresses.len().max(1);
                left = left.saturating_sub(1);
            }
            if left > 0 {
                log::warn!("the gateway at {address} failed ({reason}); trying {}", self.address());
            }
            reasons.push((address, reason));
            if left == 0 {
                return Err(exhausted(reasons, lost));
            }
        }
    }

    /// Gives up the connection, which is in the middle of an answer.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    fn connect(&self) -> Result<Connection, Failure> {
        let mut connection = Connection::open(&self.address(), self.patience)?;
        match (self.interface.greet)(&mut connection) {
            // Gateways older than the question: the first call will tell.
            Ok(()) | Err(Failure::UnknownMethod(_)) => {}
            Err(Failure::Lost(reason)) => {
                let reason = format!(
                    "connected, but {reason}: is it a Thrift gateway, unframed, with a worker thread left (hbase.thrift.minWorkerThreads)?"
                );
                return Err(Failure::Lost(reason));
            }
            Err(failure) => return Err(failure),
        }
        connection.settle(self.patience)?;
        Ok(connection)
    }

    fn error(&self, failure: Failure) -> ScienceDbError {
        let address = self.address();
        match failure {
            Failure::OtherVersion(found) => ScienceDbError::WrongServer { address, wanted: self.interface.kind, found },
            Failure::UnknownMethod(_) => {
                ScienceDbError::WrongServer { address, wanted: self.interface.kind, found: self.interface.other }
            }
            Failure::Lost(reason) | Failure::Unavailable(reason) => ScienceDbError::Unreachable { address, reason },
            Failure::Garbled(reason) | Failure::Refused(reason) => ScienceDbError::Refused { address, reason },
            Failure::TableExists => {
                ScienceDbError::Refused { address, reason: String::from("the table exists already") }
            }
        }
    }
}

fn exhausted(mut reasons: Vec<(String, String)>, lost: bool) -> ScienceDbError {
    let (address, reason) = match reasons.len() {
        1 => reasons.remove(0),
        _ => {
            let mut addresses: Vec<&str> = reasons.iter().map(|(address, _)| address.as_str()).collect();
            addresses.dedup();
            let said: Vec<String> = reasons.iter().map(|(address, reason)| format!("{address}: {reason}")).collect();
            (addresses.join(", "), said.join("; "))
        }
    };
    match lost {
        true => ScienceDbError::Unreachable { address, reason },
        false => ScienceDbError::Refused { address, reason },
    }
}

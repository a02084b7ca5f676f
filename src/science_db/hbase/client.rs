//! The connections of one session, and calls to servers by their address or their role.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::cluster::Cluster;
use super::connection::{CallId, Connection, Response};
use super::exception::ServerException;
use super::exception::{CallError, Remedy};
use super::proto::{
    GetActiveMasterRequest, GetMetaRegionLocationsRequest, GetProcedureResultRequest, Method, ServerName, Service,
    get_procedure_result_response,
};
use super::retry::Retry;
use super::server_kind;
use crate::cancel::CancellationToken;
use crate::row::PageBuffer;
use crate::science_db::ScienceDbError;
use crate::science_db::gateway::all_failed;
use crate::science_db::timeouts::{AdaptiveTimeouts, Call};

/// Why `hbase:meta` cannot be read where no server has it.
pub(crate) const NO_META: &str = "no region server has hbase:meta: HBase is starting or stopped";

/// The calls of one session.
pub(crate) struct Client {
    cluster: Arc<Cluster>,
    cancel: CancellationToken,
    timeouts: AdaptiveTimeouts,
    connections: HashMap<(String, Service), (u64, Connection)>,
    /// connections so far
    opened: u64,
    /// index of the configured address that is asked first
    home: usize,
    scratch: PageBuffer,
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct Sent {
    server: String,
    service: Service,
    connection: u64,
    id: CallId,
    call: Call,
    at: Instant,
}

impl Client {
    /// The client of the session number `session`. Opens no connection.
    pub(crate) fn new(cluster: &Arc<Cluster>, session: usize, cancel: &CancellationToken) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            cancel: cancel.clone(),
            timeouts: AdaptiveTimeouts::new(cluster.timeouts()),
            connections: HashMap::new(),
            opened: 0,
            home: session.checked_rem(cluster.addresses().len()).unwrap_or(0),
            scratch: PageBuffer::default(),
        }
    }

    /// What this process knows about the cluster.
    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The retries of a new call.
    pub(crate) fn retry(&self) -> Retry {
        Retry::new(&self.cluster, &self.cancel)
    }

    /// Connects to `server` for requests of type `M`, unless the session is connected.
    pub(crate) fn connect<M: Method>(&mut self, server: &str, call: Call) -> Result<(), CallError> {
        let key = (server.to_owned(), M::SERVICE);
        // A write that is not idempotent must not be sent on a connection that was closed, which cannot be seen behind unread responses.
        let is_usable =
            |connection: &Connection| connection.is_open() && (call.is_idempotent() || connection.is_idle());
        let kept = self.connections.remove(&key).filter(|(_, connection)| is_usable(connection));
        let connected = match kept {
            Some(kept) => kept,
            None => {
                self.opened += 1;
                let timeout = self.timeouts.get(Call::Handshake);
                (self.opened, Connection::open(&self.cluster, server, M::SERVICE, &self.cancel, timeout)?)
            }
        };
        self.connections.insert(key, connected);
        Ok(())
    }

    /// Whether there is an open connection to `server` for requests of type `M`.
    pub(crate) fn is_connected<M: Method>(&self, server: &str) -> bool {
        let connection = self.connections.get(&(server.to_owned(), M::SERVICE));
        connection.is_some_and(|(_, connection)| connection.is_open())
    }

    /// Sends a request to `server`, with the cells of its message.
    pub(crate) fn send<M: Method>(
        &mut self,
        server: &str,
        call: Call,
        request: &M,
        cells: &[u8],
    ) -> Result<Sent, CallError> {
        self.connect::<M>(server, call)?;
        let timeout = self.timeouts.get(call);
        let key = (server.to_owned(), M::SERVICE);
        let Some((number, connection)) = self.connections.get_mut(&key) else {
            return Err(CallError::Disconnected(String::from("not connected")));
        };
        let (connection, number) = (connection, *number);
        match connection.send(request, cells, timeout) {
            Ok(id) => {
                let (server, service) = key;
                Ok(Sent { server, service, connection: number, id, call, at: Instant::now() })
            }
            Err(error) => {
                self.connections.remove(&key);
                Err(error)
            }
        }
    }

    /// Reads the response to a request of type `M`, and appends it to `buffer`.
    pub(crate) fn receive<M: Method>(
        &mut self,
        sent: Sent,
        buffer: &mut PageBuffer,
    ) -> Result<Response<M::Response>, CallError> {
        let key = (sent.server, sent.service);
        let timeout = self.timeouts.get(sent.call);
        let connection = self.connections.get_mut(&key).filter(|(number, _)| *number == sent.connection);
        let Some((_, connection)) = connection else {
            return Err(CallError::Disconnected(String::from("the connection broke during another call")));
        };
        let result = connection.receive::<M>(sent.id, buffer, timeout);
        match &result {
            Err(error) if error.breaks_connection() => {
                self.connections.remove(&key);
                if matches!(error, CallError::TimedOut(_)) {
                    self.timeouts.timed_out(sent.call);
                }
            }
            _ => self.timeouts.answered(sent.call, sent.at.elapsed()),
        }
        result
    }

    /// The response to a call will not be read.
    pub(crate) fn ignore(&mut self, sent: Sent) {
        if let Some((number, connection)) = self.connections.get_mut(&(sent.server, sent.service))
            && *number == sent.connection
        {
            connection.ignore(sent.id);
        }
    }

    /// Closes the connection of a call.
    pub(crate) fn disconnect(&mut self, sent: Sent) {
        self.connections.remove(&(sent.server, sent.service));
    }

    /// Makes a call without cells.
    pub(crate) fn call<M: Method>(&mut self, server: &str, call: Call, request: &M) -> Result<M::Response, CallError> {
        let sent = self.send(server, call, request, &[])?;
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        let response = self.receive::<M>(sent, &mut buffer);
        self.scratch = buffer;
        response.map(|response| response.message)
    }

    /// The final error of a call to `server`.
    pub(crate) fn error(&self, server: &str, error: CallError) -> ScienceDbError {
        let address = server.to_owned();
        if self.cancel.is_cancelled() {
            return ScienceDbError::Cancelled { address };
        }
        match error {
            CallError::Disconnected(reason) | CallError::Handshake(reason) | CallError::TimedOut(reason) => {
                ScienceDbError::Unreachable { address, reason }
            }
            CallError::Untrusted(reason) => ScienceDbError::Refused { address, reason },
            error @ CallError::OutcomeUnknown(_) => ScienceDbError::Unreachable { address, reason: error.to_string() },
            CallError::Protocol(reason) => {
                let reason = format!("the server does not speak HBase's RPC: {reason}");
                ScienceDbError::Refused { address, reason }
            }
            CallError::Rejected(exception) | CallError::Exception(exception) => match exception.remedy() {
                Remedy::Refuse | Remedy::CheckTable => match exception.missing_family() {
                    Some(family) => ScienceDbError::NoFamily { address, family },
                    None => ScienceDbError::Refused { address, reason: self.refusal(&exception) },
                },
                _ => ScienceDbError::Unreachable { address, reason: exception.to_string() },
            },
        }
    }

    /// Why HBase refuses a call, and what to do about it.
    fn refusal(&self, exception: &ServerException) -> String {
        match exception.is_access_denied() {
            true => format!(
                "{exception}: grant the right to user `{}` with `grant` in `hbase shell`, or set HADOOP_USER_NAME to another user",
                self.cluster.user()
            ),
            false => exception.to_string(),
        }
    }

    /// Waits until a call that failed at `server` can be made again, wherever.
    ///
    /// # Errors
    /// The call is not to be repeated: HBase refuses it, it has failed for too long, or the session was cancelled.
    pub(crate) fn pause(&self, retry: &mut Retry, server: &str, error: CallError) -> Result<(), ScienceDbError> {
        match self.error(server, error) {
            ScienceDbError::Unreachable { address, reason } => retry.pause(&address, &reason),
            error => Err(error),
        }
    }

    /// Makes a call to one of the configured servers: the session's own, or the next one that answers.
    ///
    /// # Errors
    /// None of them answers, or one refuses the call.
    pub(crate) fn registry<M: Method>(&mut self, request: &M) -> Result<M::Response, ScienceDbError> {
        let addresses = self.cluster.addresses().to_vec();
        let (mut failures, mut is_transient) = (Vec::new(), false);
        for step in 0..addresses.len() {
            let index = (self.home + step) % addresses.len();
            let address = &addresses[index];
            let connected = self.connect::<M>(address, Call::Metadata);
            let is_connected = connected.is_ok();
            let result = connected.and_then(|()| self.call(address, Call::Metadata, request));
            let error = match result {
                Ok(response) => {
                    self.home = index;
                    return Ok(response);
                }
                Err(error) => error,
            };
            if self.cancel.is_cancelled() {
                return Err(self.error(address, error));
            }
            if let CallError::Rejected(exception) | CallError::Exception(exception) = &error
                && exception.remedy() == Remedy::Refuse
            {
                return Err(server_kind::rejection(self.cluster.reach(address), exception));
            }
            let identify =
                || server_kind::identify(self.cluster.reach(address), self.cluster.tls().is_some(), &self.cancel);
            let found = match &error {
                CallError::Disconnected(_) if is_connected => identify(),
                CallError::Handshake(_) => identify(),
                CallError::Untrusted(reason) => Some(reason.clone()),
                CallError::Protocol(reason) => Some(server_kind::of_answer(reason)),
                _ => None,
            };
            is_transient |= found.is_none();
            let reason = found.unwrap_or_else(|| error.to_string());
            if let Some(next) = addresses.get((index + 1) % addresses.len()).filter(|_| step + 1 < addresses.len()) {
                log::debug!("{address} failed ({reason}); trying {next}");
            }
            failures.push((address.clone(), reason));
        }
        Err(all_failed(failures, is_transient))
    }

    /// The server of `hbase:meta`; `None`: no server has it, as while HBase starts, or while its server has just failed.
    ///
    /// # Errors
    /// No configured server answers.
    pub(crate) fn find_meta(&mut self) -> Result<Option<String>, ScienceDbError> {
        if let Some(server) = self.cluster.meta() {
            return Ok(Some(server));
        }
        let response = self.registry(&GetMetaRegionLocationsRequest {})?;
        let mut regions = response.meta_locations.into_iter();
        let primary = regions.find(|location| location.region_info.replica_id.unwrap_or(0) == 0);
        let server = primary.and_then(|location| location.server_name).map(|server| host_and_port(&server));
        self.cluster.set_meta(server.clone());
        Ok(server)
    }

    /// The server of `hbase:meta`, now.
    ///
    /// # Errors
    /// No configured server answers, or HBase is starting.
    pub(crate) fn meta(&mut self) -> Result<String, ScienceDbError> {
        let server = self.find_meta()?;
        server
            .ok_or_else(|| ScienceDbError::Unreachable { address: self.registry_address(), reason: NO_META.to_owned() })
    }

    /// Makes a call to the active master. Repeats it while the master is starting or another takes over.
    ///
    /// # Errors
    /// There is no active master, or it refuses the call.
    pub(crate) fn master<M: Method>(&mut self, call: Call, request: &M) -> Result<M::Response, ScienceDbError> {
        self.try_master(call, request)?.map_err(|exception| {
            let server = self.cluster.master().unwrap_or_default();
            self.error(&server, CallError::Exception(exception))
        })
    }

    /// As [`master`](Self::master), with the exception of a master that refuses the call.
    ///
    /// # Errors
    /// There is no active master.
    pub(crate) fn try_master<M: Method>(
        &mut self,
        call: Call,
        request: &M,
    ) -> Result<Result<M::Response, ServerException>, ScienceDbError> {
        let mut retry = self.retry();
        loop {
            let Some(server) = self.active_master()? else {
                retry.pause(&self.registry_address(), &"HBase has no active master")?;
                continue;
            };
            let error = match self.call(&server, call, request) {
                Ok(response) => return Ok(Ok(response)),
                Err(CallError::Exception(exception)) if exception.do_not_retry => return Ok(Err(exception)),
                Err(error) => error,
            };
            self.cluster.set_master(None);
            self.pause(&mut retry, &server, error)?;
        }
    }

    /// Makes one call to the active master, for what can be left out.
    ///
    /// # Errors
    /// There is no active master now, it does not answer, or it refuses the call.
    pub(crate) fn ask_master<M: Method>(&mut self, request: &M) -> Result<M::Response, CallError> {
        let server = self.active_master().map_err(|error| CallError::Disconnected(error.to_string()))?;
        let server = server.ok_or_else(|| CallError::Disconnected(String::from("HBase has no active master")))?;
        let response = self.call(&server, Call::Metadata, request);
        if !matches!(&response, Ok(_) | Err(CallError::Exception(ServerException { do_not_retry: true, .. }))) {
            self.cluster.set_master(None);
        }
        response
    }

    fn active_master(&mut self) -> Result<Option<String>, ScienceDbError> {
        if let Some(server) = self.cluster.master() {
            return Ok(Some(server));
        }
        let response = self.registry(&GetActiveMasterRequest {})?;
        let server = response.server_name.map(|server| host_and_port(&server));
        self.cluster.set_master(server.clone());
        Ok(server)
    }

    /// Waits until a procedure of the master is done.
    ///
    /// # Errors
    /// As for [`try_master`](Self::try_master).
    pub(crate) fn wait_for_procedure(
        &mut self,
        procedure: Option<u64>,
    ) -> Result<Result<(), ServerException>, ScienceDbError> {
        const PAUSES_MS: [u64; 4] = [20, 50, 100, 200];
        let Some(proc_id) = procedure else { return Ok(Ok(())) };
        for attempt in 0.. {
            let response = match self.try_master(Call::Metadata, &GetProcedureResultRequest { proc_id })? {
                Ok(response) => response,
                Err(exception) => return Ok(Err(exception)),
            };
            if let Some(exception) = &response.exception {
                return Ok(Err(exception.into()));
            }
            if response.state() != get_procedure_result_response::State::Running {
                break;
            }
            let pause = PAUSES_MS[PAUSES_MS.len().min(attempt + 1) - 1];
            if self.cancel.wait(std::time::Duration::from_millis(pause)) {
                return Err(ScienceDbError::Cancelled { address: self.cluster.master().unwrap_or_default() });
            }
        }
        Ok(Ok(()))
    }

    /// The configured address that answered last.
    pub(crate) fn registry_address(&self) -> String {
        self.cluster.addresses().get(self.home).cloned().unwrap_or_default()
    }
}

/// A server's address.
pub(crate) fn host_and_port(server: &ServerName) -> String {
    format!("{}:{}", server.host_name, server.port.unwrap_or(0))
}

//! The replication sink: a thread accepts connections, one thread a connection reads calls and answers them, and one keeps the sink registered.

use std::io::{self, BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::call::{self, Call, Entries, Request};
use super::registration::keep_registered;
use super::settings::ReplicationSettings;
use super::trigger_column::TriggerColumn;
use crate::cancel::CancellationToken;
use crate::ledger::RowVersion;
use crate::timestamp::Timestamp;

/// How long a call waits for its acknowledgement. After 60 s its source would send it again while the first is still in work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a source may pause in the middle of a call.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a connection between two calls checks whether the sink has ended.
const IDLE_POLL: Duration = Duration::from_millis(200);
/// A connection without a call for so long is closed; its source opens another one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How often the listener checks for a new connection.
const ACCEPT_INTERVAL: Duration = Duration::from_millis(20);
/// Connections at the same time: one for each region server and WAL group.
const MAX_CONNECTIONS: usize = 512;
/// What is read from a connection at once, bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicationSinkError {
    /// the address is in use, or is not of this machine
    #[error("cannot listen at {address} for HBase's replication (science_db.push_listen): {reason}")]
    Listen { address: String, reason: io::Error },
}

/// Rows that a region server has pushed with one call. A delivery that is dropped is refused: the region server sends it again.
#[derive(Debug)]
pub(crate) struct Delivery {
    rows: Vec<RowVersion>,
    /// the times of the first and the last write, by the region server's clock
    writes: Option<(Timestamp, Timestamp)>,
    arrived: Timestamp,
    acknowledgement: Sender<()>,
}

impl Delivery {
    /// The rows whose trigger cell was written, in the order in which the region server wrote them. Some may not be visible to readers yet,
    /// some may have been delivered before.
    pub fn rows(&self) -> &[RowVersion] {
        &self.rows
    }

    /// When the last of them was written, by the region server's clock.
    pub fn last_write(&self) -> Option<Timestamp> {
        self.writes.map(|(_, last)| last)
    }

    /// When the call arrived.
    pub fn arrived(&self) -> Timestamp {
        self.arrived
    }

    /// Time from the first write to the arrival.
    pub fn first_lag(&self) -> Option<Duration> {
        self.writes.map(|(first, _)| self.arrived.since(first))
    }

    /// Tells the region server that the rows need not be sent again.
    pub fn acknowledge(self) {
        // Where the call has timed out meanwhile, its rows come again.
        let _timed_out = self.acknowledgement.send(());
    }
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    trigger: TriggerColumn,
    cancel: CancellationToken,
    /// to be shut down when the sink ends
    streams: Mutex<Vec<Weak<TcpStream>>>,
    /// whether rows are handed over; otherwise calls are acknowledged at once
    takes_rows: AtomicBool,
}

/// A registered replication sink. It is unregistered and closed when dropped.
#[derive(Debug)]
pub(crate) struct ReplicationSink {
    deliveries: Option<Receiver<Delivery>>,
    shared: Arc<Shared>,
    #[cfg(test)]
    port: u16,
    threads: Vec<JoinHandle<()>>,
}

impl ReplicationSink {
    /// Starts to listen, and registers the sink in ZooKeeper, in the background and again after each lost session.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub fn start(settings: &ReplicationSettings, trigger: TriggerColumn) -> Result<Self, ReplicationSinkError> {
        let listen = || -> io::Result<(TcpListener, u16)> {
            let listener = TcpListener::bind(&settings.listen)?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let failed = |reason| ReplicationSinkError::Listen { address: settings.listen.clone(), reason };
        let (listener, port) = listen().map_err(failed)?;
        let (delivery_queue, deliveries) = crossbeam_channel::bounded(0);
        let cancel = CancellationToken::new();
        let takes_rows = AtomicBool::new(false);
        let shared = Arc::new(Shared { trigger, cancel: cancel.clone(), streams: Mutex::default(), takes_rows });
        let accepting = Arc::clone(&shared);
        let settings = settings.clone();
        let threads = vec![
            std::thread::spawn(move || accept(&listener, &accepting, &delivery_queue)),
            std::thread::spawn(move || keep_registered(&settings, port, &cancel)),
        ];
        Ok(Self {
            deliveries: Some(deliveries),
            shared,
            #[cfg(test)]
            port,
            threads,
        })
    }

    /// The port at which the sink listens.
    #[cfg(test)]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether to hand rows over; at first they are not. Meanwhile calls are acknowledged: it is the caller who finds their rows by a scan.
    /// This way HBase does not keep its WALs while a long history is read.
    pub fn take_rows(&self, takes_rows: bool) {
        self.shared.takes_rows.store(takes_rows, Ordering::Relaxed);
    }

    /// The next delivery, if there is one within `timeout`.
    pub fn receive(&self, timeout: Duration) -> Option<Delivery> {
        self.deliveries.as_ref()?.recv_timeout(timeout).ok()
    }
}

impl Drop for ReplicationSink {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        // Connections that wait to deliver end.
        self.deliveries = None;
        for stream in lock(&self.shared.streams).drain(..).filter_map(|stream| stream.upgrade()) {
            // The connection may be closed already.
            let _closed = stream.shutdown(std::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // A panic was printed by its thread.
            let _ended = thread.join();
        }
    }
}

fn lock(streams: &Mutex<Vec<Weak<TcpStream>>>) -> std::sync::MutexGuard<'_, Vec<Weak<TcpStream>>> {
    // A list of streams is consistent after a panic as well.
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, deliveries: &Sender<Delivery>) {
    let mut connections: Vec<JoinHandle<()>> = Vec::new();
    while !shared.cancel.is_cancelled() {
        match listener.accept() {
            Ok((stream, address)) => {
                connections.retain(|connection| !connection.is_finished());
                if connections.len() >= MAX_CONNECTIONS {
                    log::warn!("refused a connection of {address}: {MAX_CONNECTIONS} are open already");
                    continue;
                }
                let (shared, deliveries) = (Arc::clone(shared), deliveries.clone());
                connections.push(std::thread::spawn(move || {
                    let who = address.to_string();
                    if let Err(error) = serve(stream, &who, &shared, &deliveries)
                        && !shared.cancel.is_cancelled()
                    {
                        report(&who, &error);
                    }
                }));
            }
            // Also an error of one connection, such as one that was closed before it was accepted, or no free file descriptor.
            Err(_) => {
                shared.cancel.wait(ACCEPT_INTERVAL);
            }
        }
    }
    for connection in connections {
        // A panic was printed by its thread.
        let _ended = connection.join();
    }
}

fn report(who: &str, error: &io::Error) {
    match error.kind() {
        ErrorKind::InvalidData => log::warn!("closed the replication connection of {who}: {error}"),
        _ => log::debug!("the replication connection of {who} ended: {error}"),
    }
}

/// Serves one connection until it ends.
fn serve(stream: TcpStream, who: &str, shared: &Shared, deliveries: &Sender<Delivery>) -> io::Result<()> {
    // Streams that a listener in non-blocking mode accepts are blocking on Linux, not on every system.
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(READ_TIMEOUT))?;
    let stream = Arc::new(stream);
    let mut streams = lock(&shared.streams);
    streams.retain(|stream| stream.strong_count() > 0);
    streams.push(Arc::downgrade(&stream));
    drop(streams);
    // A sink that has ended before does not shut this stream down.
    if shared.cancel.is_cancelled() {
        return Ok(());
    }
    let mut input = BufReader::with_capacity(BUFFER_BYTES, &*stream);
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let user = call::read_connection_header(&mut input)?;
    log::debug!("region server {who} (user {user}) has connected to push rows");
    let mut key = Vec::new();
    while wait_for_call(&mut input, &stream, &shared.cancel)? {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let Call { id, request } = call::read_call(&mut input, &shared.trigger, &mut key)?;
        let mut output = &*stream;
        match request {
            Request::Unknown(method) => {
                let reason = format!("a replication sink does not have the method {method}");
                call::refuse(&mut output, id, &reason, true)?;
            }
            // Entries of other columns alone, such as the status, are done as well.
            Request::Entries(entries) if entries.rows.is_empty() || !shared.takes_rows.load(Ordering::Relaxed) => {
                call::acknowledge(&mut output, id)?;
            }
            Request::Entries(entries) => match deliver(entries, deliveries) {
                Ok(()) => call::acknowledge(&mut output, id)?,
                Err(reason) => {
                    log::debug!("refused rows of {who}: {reason}");
                    call::refuse(&mut output, id, reason, false)?;
                }
            },
        }
    }
    Ok(())
}

/// Waits for the next call. Returns `false` when the connection has ended, or is no longer wanted.
fn wait_for_call(
    input: &mut BufReader<&TcpStream>,
    stream: &TcpStream,
    cancel: &CancellationToken,
) -> io::Result<bool> {
    use std::io::BufRead;
    stream.set_read_timeout(Some(IDLE_POLL))?;
    let started = Instant::now();
    while !cancel.is_cancelled() && started.elapsed() < IDLE_TIMEOUT {
        match input.fill_buf() {
            Ok(bytes) => return Ok(!bytes.is_empty()),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Hands the rows over and waits until they are acknowledged. The error is the reason of a refusal.
fn deliver(entries: Entries, deliveries: &Sender<Delivery>) -> Result<(), &'static str> {
    const NOT_TAKEN: &str = "the service does not take rows at present";
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let (acknowledgement, acknowledged) = crossbeam_channel::bounded(1);
    let timestamp = |ms: u64| i64::try_from(ms).ok().map(Timestamp::from_millis);
    let writes = entries.writes.and_then(|(first, last)| timestamp(first).zip(timestamp(last)));
    let delivery = Delivery { rows: entries.rows, writes, arrived: Timestamp::now(), acknowledgement };
    deliveries.send_deadline(delivery, deadline).map_err(|_| NOT_TAKEN)?;
    acknowledged.recv_deadline(deadline).map_err(|error| match error {
        RecvTimeoutError::Timeout => "the rows were not published in time",
        RecvTimeoutError::Disconnected => NOT_TAKEN,
    })
}

#[cfg(test)]
mod tests;

//! Notifications to systemd, for units with `Type=notify`: sd_notify(3).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::CancellationToken;

/// A distribution that has not reported for longer has hung. Longer than any wait for a server that does not show as an outage.
const MAX_SILENCE: Duration = Duration::from_secs(1800);
/// Time between two texts for `systemctl status`.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// Tells systemd that the service is ready, what it does, and that it has not hung. Does nothing where it was not started by such a unit.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// the last report; `None`: the service waits for servers at its start
    reported: Arc<Mutex<Option<Instant>>>,
    status_at: Option<Instant>,
    stop: CancellationToken,
}

impl ServiceManager {
    /// Connects to the socket that `NOTIFY_SOCKET` names, and answers the watchdog at half of the interval `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| {
            let connected = connect(name.as_bytes());
            connected.inspect_err(|error| log::warn!("cannot notify systemd at {}: {error}", name.display())).ok()
        });
        let (reported, stop) = (Arc::default(), CancellationToken::new());
        let manager = Self { socket: socket.map(Arc::new), reported, status_at: None, stop };
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|interval| interval.parse().ok());
        if let (Some(socket), Some(interval)) = (&manager.socket, watchdog.map(Duration::from_micros)) {
            let (socket, reported) = (Arc::clone(socket), Arc::clone(&manager.reported));
            let stop = manager.stop.clone();
            std::thread::spawn(move || {
                while !stop.wait(interval / 2) {
                    let reported = *reported.lock().unwrap_or_else(PoisonError::into_inner);
                    if reported.is_none_or(|reported| reported.elapsed() < MAX_SILENCE) {
                        send(&socket, "WATCHDOG=1");
                    }
                }
            });
        }
        manager
    }

    /// The service has started.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The service ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The service works; `status` is for `systemctl status`, at most every 5 s.
    pub fn report(&mut self, status: impl FnOnce() -> String) {
        if self.socket.is_none() {
            return;
        }
        let now = Instant::now();
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        if self.status_at.is_none_or(|at| now - at >= STATUS_INTERVAL) {
            self.status_at = Some(now);
            self.send(&format!("STATUS={}", status()));
        }
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.socket {
            send(socket, text);
        }
    }
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A name that begins with `@` is abstract.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

fn send(socket: &UnixDatagram, text: &str) {
    if let Err(error) = socket.send(text.as_bytes()) {
        log::debug!("cannot notify systemd: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_reach_the_socket_by_its_path_and_by_its_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let received = |receiver: &UnixDatagram| {
            let mut text = [0; 100];
            let length = receiver.recv(&mut text).unwrap();
            String::from_utf8(text[..length].to_vec()).unwrap()
        };
        let receiver = UnixDatagram::bind(&path).unwrap();
        send(&connect(path.as_os_str().as_bytes()).unwrap(), "READY=1");
        assert_eq!(received(&receiver), "READY=1");
        let name = format!("fink-test-{}", std::process::id());
        let receiver = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(&connect(format!("@{name}").as_bytes()).unwrap(), "STATUS=live, lag 0.4 s");
        assert_eq!(received(&receiver), "STATUS=live, lag 0.4 s");
        assert!(connect(b"/nowhere/notify").is_err());
    }
}

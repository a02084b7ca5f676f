//! SIGINT and SIGTERM as a cancellation token; SIGHUP as a request to read the configuration again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cancel::CancellationToken;

/// The exit code of an interrupted program.
pub const INTERRUPTED: u8 = 130;

/// A request to stop, and the signal that made it. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    signal: Arc<AtomicUsize>,
}

/// SIGHUP, which otherwise ends the process.
#[derive(Clone, Debug, Default)]
pub struct Hangup {
    received: Arc<AtomicBool>,
}

impl Hangup {
    /// Receives SIGHUP from now on.
    ///
    /// # Errors
    /// The handler cannot be installed.
    pub fn on_signal() -> std::io::Result<Self> {
        let hangup = Self::default();
        flag::register(SIGHUP, Arc::clone(&hangup.received))?;
        Ok(hangup)
    }

    /// Whether the signal was received since the last call.
    pub fn take(&self) -> bool {
        self.received.swap(false, Ordering::Relaxed)
    }
}

/// A signal that requests to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// from the keyboard
    Interrupt,
    /// from `fink stop`, systemd or kill
    Terminate,
}

impl Stop {
    /// A request that only [`request`](Self::request) makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that SIGINT and SIGTERM make. The second signal ends the process at once, with code 130.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::new();
        let signalled = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, INTERRUPTED.into(), signalled.clone())?;
            flag::register(signal, signalled.clone())?;
            flag::register_usize(signal, stop.signal.clone(), signal as usize)?;
            flag::register(signal, stop.token.flag().clone())?;
        }
        Ok(stop)
    }

    /// The token that the request cancels.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether to stop.
    pub fn requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Requests to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// The signal that was received, if any.
    pub fn signal(&self) -> Option<Signal> {
        match self.signal.load(Ordering::SeqCst) as i32 {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            _ => None,
        }
    }

    /// Sleeps for `duration`, or until the request. Returns whether to stop.
    pub fn wait(&self, duration: Duration) -> bool {
        self.token.wait(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_a_wait() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::from_millis(1)));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        stop.request();
        assert!(waiter.join().unwrap());
        assert_eq!(stop.signal(), None);
    }

    #[test]
    fn a_hangup_is_taken_once() {
        let hangup = Hangup::on_signal().unwrap();
        assert!(!hangup.take());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !hangup.take() {
            assert!(std::time::Instant::now() < until);
        }
        assert!(!hangup.take());
    }

    #[test]
    fn the_received_signal_is_kept() {
        let stop = Stop::on_signals().unwrap();
        assert!(!stop.requested());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.wait(Duration::from_secs(10)));
        assert_eq!(stop.signal(), Some(Signal::Terminate));
    }
}

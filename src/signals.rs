//! Being asked to stop: SIGINT and SIGTERM, or one part of the program asking the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cancel::CancellationToken;

/// Exit code of a program that was interrupted.
pub const INTERRUPTED: u8 = 130;

/// A flag that says stop. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    signal: Arc<AtomicUsize>,
}

/// The signal that asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// from the keyboard
    Interrupt,
    /// from `fink stop`, systemd or kill
    Terminate,
}

impl Stop {
    /// A flag that only [`request`](Self::request) sets.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that SIGINT and SIGTERM set. The second of them ends the process at once, with code 130.
    ///
    /// # Errors
    /// Where the system refuses the handlers.
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

    /// The token that is cancelled when it is time to stop.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether it is time to stop.
    pub fn requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Asks everybody who has this flag to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// The signal that came; `None` where none did.
    pub fn signal(&self) -> Option<Signal> {
        match self.signal.load(Ordering::SeqCst) as i32 {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            _ => None,
        }
    }

    /// Sleeps for `duration`, or until it is time to stop; `true`: it is.
    pub fn wait(&self, duration: Duration) -> bool {
        self.token.wait(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_stop_is_requested() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::from_millis(1)));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        stop.request();
        assert!(waiter.join().unwrap());
        assert_eq!(stop.signal(), None);
    }

    #[test]
    fn a_signal_is_remembered() {
        let stop = Stop::on_signals().unwrap();
        assert!(!stop.requested());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.wait(Duration::from_secs(10)));
        assert_eq!(stop.signal(), Some(Signal::Terminate));
    }
}

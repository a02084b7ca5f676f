//! A stand-in for a gateway: passes bytes on, and fails when told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// No cut is due.
const NEVER: i64 = i64::MAX;

/// The stand-in.
pub struct Proxy {
    address: String,
    state: Arc<State>,
}

struct State {
    target: String,
    refuses: AtomicBool,
    is_frozen: AtomicBool,
    /// ms for which the next bytes towards the client are held back, once
    delay: AtomicU64,
    /// bytes that still pass towards the client before the connection is cut, once
    left: AtomicI64,
    accepted: AtomicUsize,
}

impl Proxy {
    /// A stand-in for the gateway at `target`, `host:port`.
    pub fn new(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State {
            target: target.to_owned(),
            refuses: AtomicBool::new(false),
            is_frozen: AtomicBool::new(false),
            delay: AtomicU64::new(0),
            left: AtomicI64::new(NEVER),
            accepted: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                if shared.refuses.load(Ordering::SeqCst) {
                    continue;
                }
                // Another test may be restarting the gateway: the client is hung up on, as by the gateway itself.
                let Ok(server) = TcpStream::connect(&shared.target) else { continue };
                let (from, to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                pass(from, to, Arc::clone(&shared), false);
                pass(server, client, Arc::clone(&shared), true);
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// Cuts the connection after `bytes` more bytes of answers.
    pub fn cut_after(&self, bytes: i64) {
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether the cut has happened.
    pub fn has_cut(&self) -> bool {
        self.state.left.load(Ordering::SeqCst) == NEVER
    }

    /// Hangs up on everybody who calls, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Takes connections and bytes, and passes nothing on, as a gateway that is stopped by SIGSTOP; or goes on.
    pub fn freeze(&self, is_frozen: bool) {
        self.state.is_frozen.store(is_frozen, Ordering::SeqCst);
    }

    /// Holds the next answer back for so long.
    pub fn delay(&self, delay: Duration) {
        self.state.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: Arc<State>, is_answer: bool) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let mut passes = count;
            if is_answer {
                thread::sleep(Duration::from_millis(state.delay.swap(0, Ordering::SeqCst)));
                let left = state.left.load(Ordering::SeqCst);
                if left != NEVER {
                    passes = count.min(left as usize);
                    state.left.store(if passes < count { NEVER } else { left - count as i64 }, Ordering::SeqCst);
                }
            }
            while state.is_frozen.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            if to.write_all(&bytes[..passes]).is_err() || passes < count {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// A server that sends `answer` to everybody, says nothing more, and hangs up if told so.
pub fn server_answering(answer: &'static [u8], hangs_up: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(answer);
            if !hangs_up {
                kept.push(client);
            }
        }
    });
    address
}

//! A TCP proxy in front of a broker: another address for it, or brokers that advertise a wrong one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Forwards bytes between a local port and a broker.
pub struct Forwarder {
    /// where it listens
    pub address: String,
}

impl Forwarder {
    /// Listens on a free port of `host`, and leads to `broker`. In every answer `old` becomes `new`, of the same length: for connections
    /// without TLS.
    pub fn new(host: &str, broker: &str, rewrite: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port of the loopback device");
        let address = listener.local_addr().expect("its address").to_string();
        let broker = broker.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&broker) else { continue };
                let (Ok(back), Ok(forth)) = (server.try_clone(), client.try_clone()) else { continue };
                let rewrite = rewrite.clone();
                thread::spawn(move || pass(client, server, None));
                thread::spawn(move || pass(back, forth, rewrite.as_ref()));
            }
        });
        Self { address }
    }

    /// Brokers that say that they are to be reached at `port`, while they are not.
    pub fn with_other_port(broker: &str, port: u16) -> Self {
        let (host, own) = broker.rsplit_once(':').expect("host:port");
        let place = |port: u16| [host.as_bytes(), &i32::from(port).to_be_bytes()].concat();
        let own = own.parse().expect("a port");
        Self::new("127.0.0.1", broker, Some((place(own), place(port))))
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, rewrite: Option<&(Vec<u8>, Vec<u8>)>) {
    let moved = match rewrite {
        None => std::io::copy(&mut from, &mut to).map(drop),
        Some((old, new)) => answers(&mut from, &mut to, old, new),
    };
    // When one side disconnects, so does the other.
    let _gone = (moved, from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Whole answers of Kafka, each with its length before it.
fn answers(from: &mut TcpStream, to: &mut TcpStream, old: &[u8], new: &[u8]) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut body)?;
        let mut at = 0;
        while let Some(found) = body[at..].windows(old.len()).position(|bytes| bytes == old) {
            body[at + found..at + found + new.len()].copy_from_slice(new);
            at += found + new.len();
        }
        to.write_all(&length)?;
        to.write_all(&body)?;
    }
}

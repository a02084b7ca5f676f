//! The session against a server of the test, which answers as it is told.

use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

/// A server that accepts one connection, opens the session, and answers each request with the next of `replies` (error code and body). It
/// returns the frames of the requests.
fn server(timeout_ms: i32, replies: Vec<(i32, Vec<u8>)>) -> (String, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        read_frame(&mut stream, deadline).unwrap();
        let connected = [
            &0_i32.to_be_bytes()[..],
            &timeout_ms.to_be_bytes(),
            &7_i64.to_be_bytes(),
            &16_i32.to_be_bytes(),
            &[0; 16],
        ];
        write_frame(&mut stream, &connected.concat());
        let mut requests = Vec::new();
        for (code, body) in replies {
            let request = read_frame(&mut stream, deadline).unwrap();
            // An event of a watch and the answer to a ping may come in between.
            for xid in [jute::EVENT_XID, jute::PING_XID] {
                if xid.to_be_bytes() != request[..4] {
                    write_frame(&mut stream, &[&xid.to_be_bytes()[..], &[0; 12]].concat());
                }
            }
            write_frame(&mut stream, &[&request[..4], &[0; 8], &code.to_be_bytes(), &body].concat());
            requests.push(request);
        }
        requests
    });
    (address, thread)
}

fn write_frame(stream: &mut TcpStream, body: &[u8]) {
    stream.write_all(&[&(body.len() as u32).to_be_bytes(), body].concat()).unwrap();
}

fn strings(names: &[&str]) -> Vec<u8> {
    let string = |name: &&str| [&(name.len() as i32).to_be_bytes()[..], name.as_bytes()].concat();
    let count = (names.len() as i32).to_be_bytes();
    count.into_iter().chain(names.iter().flat_map(string)).collect()
}

#[test]
fn requests_are_answered_in_turn() {
    let names = strings(&["a", "b,1,2"]);
    let replies =
        vec![(0, Vec::new()), (-110, Vec::new()), (-101, Vec::new()), (0, names), (0, Vec::new()), (-102, Vec::new())];
    let (address, thread) = server(9_000, replies);
    let mut session = ZooKeeperSession::connect(&["127.0.0.1:1".to_owned(), address]).unwrap();
    assert_eq!(session.ping_interval(), Duration::from_secs(3));
    session.ensure("/fink", b"").unwrap();
    assert!(!session.create_ephemeral("/fink/rs/a").unwrap(), "it exists already");
    assert!(session.children("/fink/none").unwrap().is_empty());
    assert_eq!(session.children("/fink/rs").unwrap(), ["a", "b,1,2"]);
    session.ping().unwrap();
    let error = session.ensure("/fink", b"").unwrap_err().to_string();
    assert!(error.contains("create `/fink`: NoAuth; it has access control"), "{error}");
    thread.join().unwrap();
    assert!(matches!(session.ping(), Err(ZooKeeperError::Unreachable { .. })));
}

#[test]
fn a_lost_session_is_told_from_a_lost_connection() {
    let (address, thread) = server(9_000, vec![(-112, Vec::new())]);
    let mut session = ZooKeeperSession::connect(&[address]).unwrap();
    assert!(matches!(session.children("/fink/rs"), Err(ZooKeeperError::Expired { .. })));
    thread.join().unwrap();
}

#[test]
fn a_server_that_refuses_the_session_or_is_no_zookeeper_is_unreachable() {
    let (address, thread) = server(0, Vec::new());
    let error = ZooKeeperSession::connect(std::slice::from_ref(&address)).unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("refused the session"), "{error}");
    thread.join().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let http = std::thread::spawn(move || {
        listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap()
    });
    let error = ZooKeeperSession::connect(&[address]).unwrap_err().to_string();
    assert!(error.contains("this is no ZooKeeper"), "{error}");
    http.join().unwrap();
}

#[test]
fn a_server_that_falls_silent_ends_the_session() {
    let (address, thread) = server(300, vec![(0, Vec::new())]);
    let mut session = ZooKeeperSession::connect(&[address]).unwrap();
    session.ping().unwrap();
    let _requests = thread.join().unwrap();
    assert!(matches!(session.children("/fink"), Err(ZooKeeperError::Unreachable { .. })));
}

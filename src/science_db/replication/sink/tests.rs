//! The sink with a source of the test. Nothing answers as ZooKeeper here: a sink that is not registered serves who finds it.

use std::io::{Read, Write};

use super::super::call::tests::{call_bytes, connection_bytes, entry};
use super::super::wal_cells::tests::cell;
use super::*;

const PUT: u8 = 4;
const WAIT: Duration = Duration::from_secs(60);

fn sink() -> ReplicationSink {
    let settings = ReplicationSettings {
        zookeeper: vec!["127.0.0.1:1".to_owned()],
        listen: "127.0.0.1:0".to_owned(),
        ..Default::default()
    };
    let sink = ReplicationSink::start(&settings, TriggerColumn::for_test("default:alerts")).unwrap();
    sink.take_rows(true);
    sink
}

/// A region server.
struct Source(TcpStream);

impl Source {
    fn connect(sink: &ReplicationSink) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let mut source = Self(stream);
        source.send(&connection_bytes());
        source
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn send_row(&mut self, row: &[u8], qualifier: &[u8]) {
        let cells = cell(row, (b"t", qualifier), 5, PUT, b"12345678", b"");
        self.send(&call_bytes("ReplicateWALEntry", vec![entry("alerts", 1)], &cells));
    }

    /// The next answer, without its length; empty when the sink closes the connection.
    fn answer(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Ok(()) => {
                let mut answer = vec![0; u32::from_be_bytes(length) as usize];
                self.0.read_exact(&mut answer).unwrap();
                answer
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof || error.kind() == ErrorKind::ConnectionReset => {
                Vec::new()
            }
            Err(error) => panic!("{error}"),
        }
    }
}

const ACKNOWLEDGED: &[u8] = b"\x02\x08\x0c\x00";

fn is_refused(answer: &[u8]) -> bool {
    answer.windows(19).any(|window| window == b"java.io.IOException")
}

#[test]
fn a_call_is_answered_when_its_rows_are_acknowledged() {
    let sink = sink();
    let mut source = Source::connect(&sink);
    source.send_row(b"row", b"candid");
    let delivery = sink.receive(WAIT).unwrap();
    assert_eq!((&delivery.rows()[0].key[..], delivery.rows()[0].timestamp), (&b"row"[..], Timestamp::from_millis(5)));
    source.0.set_nonblocking(true).unwrap();
    assert_eq!(source.0.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "not yet acknowledged");
    source.0.set_nonblocking(false).unwrap();
    delivery.acknowledge();
    assert_eq!(source.answer(), ACKNOWLEDGED);
}

#[test]
fn a_dropped_delivery_is_refused_and_comes_again() {
    let sink = sink();
    let mut source = Source::connect(&sink);
    source.send_row(b"row", b"candid");
    drop(sink.receive(WAIT).unwrap());
    assert!(is_refused(&source.answer()));
    source.send_row(b"row", b"candid");
    sink.receive(WAIT).unwrap().acknowledge();
    assert_eq!(source.answer(), ACKNOWLEDGED);
}

#[test]
fn cells_of_other_columns_and_rows_that_are_not_wanted_are_acknowledged_at_once() {
    let sink = sink();
    let mut source = Source::connect(&sink);
    source.send_row(b"row", b"status");
    assert_eq!(source.answer(), ACKNOWLEDGED);
    sink.take_rows(false);
    source.send_row(b"row", b"candid");
    assert_eq!(source.answer(), ACKNOWLEDGED);
    assert!(sink.receive(Duration::ZERO).is_none());
}

#[test]
fn a_damaged_call_ends_its_connection_and_no_other() {
    let sink = sink();
    let (mut bad, mut good) = (Source::connect(&sink), Source::connect(&sink));
    bad.send(&call_bytes("ReplicateWALEntry", vec![entry("alerts", 3)], b"no cells"));
    assert!(bad.answer().is_empty());
    good.send_row(b"row", b"candid");
    sink.receive(WAIT).unwrap().acknowledge();
    assert_eq!(good.answer(), ACKNOWLEDGED);
}

#[test]
fn an_unknown_method_is_refused_for_good_and_the_connection_continues() {
    let sink = sink();
    let mut source = Source::connect(&sink);
    source.send(&call_bytes("GetServerInfo", Vec::new(), b""));
    let answer = source.answer();
    assert!(answer.windows(9).any(|window| window == b"DoNotRetr"), "{}", answer.escape_ascii());
    source.send_row(b"row", b"status");
    assert_eq!(source.answer(), ACKNOWLEDGED);
}

#[test]
fn a_sink_that_ends_closes_its_connections() {
    let sink = sink();
    let (mut idle, mut waiting) = (Source::connect(&sink), Source::connect(&sink));
    waiting.send_row(b"row", b"candid");
    let delivery = sink.receive(WAIT).unwrap();
    drop(delivery);
    drop(sink);
    assert!(idle.answer().is_empty());
    let last = waiting.answer();
    assert!(last.is_empty() || is_refused(&last));
}

#[test]
fn an_address_in_use_is_an_error_that_names_the_key() {
    let sink = sink();
    let listen = format!("127.0.0.1:{}", sink.port());
    let settings = ReplicationSettings { listen: listen.clone(), ..Default::default() };
    let error = ReplicationSink::start(&settings, TriggerColumn::for_test("default:alerts")).unwrap_err().to_string();
    assert!(error.contains(&listen) && error.contains("science_db.push_listen"), "{error}");
}

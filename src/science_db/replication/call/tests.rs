use proptest::prelude::*;

use super::super::wal_cells::tests::cell;
use super::*;
use crate::science_db::hbase::proto::{CellBlockMeta, UserInformation, WalEntry, WalKey};
use crate::timestamp::Timestamp;

const PUT: u8 = 4;

fn trigger() -> TriggerColumn {
    TriggerColumn::for_test("ztf:alerts")
}

pub fn entry(table: &str, cells: i32) -> WalEntry {
    let key = WalKey {
        encoded_region_name: b"0123456789abcdef".to_vec(),
        table_name: table.into(),
        log_sequence_number: 7,
        write_time: 1_000,
        ..Default::default()
    };
    WalEntry { key, key_value_bytes: Vec::new(), associated_cell_count: Some(cells) }
}

pub fn call_bytes(method: &str, entries: Vec<WalEntry>, cells: &[u8]) -> Vec<u8> {
    let header = RequestHeader {
        call_id: Some(12),
        method_name: Some(method.to_owned()),
        request_param: Some(true),
        cell_block_meta: Some(CellBlockMeta { length: Some(cells.len() as u32) }),
        ..Default::default()
    };
    let message = ReplicateWalEntryRequest { entry: entries, ..Default::default() };
    let body = [&header.encode_length_delimited_to_vec(), &message.encode_length_delimited_to_vec(), cells].concat();
    [&(body.len() as u32).to_be_bytes(), &body[..]].concat()
}

fn good_call() -> Vec<u8> {
    let cells = [
        cell(b"a", (b"t", b"candid"), 5, PUT, b"12345678", b""),
        cell(b"b", (b"t", b"candid"), 6, PUT, b"12345678", b"\x00\x02xy"),
        cell(b"elsewhere", (b"t", b"candid"), 7, PUT, b"12345678", b""),
    ];
    call_bytes("ReplicateWALEntry", vec![entry("ztf:alerts", 2), entry("ztf:others", 1)], &cells.concat())
}

fn read(mut bytes: &[u8]) -> io::Result<Call> {
    read_call(&mut bytes, &trigger(), &mut Vec::new())
}

fn connection(codec: &str, service: &str, compressor: Option<&str>) -> Vec<u8> {
    let header = ConnectionHeader {
        user_info: Some(UserInformation { effective_user: "hbase".to_owned() }),
        service_name: Some(service.to_owned()),
        cell_block_codec_class: Some(codec.to_owned()),
        cell_block_compressor_class: compressor.map(str::to_owned),
        ..Default::default()
    };
    let header = header.encode_to_vec();
    [&b"HBas\x00\x50"[..], &(header.len() as u32).to_be_bytes(), &header].concat()
}

/// What a region server sends first.
pub fn connection_bytes() -> Vec<u8> {
    connection("org.apache.hadoop.hbase.codec.KeyValueCodecWithTags", "AdminService", None)
}

#[test]
fn rows_of_the_table_are_read_from_a_call() {
    let call = read(&good_call()).unwrap();
    let row = |key: &[u8], millis| RowVersion { timestamp: Timestamp::from_millis(millis), key: key.to_vec() };
    let entries = Entries { rows: vec![row(b"a", 5), row(b"b", 6)], writes: Some((1_000, 1_000)) };
    assert_eq!(call, Call { id: 12, request: Request::Entries(entries) });
}

#[test]
fn a_table_of_the_default_namespace_has_no_namespace_in_the_wal() {
    let trigger = TriggerColumn::for_test("default:alerts");
    assert!(trigger.is_of_table(b"alerts") && !trigger.is_of_table(b"ztf:alerts"));
}

#[test]
fn another_method_is_skipped_to_its_end() {
    let bytes = [call_bytes("GetServerInfo", Vec::new(), b"abc"), good_call()].concat();
    let mut input = &bytes[..];
    let first = read_call(&mut input, &trigger(), &mut Vec::new()).unwrap();
    assert_eq!(first.request, Request::Unknown("GetServerInfo".to_owned()));
    assert!(matches!(read_call(&mut input, &trigger(), &mut Vec::new()).unwrap().request, Request::Entries(_)));
    assert!(input.is_empty());
}

#[test]
fn calls_that_contradict_themselves_are_refused() {
    let cells = cell(b"a", (b"t", b"candid"), 5, PUT, b"", b"");
    let wrong = [
        call_bytes("ReplicateWALEntry", vec![entry("ztf:alerts", 0)], &cells),
        call_bytes("ReplicateWALEntry", vec![entry("ztf:alerts", 2)], &cells),
        [&(300_u32 << 20).to_be_bytes()[..], b"rest"].concat(),
    ];
    for bytes in wrong {
        assert!(read(&bytes).is_err());
    }
    let negative = call_bytes("ReplicateWALEntry", vec![entry("ztf:alerts", -1)], b"");
    assert!(read(&negative).is_ok_and(
        |call| call.request == Request::Entries(Entries { writes: Some((1_000, 1_000)), ..Default::default() })
    ));
}

#[test]
fn a_connection_of_a_region_server_is_accepted_and_others_say_why_not() {
    const TAGS: &str = "org.apache.hadoop.hbase.codec.KeyValueCodecWithTags";
    let read = |bytes: Vec<u8>| read_connection_header(&mut &bytes[..]).map_err(|error| error.to_string());
    assert_eq!(read(connection(TAGS, "AdminService", None)), Ok("hbase".to_owned()));
    let mut kerberos = connection(TAGS, "AdminService", None);
    kerberos[5] = 81;
    let refused = [
        (connection(TAGS, "ClientService", None), "ClientService"),
        (connection("x.MessageCodec", "AdminService", None), "hbase.replication.rpc.codec"),
        (connection(TAGS, "AdminService", Some("GzipCodec")), "hbase.client.rpc.compressor"),
        (kerberos, "Kerberos"),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), "uses TLS"),
        (b"GET / HTTP/1.1\r\n".to_vec(), "RPC protocol"),
    ];
    for (bytes, reason) in refused {
        let error = read(bytes).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn answers_have_their_length_and_their_call() {
    let mut answer = Vec::new();
    acknowledge(&mut answer, 12).unwrap();
    assert_eq!(answer, b"\x00\x00\x00\x04\x02\x08\x0c\x00");
    let mut refused = Vec::new();
    refuse(&mut refused, 12, "not now", false).unwrap();
    let header = ResponseHeader::decode_length_delimited(&refused[4..]).unwrap();
    let exception = header.exception.unwrap();
    assert_eq!((exception.exception_class_name(), exception.do_not_retry()), ("java.io.IOException", false));
    assert!(exception.stack_trace().ends_with("not now"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_calls_are_errors_or_other_calls(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut: prop::sample::Index) {
        let mut bytes = good_call();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(&bytes);
        let _ = read(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn random_bytes_are_no_connection_and_no_call(bytes: Vec<u8>) {
        prop_assert!(read_connection_header(&mut &bytes[..]).is_err());
        let _ = read(&bytes);
        let framed = [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat();
        let _ = read(&framed);
    }
}

//! What a row must be like to become an alert, and what becomes of it otherwise.

use fink::row::{Columns, Rows};
use fink::science_db::{Put, PutCell};

use crate::fixture::alert_table::{Table, key, now, row};

fn cell(qualifier: &str, value: &[u8]) -> PutCell {
    PutCell { family: "i".into(), qualifier: qualifier.into(), value: value.to_vec() }
}

#[test]
fn a_partial_row_is_completed() {
    let mut table = Table::new("partial");
    table.put(0..3, Some(now() - 7_200_000));
    let again = now() - 3_600_000;
    let trigger = Put { key: key(1), timestamp: Some(again), cells: vec![cell("candid", &1_i64.to_be_bytes())] };
    table.db.put(&[trigger]).expect("a cell is written");
    let (from, until) = ((again - 1_000).to_string(), (again + 1_000).to_string());
    table.fixture.ok(&["start", "distribution", "--from", &from, "--until", &until]);
    let messages = table.messages(&table.fixture.name);
    assert_eq!(messages.len(), 1);
    let decoder = fink::alert::decoder::SchemaCache::default().get(messages[0].key.as_deref().expect("a key"));
    let alert = decoder
        .expect("a schema")
        .value(messages[0].value.as_deref().expect("a value"), fink::alert::decoder::BytesFormat::Base64);
    let alert = alert.expect("a datum");
    assert_eq!((&alert["objectId"], &alert["candidate"]["magpsf"]), (&"ZTF0".into(), &16.001.into()));
}

#[test]
fn status_is_respected_and_written_at_the_timestamp_of_the_trigger() {
    let mut table = Table::with_columns("status", r#", "status": {"cf": "i", "col": "status", "type": "string"}"#);
    let written = now() - 1_000_000;
    table.put(0..4, Some(written));
    let sent = |number: u32, at: i64| Put {
        key: key(number),
        timestamp: Some(at),
        cells: vec![cell("status", b"distributed")],
    };
    // Row 0 was distributed by another program; row 1 was too, but has been written again since.
    table.db.put(&[sent(0, written + 5), sent(1, written - 5)]).expect("cells are written");
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(3, &running);
    running.terminate();
    assert_eq!(table.published().into_keys().collect::<Vec<i64>>(), [1, 2, 3]);
    let columns = Columns::new(vec![("i".into(), "status".into())]);
    let mut rows = Rows::default();
    table.db.get(&[&key(1), &key(2), &key(3)], &columns, &mut rows).expect("rows are read");
    let status: Vec<_> = rows.iter().map(|row| row.cell(0).map(|cell| (cell.value.to_vec(), cell.timestamp))).collect();
    assert_eq!(status, vec![Some((b"distributed".to_vec(), written)); 3]);
}

#[test]
fn a_cell_of_wrong_width_goes_to_the_rejected_topic_and_the_rest_arrives() {
    let mut table = Table::new("width");
    table.put(0..20, None);
    let mut bad = row(7, None);
    bad.cells[2].value = vec![1, 2, 3];
    table.db.put(&[bad]).expect("a row is written");
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(19, &running);
    table.wait_for_messages(&format!("{}_rejected", table.fixture.name), 1, &running);
    let log = running.terminate();
    assert!(log.contains("1 rejected"), "{log}");
    assert_eq!(table.published().into_keys().collect::<Vec<i64>>(), (0..7).chain(8..20).collect::<Vec<i64>>());
    let rejected = table.messages(&format!("{}_rejected", table.fixture.name));
    assert_eq!(rejected.len(), 1);
    let header = |name: &str| {
        let found = rejected[0].headers.iter().find(|(known, _)| known == name);
        String::from_utf8(found.and_then(|(_, value)| value.clone()).expect("a header")).expect("UTF-8")
    };
    let reason = header("fink-reason");
    assert!(
        reason.contains("row00007") && reason.contains("candidate_magpsf") && reason.contains("3 bytes"),
        "{reason}"
    );
    assert_eq!((header("fink-stream"), header("fink-row-key")), ("full".to_owned(), "row00007".to_owned()));
}

#[test]
fn an_alert_above_the_brokers_limit_is_rejected_and_the_rest_arrives() {
    let mut table = Table::with_columns("large", r#", "stamp": {"cf": "i", "col": "stamp", "type": "binary"}"#);
    table.put(0..20, None);
    let mut large = row(7, None);
    large.cells.push(cell("stamp", &vec![7; 6_000_000]));
    table.db.put(&[large]).expect("a row is written");
    let running = table.fixture.start(&["start", "distribution"], "log");
    table.wait_for(19, &running);
    table.wait_for_messages(&format!("{}_rejected", table.fixture.name), 1, &running);
    let log = running.terminate();
    assert!(log.contains("1 rejected"), "{log}");
    assert_eq!(table.published().into_keys().collect::<Vec<i64>>(), (0..7).chain(8..20).collect::<Vec<i64>>());
    let rejected = table.messages(&format!("{}_rejected", table.fixture.name));
    assert_eq!(rejected.len(), 1);
    let value = String::from_utf8(rejected[0].value.clone().expect("a value")).expect("UTF-8");
    assert!(value.contains("max.message.bytes") && value.contains("row00007"), "{value}");
}

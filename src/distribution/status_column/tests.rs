use super::*;
use crate::distribution::instruments::ServerHealth;
use crate::science_db::{CompleteRows, ReplicationSettings, RowPrefixes, ScienceDbSettings, StoreKind};

/// A writer whose science database does not answer.
fn writer(max_bytes: usize) -> StatusWriter {
    let settings = ScienceDbSettings {
        kind: StoreKind::Thrift2,
        addresses: vec!["127.0.0.1:1".to_owned()],
        tls: crate::science_db::HBaseTlsSettings::default(),
        path: Default::default(),
        catalog: Default::default(),
        table: None,
        trigger: None,
        object_id: None,
        skip_rows: RowPrefixes::default(),
        push: false,
        replication: ReplicationSettings::default(),
        complete_rows: CompleteRows::Always,
    };
    StatusWriter::start(
        &Arc::new(Connector::new(&settings, "default:nowhere", &ServerHealth::default())),
        ("i", "status"),
        "p",
        max_bytes,
    )
}

fn row(key: &[u8], millis: i64) -> RowVersion {
    RowVersion { timestamp: Timestamp::from_millis(millis), key: key.to_vec() }
}

fn rows(count: usize) -> Vec<RowVersion> {
    (0..count).map(|number| row(format!("row{number:08}").as_bytes(), number as i64)).collect()
}

fn committed(records: Vec<Record>) -> Records {
    records.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[test]
fn many_rows_make_several_bounded_records() {
    let records = writer(usize::MAX).add(rows(200_000)).expect("records");
    assert!(records.len() > 15, "{}", records.len());
    assert!(records.iter().all(|(_, value)| value.as_ref().is_some_and(|value| value.len() <= SEGMENT_BYTES)));
    let found: Vec<RowVersion> =
        records.iter().flat_map(|(_, value)| from_bytes(value.as_ref().unwrap()).unwrap()).collect();
    assert_eq!(found, rows(200_000));
}

#[test]
fn a_database_that_is_away_holds_nothing_up_and_the_rows_that_wait_are_bounded() {
    let mut writer = writer(SEGMENT_BYTES);
    for _ in 0..5 {
        let records = writer.add(rows(20_000)).expect("records");
        writer.write_committed();
        assert!(records.len() <= 2);
    }
    assert!(writer.bytes <= SEGMENT_BYTES + 20_000 * 24, "{}", writer.bytes);
    assert_eq!(writer.skipped, 80_000);
}

#[test]
fn what_the_checkpoint_lists_waits_to_be_written_again() {
    let first = committed(writer(usize::MAX).add(rows(20_000)).expect("records"));
    let mut second = writer(usize::MAX);
    second.restore(&first).expect("a checkpoint");
    assert_eq!(second.pending.iter().flat_map(|segment| segment.rows.clone()).collect::<Vec<_>>(), rows(20_000));
    let next = second.add(rows(1)).expect("records");
    assert!(next.iter().all(|(key, _)| !first.contains_key(key)), "a number is used once");
}

#[test]
fn the_single_record_of_earlier_versions_is_read_and_deleted() {
    let mut bytes = Vec::new();
    put_row(&row(b"a", 5), &mut bytes);
    let mut writer = writer(usize::MAX);
    writer.restore(&Records::from([(b"p/status".to_vec(), bytes)])).expect("a checkpoint");
    assert_eq!(writer.pending[0].rows, [row(b"a", 5)]);
    let records = writer.add(Vec::new()).expect("records");
    assert_eq!(records, [(b"p/status".to_vec(), None)]);
}

#[test]
fn torn_rows_are_noticed() {
    let mut bytes = Vec::new();
    put_row(&row(b"key", 5), &mut bytes);
    assert_eq!(from_bytes(&bytes), Some(vec![row(b"key", 5)]));
    assert!((1..bytes.len()).all(|length| from_bytes(&bytes[..length]).is_none()));
    let error = writer(1).restore(&Records::from([(b"p/status/0000000000000000".to_vec(), vec![1])]));
    assert!(error.is_err_and(|error| error.to_string().contains("p/status/0000000000000000")));
}

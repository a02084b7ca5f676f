//! Pages without filters through the pipeline.

use std::path::Path;

use super::*;
use crate::alert::{Encoding, MessageKey};
use crate::cancel::CancellationToken;
use crate::row::Rows;
use crate::science_db::{CompleteRows, ReplicationSettings, RowPrefixes, StoreKind};
use crate::timestamp::Timestamp;
use crate::window::Window;

fn stream(name: &str, rules: Option<&str>) -> StreamSettings {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    StreamSettings {
        name: name.to_owned(),
        topic: name.to_owned(),
        partitions: 1,
        rules: rules.map(|rules| folder.join(rules)),
        filters: Vec::new(),
        schema: None,
        encoding: Encoding::Datum,
        key: MessageKey::ObjectId,
        schema_id: None,
        registry: None,
        transactions: true,
        schema_topic: false,
        durability: crate::kafka::topics::Durability::default(),
    }
}

fn pipeline() -> Pipeline {
    let catalog = Catalog::parse(include_str!("../../../tests/rules/catalog.json")).expect("a catalog");
    let settings = ScienceDbSettings {
        kind: StoreKind::Embedded,
        addresses: Vec::new(),
        tls: crate::science_db::HBaseTlsSettings::default(),
        path: Default::default(),
        catalog: Default::default(),
        table: None,
        trigger: Some("candid".to_owned()),
        object_id: None,
        complete_rows: CompleteRows::WhenPartial,
        skip_rows: RowPrefixes(vec!["schema_".to_owned()]),
        push: false,
        replication: ReplicationSettings::default(),
    };
    let rules = Some("01-worked-example.xml");
    let streams = [stream("all", None), stream("bright", rules), stream("copy", rules)];
    Pipeline::new(&catalog, &streams, &settings, false, None, None).expect("streams that fit the catalog")
}

/// Rows read with the pipeline's columns: key, timestamp of the trigger, magnitude, class.
fn rows(pipeline: &Pipeline, rows: &[(&str, i64, &[u8], &str)]) -> Rows {
    let columns = pipeline.columns().all();
    let mut page = Rows::default();
    let mut builder = page.refill(columns.len());
    for (key, timestamp, magpsf, class) in rows {
        let (candid, degrees) = (1_i64.to_be_bytes(), 20.0_f64.to_be_bytes());
        builder.row(key.as_bytes());
        for (slot, (_, qualifier)) in columns.names().enumerate() {
            match qualifier {
                "candid" => builder.cell(slot, &candid, *timestamp),
                "candidate_ra" | "candidate_dec" => builder.cell(slot, &degrees, *timestamp),
                "candidate_magpsf" => builder.cell(slot, magpsf, *timestamp),
                "cross_match_alerts_per_batch" => builder.cell(slot, class.as_bytes(), *timestamp),
                _ => {}
            }
        }
    }
    page
}

#[test]
fn rows_of_the_window_that_are_not_skipped_are_alerts() {
    let pipeline = pipeline();
    let magpsf = 16.5_f32.to_be_bytes();
    let rows = rows(
        &pipeline,
        &[("ZTF1", 5, &magpsf, "Star"), ("ZTF2", 10, &magpsf, "Star"), ("schema_0.7", 5, &magpsf, "Star")],
    );
    let window = Window::new(Timestamp::EPOCH, Timestamp::from_millis(10)).expect("a window");
    let alert = |row| pipeline.columns().alert(row, |timestamp| window.contains(timestamp));
    let alerts: Vec<&[u8]> = rows.iter().filter_map(alert).map(|alert| alert.row.key).collect();
    assert_eq!(alerts, [b"ZTF1"]);
    assert_eq!(pipeline.columns().skipped_rows(), 1);
}

#[test]
fn each_stream_decides_about_each_alert_and_streams_share_values() {
    let pipeline = pipeline();
    let magpsf = 16.5_f32.to_be_bytes();
    let rows = rows(
        &pipeline,
        &[("ZTF1", 5, &magpsf, "Star"), ("ZTF2", 5, &magpsf, "Unknown"), ("ZTF3", 5, &magpsf[..3], "Star")],
    );
    let alerts: Vec<AlertRow<'_>> = rows.iter().filter_map(|row| pipeline.columns().alert(row, |_| true)).collect();
    let mut batch = AlertBatch::default();
    let never = CancellationToken::new();
    pipeline.process(&alerts, None, &mut pipeline.encoders(), &never, &mut batch).expect("no filter to fail");
    let [kept, refused, rejected] = batch.alerts() else { panic!("{} alerts", batch.alerts().len()) };

    let verdicts: Vec<_> = batch.verdicts(kept).collect();
    let [(0, Verdict::Send(_)), (1, Verdict::Send(bright)), (2, Verdict::Send(copy))] = &verdicts[..] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(bright.value, copy.value, "both streams have the same schema");
    assert_eq!(bright.key.as_ref().map(|key| batch.bytes(key)), Some(&b"ZTF1"[..]));

    let mut verdicts: Vec<_> = batch.verdicts(refused).collect();
    verdicts.sort_by_key(|(stream, _)| *stream);
    assert!(matches!(verdicts[..], [(0, Verdict::Send(_)), (1, Verdict::Refuse(2)), (2, Verdict::Refuse(2))]));
    assert_eq!(pipeline.criteria(1)[2].to_string(), "line 27: cross_match_alerts_per_batch = 'Star'");

    for (stream, verdict) in batch.verdicts(rejected) {
        let Verdict::Reject(_, reason) = verdict else { panic!("stream {stream}: {verdict:?}") };
        assert!(reason.contains("candidate_magpsf"), "{reason}");
    }
}

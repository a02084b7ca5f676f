//! The time to encode and to decode one alert (ZTF of 50 kB, LSST of 230 kB) with `fink`, apache-avro and serde_avro_fast.
//!
//! `fink` starts from the cells of a row, as read from the science database. The others start from their own tree of values, built
//! beforehand, so their conversion from cells is not measured. All write the same bytes, which is checked before measuring.

mod tree;

use std::hint::black_box;
use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fink::alert::{BytesFormat, Decoder, Encoder, Layout, LayoutOptions, ListEncoding, Plan};
use fink::avro::Schema;
use fink::row::{Columns, Rows};
use fink::simulate::{Simulator, SimulatorOptions, Survey};
use serde::Deserialize;
use serde_avro_fast::ser::SerializerConfig;
use tree::Tree;

/// Number of different alerts, used in turn.
const ALERTS: u64 = 32;

struct Alerts {
    name: &'static str,
    schema_text: String,
    data: Vec<Vec<u8>>,
    fields: &'static [&'static str],
}

impl Alerts {
    /// Alerts of about this size. A few cannot reach it, see [`Options`].
    fn new(name: &'static str, survey: Survey, bytes: usize, fields: &'static [&'static str]) -> Self {
        let options = SimulatorOptions { target_bytes: Some(bytes), ..SimulatorOptions::default() };
        let mut simulator = Simulator::new(survey, 1, options).unwrap();
        let mut data = Vec::new();
        for index in 0.. {
            let mut datum = Vec::new();
            simulator.alert(index, &mut datum).unwrap();
            if datum.len().abs_diff(bytes) < bytes / 10 {
                data.push(datum);
            }
            if data.len() as u64 == ALERTS {
                break;
            }
        }
        Self { name, schema_text: simulator.schema_text().to_owned(), data, fields }
    }

    /// The alerts as rows of a table with this layout of lists, and their encoder.
    fn rows(&self, history: ListEncoding, row_key: &[&str]) -> (Rows, Encoder) {
        self.rows_sent_as(&Schema::parse(&self.schema_text).unwrap(), history, row_key)
    }

    /// As [`rows`](Self::rows), with the encoder of another schema.
    fn rows_sent_as(&self, sent: &Schema, history: ListEncoding, row_key: &[&str]) -> (Rows, Encoder) {
        let schema = Schema::parse(&self.schema_text).unwrap();
        let options =
            LayoutOptions { namespace: "default", table: self.name, family: "i", row_key, history, status: false };
        let layout = Layout::new(&schema, &options).unwrap();
        let catalog = layout.catalog();
        let plan = Plan::new(Arc::new(sent.clone()), catalog).unwrap();
        let needed = plan.needed_columns();
        let columns: Columns = needed.iter().map(|at| &catalog.columns[*at]).collect();

        let mut flattener = layout.flattener();
        let mut rows = Rows::default();
        let mut page = rows.refill(columns.len());
        for datum in &self.data {
            let cells = flattener.flatten(datum).unwrap();
            page.row(cells.key());
            for (at, value) in cells.iter() {
                let (family, name) = catalog.columns[at].family_and_qualifier().unwrap();
                if let Some(slot) = columns.slot(family.as_bytes(), name.as_bytes(), &mut 0) {
                    page.cell(slot, value, 1);
                }
            }
        }
        let encoder = plan.encoder(&columns).unwrap();
        (rows, encoder)
    }
}

/// The next version of a schema: in each record of an array a field is added.
fn next_version(schema: &mut serde_json::Value, in_array: bool) {
    match schema {
        serde_json::Value::Array(branches) => branches.iter_mut().for_each(|branch| next_version(branch, in_array)),
        serde_json::Value::Object(object) => {
            if let Some(items) = object.get_mut("items") {
                next_version(items, true);
            }
            if let Some(fields) = object.get_mut("fields").and_then(|fields| fields.as_array_mut()) {
                fields.iter_mut().for_each(|field| next_version(&mut field["type"], false));
                if in_array {
                    let added = serde_json::json!({"name": "added", "type": ["null", "double"], "default": null});
                    fields.insert(fields.len() / 2, added);
                }
            }
        }
        _ => {}
    }
}

fn encode(criterion: &mut Criterion, alerts: &Alerts, row_key: &[&str]) {
    let mut group = criterion.benchmark_group(format!("encode {}", alerts.name));
    let bytes: usize = alerts.data.iter().map(Vec::len).sum();
    group.throughput(Throughput::Bytes((bytes / alerts.data.len()) as u64));
    let mut out = Vec::with_capacity(1 << 20);

    for (name, history) in
        [("fink, history as avro", ListEncoding::Avro), ("fink, history as text", ListEncoding::Text)]
    {
        let (rows, encoder) = alerts.rows(history, row_key);
        for (row, datum) in rows.iter().zip(&alerts.data) {
            out.clear();
            encoder.encode(&row, &mut out).unwrap();
            // The text layout is lossy: see `fink::alert::layout`.
            assert!(out == *datum || history == ListEncoding::Text, "{name}: not the alert that was flattened");
        }
        let mut turn = (0..rows.len()).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || rows.row(turn.next().unwrap()),
                |row| {
                    out.clear();
                    encoder.encode(&row, &mut out).unwrap();
                    black_box(&out);
                },
                BatchSize::SmallInput,
            );
        });
    }

    let mut next: serde_json::Value = serde_json::from_str(&alerts.schema_text).unwrap();
    next_version(&mut next, false);
    let next = Schema::from_json(&next).unwrap();
    let (rows, encoder) = alerts.rows_sent_as(&next, ListEncoding::Avro, row_key);
    let mut turn = (0..rows.len()).cycle();
    group.bench_function("fink, history in an older schema", |bencher| {
        bencher.iter(|| {
            out.clear();
            encoder.encode(&rows.row(turn.next().unwrap()), &mut out).unwrap();
            black_box(&out);
        });
    });

    let schema = apache_avro::Schema::parse_str(&alerts.schema_text).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let values: Vec<_> = alerts.data.iter().map(|datum| reader.read_value(&mut &datum[..]).unwrap()).collect();
    let trees: Vec<_> = values.iter().map(Tree::of).collect();

    for (name, validate) in [("apache-avro, validated", true), ("apache-avro, not validated", false)] {
        let writer = GenericDatumWriter::builder(&schema).validate(validate).build().unwrap();
        let mut turn = values.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                writer.write_value_ref(&mut out, turn.next().unwrap()).unwrap();
                black_box(&out);
            });
        });
        assert!(alerts.data.contains(&out), "{name}: not the alert");
    }

    let writer = GenericDatumWriter::builder(&schema).human_readable(false).build().unwrap();
    let mut turn = trees.iter().cycle();
    group.bench_function("apache-avro, serde", |bencher| {
        bencher.iter(|| {
            out.clear();
            writer.write_ser(&mut out, turn.next().unwrap()).unwrap();
            black_box(&out);
        });
    });
    assert!(alerts.data.contains(&out), "apache-avro, serde: not the alert");

    let schema: serde_avro_fast::Schema = alerts.schema_text.parse().unwrap();
    let mut config = SerializerConfig::new(&schema);
    let mut turn = trees.iter().cycle();
    group.bench_function("serde_avro_fast", |bencher| {
        bencher.iter(|| {
            let mut buffer = std::mem::take(&mut out);
            buffer.clear();
            out = serde_avro_fast::to_datum(turn.next().unwrap(), buffer, &mut config).unwrap();
            black_box(&out);
        });
    });
    assert!(alerts.data.contains(&out), "serde_avro_fast: not the alert");
    group.finish();
}

fn decode<Few: for<'a> Deserialize<'a>>(criterion: &mut Criterion, alerts: &Alerts) {
    let mut group = criterion.benchmark_group(format!("decode {}", alerts.name));
    let bytes: usize = alerts.data.iter().map(Vec::len).sum();
    group.throughput(Throughput::Bytes((bytes / alerts.data.len()) as u64));

    let decoder = Decoder::new(Schema::parse(&alerts.schema_text).unwrap());
    let mut turn = alerts.data.iter().cycle();
    group.bench_function("fink, checked whole", |bencher| {
        bencher.iter(|| decoder.check(black_box(turn.next().unwrap())).unwrap());
    });
    let mut json = Vec::new();
    group.bench_function("fink, whole to JSON", |bencher| {
        bencher.iter(|| {
            json.clear();
            decoder.json(turn.next().unwrap(), BytesFormat::default(), &mut json).unwrap();
            black_box(&json);
        });
    });
    let projection = decoder.projection(alerts.fields).unwrap();
    group.bench_function("fink, 4 fields", |bencher| {
        bencher.iter(|| black_box(projection.read(turn.next().unwrap()).unwrap().len()));
    });

    let schema = apache_avro::Schema::parse_str(&alerts.schema_text).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    group.bench_function("apache-avro, whole to values", |bencher| {
        bencher.iter(|| reader.read_value(&mut &turn.next().unwrap()[..]).unwrap());
    });

    let schema: serde_avro_fast::Schema = alerts.schema_text.parse().unwrap();
    group.bench_function("serde_avro_fast, 4 fields", |bencher| {
        bencher.iter(|| serde_avro_fast::from_datum_slice::<Few>(turn.next().unwrap(), &schema).unwrap());
    });
    group.finish();
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded to be measured, not to be read")]
struct ZtfFew {
    #[serde(rename = "objectId")]
    object_id: String,
    candid: i64,
    candidate: Position,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded to be measured, not to be read")]
struct LsstFew {
    #[serde(rename = "diaSourceId")]
    dia_source_id: i64,
    #[serde(rename = "diaSource")]
    dia_source: LsstPosition,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded to be measured, not to be read")]
struct Position {
    ra: f64,
    dec: f64,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "decoded to be measured, not to be read")]
struct LsstPosition {
    #[serde(rename = "midpointMjdTai")]
    midpoint_mjd_tai: f64,
    ra: f64,
    dec: f64,
}

fn ztf(criterion: &mut Criterion) {
    let fields = &["objectId", "candid", "candidate.ra", "candidate.dec"];
    let alerts = Alerts::new("ZTF 50 kB", Survey::Ztf, 50_000, fields);
    encode(criterion, &alerts, &["objectId", "candid"]);
    decode::<ZtfFew>(criterion, &alerts);
}

fn lsst(criterion: &mut Criterion) {
    let fields = &["diaSourceId", "diaSource.midpointMjdTai", "diaSource.ra", "diaSource.dec"];
    let alerts = Alerts::new("LSST 230 kB", Survey::Lsst, 230_000, fields);
    encode(criterion, &alerts, &["diaSourceId"]);
    decode::<LsstFew>(criterion, &alerts);
}

criterion_group!(benches, ztf, lsst);
criterion_main!(benches);

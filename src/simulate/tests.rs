use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use proptest::prelude::*;

use super::{AlertIdentity, Simulator, SimulatorOptions, Survey, lsst, write_files, ztf};

/// A decoded alert, looked into by path.
struct Alert(Value);

impl Alert {
    fn of(simulator: &mut Simulator, index: u64) -> (Self, AlertIdentity, usize) {
        let mut datum = Vec::new();
        let identity = simulator.alert(index, &mut datum).unwrap();
        let mut rest = datum.as_slice();
        let value = GenericDatumReader::builder(&schema(simulator)).build().unwrap().read_value(&mut rest).unwrap();
        assert!(rest.is_empty(), "bytes after the alert");
        (Self(value), identity, datum.len())
    }

    fn at(&self, path: &str) -> &Value {
        path.split('.').fold(&self.0, |value, name| field(value, name))
    }

    fn list(&self, path: &str) -> &[Value] {
        match self.at(path) {
            Value::Array(items) => items,
            Value::Null => &[],
            other => panic!("{path} is {other:?}"),
        }
    }

    fn bytes(&self, path: &str) -> &[u8] {
        match self.at(path) {
            Value::Bytes(bytes) => bytes,
            other => panic!("{path} is {other:?}"),
        }
    }
}

fn field<'a>(record: &'a Value, name: &str) -> &'a Value {
    let Value::Record(fields) = record else { panic!("no record around {name}: {record:?}") };
    let value = &fields.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no field {name}")).1;
    if let Value::Union(_, inner) = value { inner } else { value }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(n) => f64::from(*n),
        Value::Long(n) => *n as f64,
        Value::Float(n) => f64::from(*n),
        Value::Double(n) => *n,
        other => panic!("not a number: {other:?}"),
    }
}

fn long(value: &Value) -> i64 {
    match value {
        Value::Long(n) => *n,
        other => panic!("not a long: {other:?}"),
    }
}

fn schema(simulator: &Simulator) -> Schema {
    Schema::parse_str(simulator.schema_text()).unwrap()
}

fn simulator(survey: Survey, seed: u64) -> Simulator {
    Simulator::new(survey, seed, SimulatorOptions::default()).unwrap()
}

/// Reads the units of a FITS file: `BITPIX`, the sizes, and the data.
fn fits_units(file: &[u8]) -> Vec<(i32, usize, usize, &[u8])> {
    let mut units = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let mut cards = BTreeMap::new();
        let end = rest
            .chunks(80)
            .position(|card| {
                let text = std::str::from_utf8(card).unwrap();
                if let Some((key, value)) = text.split_once("= ") {
                    cards.insert(key.trim(), value.trim().trim_matches('\'').trim());
                }
                text.trim_end() == "END"
            })
            .expect("a header without an END card");
        let first = if units.is_empty() { ("SIMPLE", "T") } else { ("XTENSION", "IMAGE") };
        assert_eq!(cards.get(first.0), Some(&first.1));
        let get = |key: &str| cards[key].parse::<i32>().unwrap();
        let (bitpix, width, height) = (get("BITPIX"), get("NAXIS1") as usize, get("NAXIS2") as usize);
        let header = ((end + 1) * 80).next_multiple_of(2880);
        let length = width * height * bitpix.unsigned_abs() as usize / 8;
        units.push((bitpix, width, height, &rest[header..header + length]));
        rest = &rest[header + length.next_multiple_of(2880)..];
    }
    units
}

fn floats(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(4).map(|bytes| f32::from_be_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn an_alert_depends_on_seed_and_index_alone() {
    for survey in [Survey::Ztf, Survey::Lsst] {
        let (mut one, mut other) = (simulator(survey, 5), simulator(survey, 5));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for index in [900, 3, 77, 901] {
            one.alert(index, &mut a).unwrap();
        }
        let identity = one.alert(450, &mut a).unwrap();
        assert_eq!(other.alert(450, &mut b).unwrap(), identity);
        assert_eq!(a, b);
        simulator(survey, 6).alert(450, &mut b).unwrap();
        assert_ne!(a, b);
    }
}

#[test]
fn ids_are_unique_and_objects_come_back() {
    for survey in [Survey::Ztf, Survey::Lsst] {
        let mut simulator = simulator(survey, 11);
        let mut datum = Vec::new();
        let (mut sources, mut objects, mut last) = (BTreeSet::new(), BTreeMap::<_, u32>::new(), 0.0);
        for index in 0..600 {
            let identity = simulator.alert(index, &mut datum).unwrap();
            assert!(sources.insert(identity.source), "{} came twice", identity.source);
            assert!((17..=19).contains(&identity.source.to_string().len()));
            assert!(identity.jd > last, "alerts are not in the order of time");
            last = identity.jd;
            *objects.entry(identity.object).or_default() += 1;
        }
        let repeated = objects.values().filter(|count| **count > 1).count();
        assert!(repeated > 80, "only {repeated} objects of {survey:?} have several alerts");
        if survey == Survey::Ztf {
            for name in objects.keys().flatten() {
                assert!(name.len() == 12 && name.starts_with("ZTF2") && name.is_ascii(), "{name}");
            }
        }
    }
}

#[test]
fn ztf_alerts_are_as_large_as_real_ones() {
    let mut simulator = simulator(Survey::Ztf, 1);
    let mut datum = Vec::new();
    for index in 0..150 {
        simulator.alert(index, &mut datum).unwrap();
        assert!((42_000..58_000).contains(&datum.len()), "alert {index} has {} bytes", datum.len());
    }
}

#[test]
fn lsst_alerts_are_as_large_as_real_ones() {
    let mut simulator = simulator(Survey::Lsst, 1);
    let mut datum = Vec::new();
    for index in 0..150 {
        simulator.alert(index, &mut datum).unwrap();
        assert!((106_500..150_000).contains(&datum.len()), "alert {index} has {} bytes", datum.len());
    }
}

#[test]
fn a_size_asked_for_is_reached_by_history() {
    let options = SimulatorOptions { target_bytes: Some(231_000), ..SimulatorOptions::default() };
    let mut simulator = Simulator::new(Survey::Lsst, 3, options).unwrap();
    let mut near = 0;
    for index in 0..40 {
        let (alert, _, length) = Alert::of(&mut simulator, index);
        let has_history = !alert.list("prvDiaForcedSources").is_empty();
        if has_history {
            assert!((219_000..243_000).contains(&length), "alert {index} has {length} bytes");
            near += 1;
        }
    }
    assert!(near > 20);
}

#[test]
fn ztf_stamps_are_gzipped_fits_images() {
    let mut simulator = simulator(Survey::Ztf, 2);
    for index in 0..10 {
        let (alert, _, _) = Alert::of(&mut simulator, index);
        for name in ["cutoutScience", "cutoutTemplate", "cutoutDifference"] {
            let packed = alert.bytes(&format!("{name}.stampData"));
            assert!((11_500..16_000).contains(&packed.len()), "{name} has {} bytes", packed.len());
            let mut file = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut file).unwrap();
            assert_eq!(file.len(), 20_160);
            let units = fits_units(&file);
            let [(-32, 63, 63, data)] = units[..] else { panic!("{units:?}") };
            let pixels = floats(data);
            assert!(pixels.iter().all(|pixel| pixel.is_finite()));
            if name == "cutoutDifference" {
                // Of a source that became fainter too: ZTF multiplies that difference by −1.
                assert!(pixels[31 * 63 + 31] > 0.0);
            }
        }
    }
}

#[test]
fn lsst_stamps_are_fits_files_of_three_units() {
    let mut simulator = simulator(Survey::Lsst, 2);
    let mut sides = BTreeSet::new();
    for index in 0..20 {
        let (alert, _, _) = Alert::of(&mut simulator, index);
        for name in ["cutoutScience", "cutoutTemplate", "cutoutDifference"] {
            let units = fits_units(alert.bytes(name));
            let [(-32, width, height, image), (-32, _, _, variance), (-64, psf, _, _)] = units[..] else {
                panic!("{units:?}")
            };
            assert_eq!((width, psf), (height, if name == "cutoutTemplate" { 45 } else { 41 }));
            assert!(floats(image).iter().all(|pixel| pixel.is_finite()));
            assert!(floats(variance).iter().all(|pixel| *pixel > 0.0));
            sides.insert(width);
        }
    }
    assert!(sides.is_subset(&BTreeSet::from([30, 40])));
}

#[test]
fn earlier_alerts_stand_in_the_history_of_later_ones() {
    for (survey, list, id) in
        [(Survey::Ztf, "prv_candidates", "candid"), (Survey::Lsst, "prvDiaSources", "diaSourceId")]
    {
        let mut simulator = simulator(survey, 8);
        let mut known: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut checked = 0;
        for index in 0..350 {
            let (alert, identity, _) = Alert::of(&mut simulator, index);
            let is_ss_object = survey == Survey::Lsst && *alert.at("ssSource") != Value::Null;
            let Some(object) = identity.object.filter(|_| !is_ss_object) else { continue };
            let history: Vec<i64> = alert
                .list(list)
                .iter()
                .map(|entry| field(entry, id))
                .filter(|id| **id != Value::Null)
                .map(long)
                .collect();
            let before = known.entry(object).or_default();
            assert!(
                before.iter().all(|source| history.contains(source)),
                "alert {index}: {before:?} not in {history:?}"
            );
            checked += before.len();
            before.push(identity.source);
        }
        assert!(checked > 50, "only {checked}");
    }
}

#[test]
fn a_schema_has_the_records_fields_in_their_order() {
    fn names(schema: &Schema, record: &str, found: &mut Option<Vec<String>>) {
        match schema {
            Schema::Record(it) => {
                if it.name.name() == record {
                    *found = Some(it.fields.iter().map(|field| field.name.clone()).collect());
                }
                it.fields.iter().for_each(|field| names(&field.schema, record, found));
            }
            Schema::Union(union) => union.variants().iter().for_each(|variant| names(variant, record, found)),
            Schema::Array(array) => names(&array.items, record, found),
            _ => {}
        }
    }
    for (survey, records) in [(Survey::Ztf, ztf::records()), (Survey::Lsst, lsst::records())] {
        for (record, fields) in records {
            let mut found = None;
            names(&schema(&simulator(survey, 0)), record, &mut found);
            assert_eq!(found, Some(fields), "{record}");
        }
    }
}

#[test]
fn the_added_column_is_in_schema_and_alert() {
    for survey in [Survey::Ztf, Survey::Lsst] {
        let mut simulator =
            Simulator::new(survey, 4, SimulatorOptions { fink: true, ..SimulatorOptions::default() }).unwrap();
        let mut types = BTreeSet::new();
        for index in 0..60 {
            let (alert, _, _) = Alert::of(&mut simulator, index);
            match alert.at("cross_match_alerts_per_batch") {
                Value::String(kind) => types.insert(kind.clone()),
                other => panic!("{other:?}"),
            };
        }
        assert!(types.contains("Unknown") && types.contains("Star"), "{types:?}");
    }
}

#[test]
fn a_file_holds_one_alert_with_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulator = simulator(Survey::Ztf, 9);
    let mut written = 0;
    write_files(&mut simulator, &folder.path().join("alerts"), 10..13, |bytes| {
        written += bytes;
        true
    })
    .unwrap();
    let mut total = 0;
    for entry in std::fs::read_dir(folder.path().join("alerts")).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read(&path).unwrap();
        total += file.len();
        let alerts: Vec<_> = apache_avro::Reader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        let [alert] = &alerts[..] else { panic!("{} alerts in {}", alerts.len(), path.display()) };
        let name = format!("{}.avro", long(field(alert, "candid")));
        assert_eq!(path.file_name().unwrap().to_str(), Some(name.as_str()));
    }
    assert_eq!(written, total);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ztf_values_are_in_their_ranges(seed: u64, index in 0u64..80_000_000) {
        let (alert, identity, _) = Alert::of(&mut simulator(Survey::Ztf, seed), index);
        let get = |name: &str| number(alert.at(&format!("candidate.{name}")));
        prop_assert_eq!(get("jd"), identity.jd);
        prop_assert_eq!(long(alert.at("candidate.candid")), identity.source);
        prop_assert!(get("jd") > 2_450_000.0 && (0.0..360.0).contains(&get("ra")));
        prop_assert!((-31.0..=90.0).contains(&get("dec")) && (1.0..=3.0).contains(&get("fid")));
        prop_assert!((8.0..22.5).contains(&get("magpsf")) && (0.0..0.3).contains(&get("sigmapsf")));
        prop_assert!((0.0..=1.0).contains(&get("rb")) && get("ndethist") >= 1.0 && get("ncovhist") > get("ndethist"));
        prop_assert!(get("jdstarthist") <= get("jd") && get("mindtoedge") >= 0.0);
        let mut last = 0.0;
        for entry in alert.list("prv_candidates") {
            let jd = number(field(entry, "jd"));
            prop_assert!(last < jd && jd < get("jd"));
            last = jd;
            let limit = number(field(entry, "diffmaglim"));
            prop_assert!((18.0..22.5).contains(&limit));
            if *field(entry, "magpsf") != Value::Null {
                prop_assert!(number(field(entry, "magpsf")) <= limit + 1e-3);
            }
        }
    }

    #[test]
    fn lsst_values_are_in_their_ranges(seed: u64, index in 0u64..80_000_000) {
        let (alert, identity, _) = Alert::of(&mut simulator(Survey::Lsst, seed), index);
        let source = |name: &str| number(alert.at(&format!("diaSource.{name}")));
        let mjd = source("midpointMjdTai");
        prop_assert_eq!(long(alert.at("diaSource.diaSourceId")), identity.source);
        prop_assert_eq!(long(alert.at("diaSourceId")), identity.source);
        prop_assert!((mjd + 2_400_000.5 - identity.jd).abs() < 1e-6);
        prop_assert!((0.0..360.0).contains(&source("ra")) && (-75.0..=15.0).contains(&source("dec")));
        prop_assert!((source("psfFlux") / source("psfFluxErr")).abs() > 4.9 && source("snr") > 4.9);
        let is_ss = *alert.at("ssSource") != Value::Null;
        prop_assert_eq!(is_ss, *alert.at("diaSource.ssObjectId") != Value::Null);
        prop_assert!(!is_ss || *alert.at("diaObject") == Value::Null);
        for list in ["prvDiaSources", "prvDiaForcedSources"] {
            let mut last = 0.0;
            for entry in alert.list(list) {
                let time = number(field(entry, "midpointMjdTai"));
                prop_assert!(last < time && time < mjd, "{} {} {}", list, time, mjd);
                last = time;
            }
        }
        prop_assert!(alert.list("prvDiaForcedSources").len() >= alert.list("prvDiaSources").len());
    }
}

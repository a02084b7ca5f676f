//! What every store must do.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use fink::config::StoreKind;
use fink::row::{Columns, Rows};
use fink::science_db::{KeyRange, NewTable, Put, PutCell, Scan, ScienceDb, ScienceDbError};
use fink::timestamp::Timestamp;
use fink::window::Window;

use super::stores::{Store, families};
use crate::fixture::alert_table::now;
use crate::fixture::wait_for_clock;

/// A row as (key, cells by slot: value and timestamp).
type Plain = (Vec<u8>, BTreeMap<usize, (Vec<u8>, i64)>);

fn columns() -> Columns {
    Columns::new([("i", "a"), ("i", "b"), ("d", "c")].map(|(f, q)| (f.to_owned(), q.to_owned())).to_vec())
}

fn put(key: &[u8], timestamp: Option<i64>, cells: &[(&str, &str, &[u8])]) -> Put {
    let cell = |(family, qualifier, value): &(&str, &str, &[u8])| PutCell {
        family: (*family).to_owned(),
        qualifier: (*qualifier).to_owned(),
        value: value.to_vec(),
    };
    Put { key: key.to_vec(), timestamp, cells: cells.iter().map(cell).collect() }
}

fn plain(rows: &Rows) -> Vec<Plain> {
    let cells = |row: &fink::row::Row<'_>| {
        let cell = |slot: usize| row.cell(slot).map(|cell| (slot, (cell.value.to_vec(), cell.timestamp)));
        (0..row.width()).filter_map(cell).collect()
    };
    rows.iter().map(|row| (row.key.to_vec(), cells(&row))).collect()
}

/// The keys that begin with the store's prefix and then `rest`.
fn under(store: &Store, rest: &[u8]) -> KeyRange {
    let start = [store.prefix.as_bytes(), rest].concat();
    let mut end = start.clone();
    *end.last_mut().expect("a prefix") += 1;
    KeyRange { start, end }
}

fn key(store: &Store, rest: &[u8]) -> Vec<u8> {
    [store.prefix.as_bytes(), rest].concat()
}

fn window(from: i64, until: i64) -> Window {
    Window::new(Timestamp::from_millis(from), Timestamp::from_millis(until)).expect("a window")
}

/// All pages of a scan, and how many rows each had.
fn pages(db: &mut dyn ScienceDb, scan: &Scan<'_>) -> (Vec<Plain>, Vec<usize>) {
    let (mut rows, mut all, mut sizes) = (Rows::default(), Vec::new(), Vec::new());
    let mut after: Option<Vec<u8>> = None;
    loop {
        let more = db.scan(scan, after.as_deref(), &mut rows).expect("a page");
        sizes.push(rows.len());
        all.extend(plain(&rows));
        if !more {
            return (all, sizes);
        }
        after = Some(rows.last().expect("a page that promises more has rows").key.to_vec());
    }
}

fn scan_all(db: &mut dyn ScienceDb, keys: KeyRange, window: Window) -> Vec<Plain> {
    pages(db, &Scan { keys, window, columns: &columns(), page: 100 }).0
}

fn get(db: &mut dyn ScienceDb, keys: &[&[u8]]) -> Vec<Plain> {
    let mut rows = Rows::default();
    db.get(keys, &columns(), &mut rows).expect("rows");
    plain(&rows)
}

pub fn window_is_half_open(store: &Store) {
    let db = &mut *store.open();
    let puts = [99, 100, 101, 199, 200, 201]
        .map(|at| put(&key(store, at.to_string().as_bytes()), Some(at), &[("i", "a", b"x")]));
    db.put(&puts).expect("a put");
    let found = scan_all(db, under(store, b""), window(100, 200));
    let stamps: Vec<i64> = found.iter().map(|(_, cells)| cells[&0].1).collect();
    assert_eq!(stamps, [100, 101, 199]);
    assert_eq!(scan_all(db, under(store, b""), window(200, 201)).len(), 1);
    assert_eq!(scan_all(db, under(store, b""), Window::since(Timestamp::from_millis(200))).len(), 2);
    assert_eq!(scan_all(db, under(store, b""), Window::ALL).len(), 6);
}

pub fn partial_row_holds_only_what_the_window_holds(store: &Store) {
    let db = &mut *store.open();
    let key = key(store, b"row");
    db.put(&[put(&key, Some(100), &[("i", "a", b"old"), ("d", "c", b"kept")])]).expect("a put");
    db.put(&[put(&key, Some(200), &[("i", "b", b"new")])]).expect("a put");
    let found = scan_all(db, under(store, b""), window(150, 250));
    assert_eq!(found, [(key.clone(), BTreeMap::from([(1, (b"new".to_vec(), 200))]))]);
    let found = scan_all(db, under(store, b""), window(100, 101));
    assert_eq!(found[0].1.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(get(db, &[&key])[0].1.len(), 3);
}

pub fn newest_version_wins(store: &Store) {
    let db = &mut *store.open();
    let key = key(store, b"row");
    db.put(&[put(&key, Some(200), &[("i", "a", b"newest")])]).expect("a put");
    db.put(&[put(&key, Some(100), &[("i", "a", b"late"), ("i", "b", b"first")])]).expect("a put");
    let cells = BTreeMap::from([(0, (b"newest".to_vec(), 200)), (1, (b"first".to_vec(), 100))]);
    assert_eq!(get(db, &[&key]), [(key.clone(), cells)]);
    db.put(&[put(&key, Some(200), &[("i", "a", b"again")])]).expect("a put");
    assert_eq!(get(db, &[&key])[0].1[&0], (b"again".to_vec(), 200));
    assert_eq!(scan_all(db, under(store, b""), Window::ALL)[0].1[&0], (b"again".to_vec(), 200));
}

pub fn delete_hides_what_was_and_not_what_comes(store: &Store) {
    let db = &mut *store.open();
    let (gone, stays) = (key(store, b"gone"), key(store, b"stays"));
    let cells: [(&str, &str, &[u8]); 2] = [("i", "a", b"1"), ("d", "c", b"2")];
    db.put(&[put(&gone, Some(100), &cells), put(&stays, Some(100), &cells)]).expect("a put");
    db.delete(&[&gone, &key(store, b"never was")]).expect("a delete");
    assert_eq!(get(db, &[&gone, &stays]).len(), 1);
    assert_eq!(scan_all(db, under(store, b""), Window::ALL).len(), 1);
    db.put(&[put(&gone, Some(150), &cells)]).expect("a put");
    assert!(get(db, &[&gone]).is_empty(), "a put older than the delete stays hidden");
    wait_for_clock(now() + 20);
    db.put(&[put(&gone, None, &[("i", "a", b"3")])]).expect("a put");
    let found = get(db, &[&gone]);
    assert_eq!(found[0].1.len(), 1);
    assert_eq!(found[0].1[&0].0, b"3");
}

pub fn scan_resumes_at_every_page_boundary(store: &Store) {
    let db = &mut *store.open();
    let keys: Vec<Vec<u8>> = (0..7).map(|n| key(store, format!("{n}").as_bytes())).collect();
    let puts: Vec<Put> = keys.iter().map(|key| put(key, Some(100), &[("i", "a", b"x")])).collect();
    db.put(&puts).expect("a put");
    let columns = columns();
    for page in 1..=8 {
        let scan = Scan { keys: under(store, b""), window: window(1, 1000), columns: &columns, page };
        let (found, sizes) = pages(db, &scan);
        assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), keys, "pages of {page}");
        assert!(sizes.iter().all(|size| *size <= page), "pages of {page}: {sizes:?}");
        for (at, after) in keys.iter().enumerate() {
            let mut rows = Rows::default();
            db.scan(&scan, Some(after), &mut rows).expect("a page");
            let expected = keys.get(at + 1);
            assert_eq!(rows.iter().next().map(|row| row.key.to_vec()).as_ref(), expected);
        }
    }
}

pub fn scan_ends_before_the_end_key(store: &Store) {
    let db = &mut *store.open();
    for name in ["a", "b", "b\0", "c"] {
        db.put(&[put(&key(store, name.as_bytes()), Some(1), &[("i", "a", b"x")])]).expect("a put");
    }
    let range = KeyRange { start: key(store, b"b"), end: key(store, b"c") };
    let found = scan_all(db, range, Window::ALL);
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key(store, b"b"), key(store, b"b\0")]);
}

pub fn full_page_without_rows_in_the_window_is_not_returned(store: &Store) {
    let db = &mut *store.open();
    let stamp = |n: i64| if n == 150 || n == 299 { 500 } else { 100 };
    let puts: Vec<Put> =
        (0..300).map(|n| put(&key(store, format!("{n:03}").as_bytes()), Some(stamp(n)), &[("i", "a", b"x")])).collect();
    db.put(&puts).expect("a put");
    let columns = columns();
    let scan = Scan { keys: under(store, b""), window: window(400, 600), columns: &columns, page: 10 };
    let (found, _) = pages(db, &scan);
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key(store, b"150"), key(store, b"299")]);
}

pub fn key_ranges_cover_every_key_once(store: &Store) {
    let table = store.new_table();
    let db = &mut *store.open_table(&table);
    let splits = vec![b"b".to_vec(), b"c\x80".to_vec(), b"\xf0".to_vec()];
    assert!(db.create_table(&NewTable { families: families(), splits: splits.clone() }).expect("a table"));
    let ranges = db.key_ranges().expect("key ranges");
    assert!(ranges[0].start.is_empty());
    assert!(ranges.last().expect("a range").end.is_empty());
    assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[0].end.is_empty()));
    if store.kind() != StoreKind::Thrift1 {
        assert_eq!(ranges.iter().skip(1).map(|range| range.start.clone()).collect::<Vec<_>>(), splits);
    }
    let keys: [&[u8]; 9] = [b"\0", b"a\xff\xff", b"b", b"b\0", b"c", b"c\x7f\xff", b"c\x80", b"\xf0", b"\xff\xff"];
    db.put(&keys.map(|key| put(key, Some(7), &[("d", "c", b"x")]))).expect("a put");
    let mut found: Vec<Vec<u8>> = Vec::new();
    for range in ranges {
        found.extend(scan_all(db, range, Window::ALL).into_iter().map(|(key, _)| key));
    }
    assert_eq!(found, keys.map(<[u8]>::to_vec));
}

pub fn keys_are_bytes(store: &Store) {
    let db = &mut *store.open();
    let rest: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\0\xff", b"a'\"\n", b"\xc3\x28", b"\xff\xff"];
    let keys = rest.map(|rest| key(store, rest));
    db.put(&keys.iter().map(|key| put(key, Some(1), &[("i", "a", key)])).collect::<Vec<_>>()).expect("a put");
    let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &columns(), page: 1 };
    let (found, _) = pages(db, &scan);
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), keys);
    assert!(found.iter().all(|(key, cells)| *key == cells[&0].0));
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    assert_eq!(get(db, &asked).len(), keys.len());
    db.delete(&[&keys[1]]).expect("a delete");
    assert_eq!(get(db, &asked).len(), keys.len() - 1);
}

pub fn large_cells_come_back_whole(store: &Store) {
    let db = &mut *store.open();
    let value: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let keys: Vec<Vec<u8>> = (0..6).map(|n| key(store, format!("{n}").as_bytes())).collect();
    let puts: Vec<Put> = keys.iter().map(|key| put(key, Some(5), &[("i", "a", &value), ("d", "c", key)])).collect();
    db.put(&puts).expect("a put");
    let found = scan_all(db, under(store, b""), Window::ALL);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|(key, cells)| cells[&0].0 == value && cells[&2].0 == *key));
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    assert!(get(db, &asked).iter().all(|(_, cells)| cells[&0].0 == value));
    db.delete(&asked).expect("a delete");
}

pub fn empty_values_and_qualifiers_are_kept(store: &Store) {
    let db = &mut *store.open();
    let key = key(store, b"row");
    db.put(&[put(&key, Some(1), &[("i", "", b"no name"), ("i", "a", b""), ("d", "q:r", b"colon")])]).expect("a put");
    let names = [("i", ""), ("i", "a"), ("d", "q:r")].map(|(f, q)| (f.to_owned(), q.to_owned())).to_vec();
    let columns = Columns::new(names);
    let expected =
        [b"no name".as_slice(), b"", b"colon"].into_iter().enumerate().map(|(slot, value)| (slot, (value.to_vec(), 1)));
    let expected = [(key.clone(), expected.collect())];
    let mut rows = Rows::default();
    db.get(&[&key], &columns, &mut rows).expect("rows");
    assert_eq!(plain(&rows), expected);
    let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &columns, page: 5 };
    assert_eq!(pages(db, &scan).0, expected);
}

pub fn empty_range_has_no_rows(store: &Store) {
    let db = &mut *store.open();
    assert!(scan_all(db, under(store, b"nothing"), Window::ALL).is_empty());
    assert!(get(db, &[&key(store, b"nothing")]).is_empty());
    assert!(get(db, &[]).is_empty());
    db.put(&[]).expect("nothing to put");
    db.delete(&[]).expect("nothing to delete");
}

pub fn missing_table_is_named(store: &Store) {
    let table = store.new_table();
    let db = &mut *store.open_table(&table);
    let columns = columns();
    let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns: &columns, page: 5 };
    let errors = [
        db.key_ranges().err(),
        db.scan(&scan, None, &mut Rows::default()).err(),
        db.get(&[b"x"], &columns, &mut Rows::default()).err(),
        db.put(&[put(b"x", Some(1), &[("i", "a", b"x")])]).err(),
        db.delete(&[b"x"]).err(),
    ];
    for error in errors {
        let error = error.expect("a refusal");
        assert!(matches!(&error, ScienceDbError::NoTable { table: named, .. } if *named == table), "{error}");
        assert!(!error.is_transient());
    }
}

pub fn gets_keep_the_order_of_the_keys(store: &Store) {
    let db = &mut *store.open();
    let keys: Vec<Vec<u8>> = (0..250).map(|n| key(store, format!("{n:03}").as_bytes())).collect();
    let puts: Vec<Put> =
        keys.iter().step_by(2).map(|key| put(key, Some(1), &[("i", "a", key), ("d", "other", b"x")])).collect();
    db.put(&puts).expect("a put");
    db.put(&[put(&keys[1], Some(1), &[("d", "other", b"not asked for")])]).expect("a put");
    let asked: Vec<&[u8]> = keys.iter().rev().map(Vec::as_slice).collect();
    let found = get(db, &asked);
    let expected: Vec<Vec<u8>> = puts.iter().rev().map(|put| put.key.clone()).collect();
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|(key, cells)| cells[&0].0 == *key && cells.len() == 1));
}

pub fn put_without_timestamp_gets_the_servers_time(store: &Store) {
    let db = &mut *store.open();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as i64;
    let key = key(store, b"row");
    let before = now();
    db.put(&[put(&key, None, &[("i", "a", b"1"), ("d", "c", b"2")])]).expect("a put");
    let cells = get(db, &[&key]).remove(0).1;
    // The servers of the tests are on this machine.
    assert!((before..=now()).contains(&cells[&0].1), "{cells:?}");
    assert_eq!(scan_all(db, under(store, b""), Window::since(Timestamp::from_millis(before))).len(), 1);
}

pub fn columns_not_asked_for_are_not_returned(store: &Store) {
    let db = &mut *store.open();
    let both = key(store, b"both");
    let other = key(store, b"other");
    db.put(&[put(&both, Some(1), &[("i", "a", b"1"), ("d", "a", b"2"), ("i", "z", b"3")])]).expect("a put");
    db.put(&[put(&other, Some(1), &[("d", "a", b"2")])]).expect("a put");
    let expected = [(both.clone(), BTreeMap::from([(0, (b"1".to_vec(), 1))]))];
    assert_eq!(scan_all(db, under(store, b""), Window::ALL), expected);
    assert_eq!(get(db, &[&other, &both]), expected);
}

pub fn wide_reads_find_rows_behind_many_without_their_columns(store: &Store) {
    let db = &mut *store.open();
    let wide: Vec<(String, String)> = (0..40).map(|n| (String::from("i"), format!("w{n}"))).collect();
    let other = PutCell { family: String::from("i"), qualifier: String::from("other"), value: vec![b'x'; 100] };
    let cell = |n: usize| PutCell { family: String::from("i"), qualifier: format!("w{n}"), value: vec![n as u8] };
    let row = |n: usize| Put {
        key: key(store, format!("{n:02}").as_bytes()),
        timestamp: Some(1),
        cells: if n % 20 == 19 { vec![cell(n % 40), cell((n + 1) % 40)] } else { vec![other.clone()] },
    };
    db.put(&(0..60).map(row).collect::<Vec<_>>()).expect("a put");
    let columns = Columns::new(wide);
    let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &columns, page: 5 };
    for _ in 0..2 {
        let (found, _) = pages(db, &scan);
        let names = [19, 39, 59].map(|n: usize| key(store, n.to_string().as_bytes()));
        assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), names);
        assert!(found.iter().all(|(_, cells)| cells.len() == 2));
        let mut rows = Rows::default();
        db.get(&[&key(store, b"00"), &names[0]], &columns, &mut rows).expect("rows");
        assert_eq!(plain(&rows), found[..1]);
    }
}

pub fn no_columns_are_no_rows(store: &Store) {
    let db = &mut *store.open();
    let key = key(store, b"row");
    db.put(&[put(&key, Some(1), &[("i", "a", b"1")])]).expect("a put");
    let none = Columns::new(Vec::new());
    let mut rows = Rows::default();
    let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &none, page: 5 };
    assert!(!db.scan(&scan, None, &mut rows).expect("a page"));
    assert!(rows.is_empty());
    db.get(&[&key], &none, &mut rows).expect("rows");
    assert!(rows.is_empty());
}

pub fn unknown_family_is_refused(store: &Store) {
    let db = &mut *store.open();
    let columns = Columns::new(vec![(String::from("nope"), String::from("a"))]);
    let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &columns, page: 5 };
    let errors = [
        db.scan(&scan, None, &mut Rows::default()).err(),
        db.get(&[b"x"], &columns, &mut Rows::default()).err(),
        db.put(&[put(b"x", Some(1), &[("nope", "a", b"x")])]).err(),
    ];
    for error in errors {
        let error = error.expect("a refusal");
        assert!(matches!(&error, ScienceDbError::NoFamily { family, .. } if family == "nope"), "{error}");
    }
}

/// As Fink's catalogs have one.
pub fn column_without_qualifier_is_read_and_null_where_its_family_is_missing(store: &Store) {
    let db = &mut *store.open();
    let (one, other) = (key(store, b"1"), key(store, b"2"));
    db.put(&[
        put(&one, Some(5), &[("i", "a", b"1"), ("d", "", b"note")]),
        put(&other, Some(5), &[("i", "a", b"2"), ("d", "x", b"no note")]),
    ])
    .expect("a put");
    let read = |db: &mut dyn ScienceDb, names: &[(&str, &str)]| {
        let columns = Columns::new(names.iter().map(|(f, q)| (String::from(*f), String::from(*q))).collect());
        let (mut scanned, mut got) = (Rows::default(), Rows::default());
        let scan = Scan { keys: under(store, b""), window: Window::ALL, columns: &columns, page: 5 };
        db.scan(&scan, None, &mut scanned).expect("a page");
        db.get(&[&one, &other], &columns, &mut got).expect("rows");
        assert_eq!(plain(&scanned), plain(&got));
        plain(&got)
            .into_iter()
            .map(|(_, cells)| cells.into_iter().map(|(slot, cell)| (slot, cell.0)).collect())
            .collect::<Vec<Vec<_>>>()
    };
    let cell = |slot: usize, value: &[u8]| (slot, value.to_vec());
    let found = read(db, &[("d", ""), ("i", "a")]);
    assert_eq!(found, [vec![cell(0, b"note"), cell(1, b"1")], vec![cell(1, b"2")]]);
    for _ in 0..2 {
        assert_eq!(read(db, &[("nope", ""), ("i", "a")]), [vec![cell(1, b"1")], vec![cell(1, b"2")]]);
    }
    assert!(read(db, &[("nope", "")]).is_empty());
    // Many columns are read as whole families.
    let many: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    let mut wide: Vec<(&str, &str)> = many.iter().map(|name| ("i", name.as_str())).collect();
    wide.extend([("d", ""), ("nope", ""), ("i", "a")]);
    assert_eq!(read(db, &wide), [vec![cell(40, b"note"), cell(42, b"1")], vec![cell(42, b"2")]]);
    // A family with other columns is not left out.
    let columns = Columns::new(vec![("nope".into(), "".into()), ("nope".into(), "x".into()), ("i".into(), "a".into())]);
    let error = db.get(&[&one], &columns, &mut Rows::default()).expect_err("a refusal");
    assert!(matches!(&error, ScienceDbError::NoFamily { family, .. } if family == "nope"), "{error}");
}

pub fn rows_without_key_or_cells_are_refused(store: &Store) {
    let db = &mut *store.open();
    let (key, cells): (_, [(&str, &str, &[u8]); 1]) = (key(store, b"row"), [("i", "a", b"x")]);
    for bad in [put(b"", Some(1), &cells), put(&key, Some(1), &[]), put(&key, Some(-1), &cells)] {
        let error = db.put(&[put(&key, Some(1), &cells), bad]).expect_err("a refusal");
        assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
    }
    assert!(get(db, &[&key]).is_empty());
}

pub fn table_is_created_once(store: &Store) {
    let table = store.new_table();
    let new = NewTable { families: families(), splits: Vec::new() };
    assert!(store.open_table(&table).create_table(&new).expect("a table"));
    assert!(!store.open_table(&table).create_table(&new).expect("an answer"));
    assert_eq!(store.open_table(&table).key_ranges().expect("key ranges"), [KeyRange::default()]);
}

pub fn rows_are_reused_for_the_next_page(store: &Store) {
    let db = &mut *store.open();
    let (one, other) = (key(store, b"1"), key(store, b"2"));
    db.put(&[put(&one, Some(1), &[("i", "a", b"long value")]), put(&other, Some(1), &[("i", "b", b"2")])])
        .expect("a put");
    let mut rows = Rows::default();
    db.get(&[&one, &other], &columns(), &mut rows).expect("rows");
    assert_eq!(rows.len(), 2);
    db.get(&[&other], &columns(), &mut rows).expect("rows");
    assert_eq!(plain(&rows), [(other.clone(), BTreeMap::from([(1, (b"2".to_vec(), 1))]))]);
}

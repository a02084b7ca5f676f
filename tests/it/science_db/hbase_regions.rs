//! Regions that are split, merged, moved and closed while they are read and written.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use fink::config::{ScienceDbSettings, StoreKind};
use fink::row::{Columns, Rows};
use fink::science_db::{HBaseTableAdmin, KeyRange, NewTable, Put, PutCell, Scan, ScienceDb, ScienceDbError, open};
use fink::window::Window;

use super::stores::unique;
use crate::fixture::cluster::{Cluster, science_db_settings};

/// A table of its own, deleted at the end.
struct OwnTable {
    settings: ScienceDbSettings,
    name: String,
    admin: HBaseTableAdmin,
}

impl OwnTable {
    fn new(splits: &[&str]) -> Self {
        let settings = science_db_settings(StoreKind::HBase, Cluster::get().hbase(), Path::new("unused"));
        let name = format!("default:db_regions_{}", unique());
        let table = Self { admin: HBaseTableAdmin::new(&settings, &name), settings, name };
        let splits = splits.iter().map(|split| split.as_bytes().to_vec()).collect();
        let new = NewTable { families: vec![String::from("i")], splits };
        assert!(table.session().create_table(&new).expect("a table"));
        table
    }

    fn session(&self) -> Box<dyn ScienceDb> {
        open(&self.settings, &self.name).expect("a session")
    }
}

impl Drop for OwnTable {
    fn drop(&mut self) {
        let _disabled = self.admin.disable();
        let _deleted = self.admin.delete();
    }
}

fn row(number: usize, value: Vec<u8>) -> Put {
    let cell = |qualifier: &str, value| PutCell { family: "i".into(), qualifier: qualifier.into(), value };
    let cells = vec![cell("a", number.to_string().into_bytes()), cell("b", value)];
    Put { key: key(number), timestamp: Some(number as i64 + 1), cells }
}

fn key(number: usize) -> Vec<u8> {
    format!("row{number:04}").into_bytes()
}

fn columns() -> Columns {
    Columns::new(["a", "b"].map(|name| (String::from("i"), String::from(name))).to_vec())
}

/// Scans the table, and calls `between` after each page with its number.
fn scan(db: &mut dyn ScienceDb, page: usize, mut between: impl FnMut(usize)) -> Vec<Vec<u8>> {
    let columns = columns();
    let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns: &columns, page };
    let (mut rows, mut found, mut after) = (Rows::default(), Vec::new(), None::<Vec<u8>>);
    for number in 0.. {
        let more = db.scan(&scan, after.as_deref(), &mut rows).expect("a page");
        for row in rows.iter() {
            assert!(row.cell(0).is_some() && row.cell(1).is_some(), "a row in part: {}", row.key.escape_ascii());
            found.push(row.key.to_vec());
        }
        if !more {
            break;
        }
        after = rows.last().map(|row| row.key.to_vec());
        between(number);
    }
    found
}

#[test]
fn scan_goes_on_through_splits_merges_and_moves() {
    let mut table = OwnTable::new(&["row0100", "row0200", "row0250"]);
    let mut db = table.session();
    let puts: Vec<Put> = (0..300).map(|number| row(number, vec![b'x'; 1000])).collect();
    db.put(&puts).expect("puts");
    let expected: Vec<Vec<u8>> = (0..300).map(key).collect();
    let admin = &mut table.admin;
    let found = scan(&mut *db, 10, |page| match page {
        2 => admin.split(&key(50)).expect("a split"),
        6 => admin.move_all().expect("moves"),
        11 => admin.split(&key(150)).expect("a split"),
        13 => admin.move_all().expect("moves"),
        22 => admin.merge(&key(200)).expect("a merge"),
        _ => {}
    });
    assert_eq!(found, expected);
    assert_eq!(table.session().key_ranges().expect("key ranges").len(), 5);
    assert_eq!(scan(&mut *db, 50, |_| {}), expected);
}

#[test]
fn writes_and_reads_by_key_go_on_while_regions_change() {
    /// Also after a panic, which would otherwise leave the others at work for ever.
    struct SetWhenDropped<'a>(&'a AtomicBool);
    impl Drop for SetWhenDropped<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let mut table = OwnTable::new(&["row0300", "row0500"]);
    let is_done = AtomicBool::new(false);
    let (mut writer, mut reader) = (table.session(), table.session());
    std::thread::scope(|scope| {
        let is_done = &is_done;
        let writing = scope.spawn(move || {
            let mut number = 0;
            while !is_done.load(Ordering::Relaxed) || number < 800 {
                let puts: Vec<Put> =
                    (0..10).map(|step| row((number * 37 + step * 101) % 800, vec![b'x'; 100])).collect();
                writer.put(&puts).expect("a put");
                number += 1;
            }
        });
        let reading = scope.spawn(move || {
            let keys: Vec<Vec<u8>> = (0..800).step_by(11).map(key).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            while !is_done.load(Ordering::Relaxed) {
                let mut rows = Rows::default();
                reader.get(&keys, &columns(), &mut rows).expect("rows");
                assert!(rows.iter().all(|row| row.cell(0).is_some() && row.cell(1).is_some()));
            }
        });
        let changing = SetWhenDropped(is_done);
        table.admin.move_all().expect("moves");
        table.admin.split(&key(150)).expect("a split");
        table.admin.move_all().expect("moves");
        table.admin.merge(&key(300)).expect("a merge");
        drop(changing);
        writing.join().expect("the writer");
        reading.join().expect("the reader");
    });
    let found: BTreeSet<Vec<u8>> = scan(&mut *table.session(), 100, |_| {}).into_iter().collect();
    assert_eq!(found, (0..800).map(key).collect());
}

#[test]
fn rows_larger_than_a_response_come_back_whole() {
    let table = OwnTable::new(&[]);
    let mut db = table.session();
    let names: Vec<String> = (0..12).map(|n| format!("c{n:02}")).collect();
    for number in 0..3u8 {
        // One by one: a server takes no call of more than 256 MB.
        for (index, name) in names.iter().enumerate() {
            let value = vec![number * 12 + index as u8; 2 << 20];
            let cells = vec![PutCell { family: "i".into(), qualifier: name.clone(), value }];
            db.put(&[Put { key: key(number.into()), timestamp: Some(1), cells }]).expect("a put");
        }
    }
    let columns = Columns::new(names.iter().map(|name| (String::from("i"), name.clone())).collect());
    for page in [1, 2, 10] {
        let scan = Scan { keys: KeyRange::default(), window: Window::ALL, columns: &columns, page };
        let (mut rows, mut found, mut after) = (Rows::default(), Vec::new(), None::<Vec<u8>>);
        loop {
            let more = db.scan(&scan, after.as_deref(), &mut rows).expect("a page");
            assert!(rows.len() <= page);
            for row in rows.iter() {
                let number: u8 = row.key[4..].iter().fold(0, |number, digit| number * 10 + (digit - b'0'));
                for (index, _) in names.iter().enumerate() {
                    let cell = row.cell(index).expect("a cell");
                    assert_eq!(cell.value.len(), 2 << 20);
                    assert!(cell.value.iter().all(|byte| *byte == number * 12 + index as u8));
                }
                found.push(row.key.to_vec());
            }
            if !more {
                break;
            }
            after = rows.last().map(|row| row.key.to_vec());
        }
        assert_eq!(found, [key(0), key(1), key(2)], "pages of {page}");
    }
    let keys = [key(2), key(0)];
    let mut rows = Rows::default();
    db.get(&keys.each_ref().map(Vec::as_slice), &columns, &mut rows).expect("rows");
    assert_eq!(rows.iter().map(|row| row.key.to_vec()).collect::<Vec<_>>(), keys);
}

#[test]
fn disabled_table_is_named_and_used_again_once_it_is_enabled() {
    let mut table = OwnTable::new(&[]);
    let mut db = table.session();
    db.put(&[row(1, vec![b'x'])]).expect("a put");
    table.admin.disable().expect("a disabled table");
    let errors = [
        db.get(&[&key(1)], &columns(), &mut Rows::default()).err(),
        db.put(&[row(2, vec![b'x'])]).err(),
        table.session().get(&[&key(1)], &columns(), &mut Rows::default()).err(),
    ];
    for error in errors {
        let error = error.expect("a refusal");
        assert!(matches!(&error, ScienceDbError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("is DISABLED: run `enable"), "{error}");
    }
    table.admin.enable().expect("an enabled table");
    assert_eq!(scan(&mut *db, 10, |_| {}), [key(1)]);
}

#[test]
fn table_deleted_in_the_meantime_is_missing() {
    let mut table = OwnTable::new(&[]);
    let mut db = table.session();
    db.put(&[row(1, vec![b'x'])]).expect("a put");
    table.admin.disable().and_then(|()| table.admin.delete()).expect("no table");
    let error = db.get(&[&key(1)], &columns(), &mut Rows::default()).expect_err("a refusal");
    assert!(matches!(&error, ScienceDbError::NoTable { .. }), "{error}");
}

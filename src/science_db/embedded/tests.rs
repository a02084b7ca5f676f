use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::science_db::PutCell;
use crate::timestamp::Timestamp;
use crate::window::Window;

fn new_table(path: &Path) -> Embedded {
    let mut db = Embedded::new(path, "default:t");
    assert!(db.create_table(&NewTable { families: vec![String::from("i")], splits: Vec::new() }).unwrap());
    db
}

fn put(key: Vec<u8>, timestamp: i64, cells: impl IntoIterator<Item = (u8, u8)>) -> Put {
    let cell =
        |(name, value): (u8, u8)| PutCell { family: "i".into(), qualifier: name.to_string(), value: vec![value] };
    Put { key, timestamp: Some(timestamp), cells: cells.into_iter().map(cell).collect() }
}

fn columns(names: impl IntoIterator<Item = u8>) -> Columns {
    Columns::new(names.into_iter().map(|name| (String::from("i"), name.to_string())).collect())
}

type Model = BTreeMap<Vec<u8>, BTreeMap<u8, (i64, u8)>>;
type ScannedRows = Vec<(Vec<u8>, Vec<Option<(u8, i64)>>)>;

fn scan(db: &mut Embedded, keys: &KeyRange, window: Window, columns: &Columns, page: usize) -> ScannedRows {
    let scan = Scan { keys: keys.clone(), window, columns, page };
    let (mut rows, mut found, mut after) = (Rows::default(), Vec::new(), None::<Vec<u8>>);
    loop {
        let more = db.scan(&scan, after.as_deref(), &mut rows).unwrap();
        let cells = |row: &crate::row::Row<'_>| {
            (0..row.width()).map(|slot| row.cell(slot).map(|cell| (cell.value[0], cell.timestamp))).collect()
        };
        found.extend(rows.iter().map(|row| (row.key.to_vec(), cells(&row))));
        if !more {
            return found;
        }
        after = rows.last().map(|row| row.key.to_vec());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn scans_find_what_a_plain_map_finds(
        puts in prop::collection::vec((0u8..6, 1i64..20, prop::collection::btree_map(0u8..12, any::<u8>(), 1..4)), 0..30),
        looks in prop::collection::vec((0i64..20, 1i64..20, prop::collection::btree_set(0u8..12, 1..12), 1usize..4, 0u8..4), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut db = new_table(&folder.path().join("s.db"));
        let mut model = Model::new();
        for (row, timestamp, cells) in &puts {
            let row_model = model.entry(vec![*row]).or_default();
            for (name, value) in cells {
                let cell = row_model.entry(*name).or_insert((*timestamp, *value));
                if *timestamp >= cell.0 {
                    *cell = (*timestamp, *value);
                }
            }
            db.put(&[put(vec![*row], *timestamp, cells.iter().map(|(name, value)| (*name, *value)))]).unwrap();
        }
        for (from, length, names, page, first) in &looks {
            let window = Window::new(Timestamp::from_millis(*from), Timestamp::from_millis(from + length)).unwrap();
            let range = KeyRange { start: vec![*first], end: vec![5] };
            let cell = |cells: &BTreeMap<u8, (i64, u8)>, name: &u8| {
                cells.get(name).filter(|(at, _)| window.contains(Timestamp::from_millis(*at))).map(|(at, value)| (*value, *at))
            };
            let expected: ScannedRows = model.range(vec![*first]..vec![5])
                .map(|(key, cells)| (key.clone(), names.iter().map(|name| cell(cells, name)).collect::<Vec<_>>()))
                .filter(|(_, cells)| cells.iter().any(Option::is_some))
                .collect();
            prop_assert_eq!(scan(&mut db, &range, window, &columns(names.iter().copied()), *page), expected);
        }
    }
}

#[test]
fn more_rows_than_a_time_lookup_takes_are_walked_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = new_table(&folder.path().join("s.db"));
    let key = |n: u32| n.to_be_bytes().to_vec();
    let puts: Vec<Put> = (0..10_100).map(|n| put(key(n), i64::from(n) + 1, [(0, n as u8)])).collect();
    db.put(&puts).unwrap();
    let columns = columns([0]);
    assert_eq!(scan(&mut db, &KeyRange::default(), Window::ALL, &columns, 777).len(), 10_100);
    let few = scan(
        &mut db,
        &KeyRange::default(),
        Window::new(Timestamp::from_millis(5001), Timestamp::from_millis(5011)).unwrap(),
        &columns,
        3,
    );
    assert_eq!(few.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), (5000..5010).map(key).collect::<Vec<_>>());
    let range = KeyRange { start: key(100), end: key(200) };
    assert_eq!(scan(&mut db, &range, Window::ALL, &columns, 7).len(), 100);
}

#[test]
fn several_threads_write_and_read_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    new_table(&path);
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let path = &path;
            scope.spawn(move || {
                let mut db = Embedded::new(path, "default:t");
                (0..25u8).for_each(|n| db.put(&[put(vec![writer, n], 5, [(n % 7, n)])]).unwrap());
            });
        }
        scope.spawn(|| {
            let mut db = Embedded::new(&path, "default:t");
            while scan(&mut db, &KeyRange::default(), Window::ALL, &columns(0..7), 10).len() < 100 {}
        });
    });
}

#[test]
fn file_that_is_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but longer than the header of one would be: ".repeat(20)).unwrap();
    let before = std::fs::read(&text).unwrap();
    let new = NewTable { families: vec![String::from("i")], splits: Vec::new() };
    let error = Embedded::new(&text, "default:t").create_table(&new).unwrap_err();
    assert!(matches!(error, ScienceDbError::Refused { .. }), "{error}");
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let error = Embedded::new(&other, "default:t").key_ranges().unwrap_err();
    assert!(error.to_string().contains("not a science database"), "{error}");
    assert!(Embedded::new(&other, "default:t").create_table(&new).is_err());

    let missing = Embedded::new(&folder.path().join("none.db"), "default:t").key_ranges().unwrap_err();
    assert!(matches!(missing, ScienceDbError::NoTable { .. }), "{missing}");
    assert!(!folder.path().join("none.db").exists());
}

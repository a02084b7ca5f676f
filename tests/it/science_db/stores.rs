//! The stores under test: how to open them, and a table in each.

use std::net::TcpStream;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fink::config::{ScienceDbSettings, StoreKind};
use fink::science_db::{NewTable, ScienceDb, open};
use hbase_thrift::hbase::{HbaseSyncClient, THbaseSyncClient};
use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol};

use crate::fixture::cluster::{Cluster, science_db_settings};

/// The column families of the tables under test.
pub const FAMILIES: [&str; 2] = ["d", "i"];

/// A store, a table in it that other tests use as well, and a prefix of row keys that nobody else uses.
pub struct Store {
    settings: ScienceDbSettings,
    table: String,
    pub prefix: String,
    tables: std::cell::RefCell<Vec<String>>,
    _folder: Option<tempfile::TempDir>,
}

impl Store {
    pub fn kind(&self) -> StoreKind {
        self.settings.kind
    }

    pub fn open(&self) -> Box<dyn ScienceDb> {
        self.open_table(&self.table)
    }

    pub fn open_table(&self, table: &str) -> Box<dyn ScienceDb> {
        open(&self.settings, table).expect("a session")
    }

    /// The name of a table that is not there, in a namespace that is not there either where the store can make one. It is dropped in the end.
    pub fn new_table(&self) -> String {
        let namespace = if self.kind() == StoreKind::Thrift1 { "default" } else { "db_test" };
        let name = format!("{namespace}:db_{}", unique());
        self.tables.borrow_mut().push(name.clone());
        name
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.kind() != StoreKind::Embedded {
            self.tables.borrow().iter().for_each(|table| drop_table(table));
        }
    }
}

/// Something that no other test, run or process has called itself.
pub fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
    format!("{now:x}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn families() -> Vec<String> {
    FAMILIES.map(String::from).to_vec()
}

pub fn embedded() -> Store {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = science_db_settings(StoreKind::Embedded, Vec::new(), folder.path());
    store(settings, "default:db_test", Some(folder))
}

pub fn thrift2() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let settings = science_db_settings(StoreKind::Thrift2, Cluster::get().thrift2(), Path::new(""));
    let store = store(settings, "default:db_test_2", None);
    CREATED.get_or_init(|| create(&store));
    store
}

pub fn thrift1() -> Store {
    static CREATED: OnceLock<()> = OnceLock::new();
    let settings = science_db_settings(StoreKind::Thrift1, Cluster::get().thrift1(), Path::new(""));
    let store = store(settings, "default:db_test_1", None);
    CREATED.get_or_init(|| create(&store));
    store
}

fn store(settings: ScienceDbSettings, table: &str, folder: Option<tempfile::TempDir>) -> Store {
    let is_embedded = settings.kind == StoreKind::Embedded;
    let tables = std::cell::RefCell::default();
    let store = Store { settings, table: table.to_owned(), prefix: format!("{}/", unique()), tables, _folder: folder };
    if is_embedded {
        create(&store);
    }
    store
}

fn create(store: &Store) {
    let table = NewTable { families: families(), splits: Vec::new() };
    store.open().create_table(&table).expect("the table of the tests");
}

fn drop_table(table: &str) {
    let address = Cluster::get().thrift1().remove(0);
    let stream = TcpStream::connect(address).expect("the Thrift 1 gateway");
    let input = TBinaryInputProtocol::new(stream.try_clone().expect("a second handle"), true);
    let mut client = HbaseSyncClient::new(input, TBinaryOutputProtocol::new(stream, true));
    let name = table.trim_start_matches("default:").as_bytes().to_vec();
    if client.get_table_names().expect("table names").contains(&name) {
        client.disable_table(name.clone()).expect("to disable a table of the tests");
        client.delete_table(name).expect("to delete a table of the tests");
    }
}
